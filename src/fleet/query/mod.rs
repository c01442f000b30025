//! What can be asked of the fleet, the partial result of one partition, and
//! the pure merge of the parts.
//!
//! * `sort`: the orders of listings, and a rocket's place in one.
//! * `slices`: many rockets, in steps that each take little.
//! * `facts`: what both of these ask of a rocket.
//! * `filter`: conditions.
//! * `gaps`: rockets that wait for a missing message.
//! * `history`: the recent past of one rocket.
//! * `mission_figures`: the missions with what is known of their rockets.
//! * `whole`: the merge of a whole listing, done as it is taken.

mod facts;
mod filter;
mod gaps;
mod history;
mod mission_figures;
mod slices;
mod sort;
mod whole;

use std::cmp::Ordering;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::feed::changed::{Changes, Lane};
use super::view::{Lookup, RocketView, Silent};
use crate::telemetry::{Caseless, Channel, Timestamp};

pub use self::facts::{Facts, Traits};
pub use self::filter::Filter;
pub use self::gaps::{GapPage, GapPart, GapPlace, GapSelection};
pub use self::history::{History, Span};
pub use self::mission_figures::{Figures, MissionRow, MissionTable};
pub use self::slices::Slices;
pub use self::sort::{Field, Position, Sort, SortKey};
pub use self::whole::Whole;

/// A question to one partition, and where its part of the answer goes.
#[derive(Debug)]
pub enum Query {
    /// One rocket; asked of the partition that owns it.
    Rocket {
        /// Which one.
        channel: Channel,
        /// Where the answer goes.
        reply: oneshot::Sender<Lookup>,
    },
    /// The recent past of one rocket; asked of the partition that owns it.
    History {
        /// Which one.
        channel: Channel,
        /// Which part of it.
        span: Span,
        /// Where the answer goes.
        reply: oneshot::Sender<History>,
    },
    /// Rockets in some order; asked of every partition.
    Rockets {
        /// Which ones; the same for all partitions.
        selection: Arc<Selection>,
        /// Where this partition's part goes.
        reply: oneshot::Sender<Part>,
    },
    /// Rockets that wait for a missing message; asked of every partition.
    Gaps {
        /// Which ones; the same for all partitions.
        selection: Arc<GapSelection>,
        /// Where this partition's part goes.
        reply: oneshot::Sender<GapPart>,
    },
    /// Exploded rockets of which nothing was heard for long, the longest first.
    Silent {
        /// Nothing since then, by the service's clock.
        before: Timestamp,
        /// At most so many.
        limit: usize,
        /// Where they go.
        reply: oneshot::Sender<Vec<Silent>>,
    },
    /// Missions in use; asked of every partition.
    Missions {
        /// Only those that sort behind this one.
        after: Option<Arc<str>>,
        /// At most so many.
        limit: usize,
        /// Where this partition's missions go, each once, sorted.
        reply: oneshot::Sender<Vec<Arc<str>>>,
    },
    /// All missions with what is known of their rockets; asked of every partition.
    MissionFigures {
        /// Where this partition's part goes, in no order.
        reply: oneshot::Sender<Slices<MissionRow>>,
    },
    /// One mission; asked of every partition.
    Mission {
        /// Which one, in whatever spelling.
        wanted: Caseless,
        /// Where the spelling goes that this partition's rockets have; of several
        /// the one that sorts first.
        reply: oneshot::Sender<Option<Arc<str>>>,
    },
    /// What has changed since it was asked last; asked by the feed.
    Changes {
        /// For whom.
        lane: Lane,
        /// At most so many rockets.
        limit: usize,
        /// Only those that pass one of these; any if there are none.
        filters: Arc<[Filter]>,
        /// Where they go.
        reply: oneshot::Sender<Changes>,
    },
}

/// Which launched rockets, in which order, and how many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Which rockets.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// Only what comes after this position; `None` from the start.
    pub after: Option<Position>,
    /// At most so many; `None` for all.
    pub limit: Option<usize>,
}

/// One partition's part of the answer to [`Query::Rockets`].
#[derive(Debug, Default)]
pub struct Part {
    /// The first rockets of the selection that this partition owns, in no
    /// order; at most [`Selection::limit`].
    pub rockets: Slices,
    /// How many rockets match the filter, wherever the page starts and ends.
    pub total: usize,
    /// Whether there are rockets in this partition behind these.
    pub more: bool,
}

/// The whole answer to [`Query::Rockets`].
#[derive(Debug, Default)]
pub struct Page {
    /// In the selection's order.
    pub rockets: Vec<RocketView>,
    /// How many rockets of the fleet match the filter, on this page or not.
    pub total: usize,
    /// Whether there are rockets behind these.
    pub more: bool,
}

/// The first missions behind some place.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Missions {
    /// Each once, sorted by their bytes.
    pub names: Vec<Arc<str>>,
    /// Whether there are missions behind these.
    pub more: bool,
}

impl Missions {
    /// Merges the parts of all partitions into the first `limit`. Each part must
    /// have been asked for one more.
    #[must_use]
    pub fn merge(parts: &[Vec<Arc<str>>], limit: usize) -> Self {
        let mut names = parts.concat();
        names.sort_unstable();
        names.dedup();
        let more = names.len() > limit;
        names.truncate(limit);
        Self { names, more }
    }
}

impl Selection {
    /// Whether a partition answers this from an index, of IDs or of launches,
    /// without a walk over its rockets.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        let in_launch_order = self.sort.field == Field::LaunchTime && self.filter.is_empty();
        in_launch_order || self.filter.id.is_some() || self.is_in_order_of_ids()
    }

    /// Whether it is all rockets with IDs from one to another, in the order of these.
    #[must_use]
    pub fn is_in_order_of_ids(&self) -> bool {
        self.sort.field == Field::Id && self.filter.asks_for_prefix_at_most()
    }

    /// Whether a rocket comes after where the page begins.
    #[must_use]
    pub fn begins_before(&self, rocket: &impl Facts) -> bool {
        let is_before =
            |after| self.sort.compare(&self.sort.position(rocket), after) == Ordering::Greater;
        self.after.as_ref().is_none_or(is_before)
    }
}

impl Page {
    /// Merges the parts of all partitions, at once: for pages. A whole listing that
    /// no index answers is a [`Whole`].
    #[must_use]
    pub fn merge(parts: Vec<Part>, sort: Sort, limit: Option<usize>) -> Self {
        let total = parts.iter().map(|part| part.total).sum();
        let mut more = parts.iter().any(|part| part.more);
        let slices = parts.into_iter().flat_map(|part| part.rockets.take());
        let mut rockets: Vec<_> = slices.flatten().collect();
        rockets.sort_unstable_by(|a, b| sort.compare_rockets(a, b));
        if let Some(limit) = limit.filter(|&limit| limit < rockets.len()) {
            rockets.truncate(limit);
            more = true;
        }
        Self { rockets, total, more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::view::Status;

    fn view(id: &str, launched: i64, speed: i64) -> RocketView {
        let time = Timestamp::from_unix(launched, 0).unwrap();
        RocketView {
            id: Channel::parse(id).unwrap(),
            launch_time: time,
            last_update_time: time,
            last_message_number: 1,
            speed,
            rocket_type: "Falcon-9".into(),
            mission: "ARTEMIS".into(),
            status: Status::Launched,
            explosion_reason: None,
            buffered_messages: 0,
            lost_messages: 0,
            conflicts: 0,
        }
    }

    fn ids(page: &Page) -> Vec<String> {
        page.rockets.iter().map(|rocket| rocket.id.to_string()).collect()
    }

    fn part(rockets: [RocketView; 2], total: usize) -> Part {
        Part { rockets: rockets.into_iter().collect(), total, more: false }
    }

    fn parts() -> Vec<Part> {
        vec![
            part([view("d", 2, 7), view("b", 1, 9)], 2),
            part([view("a", 2, 8), view("c", 1, 9)], 5),
        ]
    }

    #[test]
    fn parts_merge_by_key_and_then_by_id() {
        let sort = Sort::default();
        let page = Page::merge(parts(), sort, None);
        assert_eq!(ids(&page), ["b", "c", "a", "d"]);
        assert_eq!((page.total, page.more), (7, false));
        let descending = Sort { descending: true, ..sort };
        assert_eq!(ids(&Page::merge(parts(), descending, None)), ["d", "a", "c", "b"]);
        let speed = Sort { field: Field::Speed, descending: false };
        assert_eq!(ids(&Page::merge(parts(), speed, None)), ["d", "a", "b", "c"]);
    }

    #[test]
    fn a_cut_page_says_that_there_is_more() {
        let page = Page::merge(parts(), Sort::default(), Some(3));
        assert_eq!(ids(&page), ["b", "c", "a"]);
        assert!(page.more);
        assert!(!Page::merge(parts(), Sort::default(), Some(4)).more);
        let mut parts = parts();
        parts[0].more = true;
        assert!(Page::merge(parts, Sort::default(), Some(4)).more);
    }

    /// Many slices, in both directions, by every field, against one sort by
    /// positions.
    #[test]
    fn a_whole_listing_is_merged_as_it_is_taken() {
        let rocket = |n: i64| RocketView {
            speed: n * 7919 % 100,
            last_message_number: (n * 31 % 50).unsigned_abs(),
            mission: format!("M{}", n % 9).into(),
            explosion_reason: (n % 3 == 0).then(|| format!("R{}", n % 4).into()),
            status: if n % 3 == 0 { Status::Exploded } else { Status::Launched },
            buffered_messages: u32::try_from(n % 5).unwrap(),
            last_update_time: Timestamp::from_unix(n * 17 % 40, 0).unwrap(),
            ..view(&format!("{}", n * 104_729 % 5000), n * 13 % 70, 0)
        };
        for (_, field) in Field::NAMES {
            for descending in [false, true] {
                let sort = Sort { field, descending };
                let mut expected: Vec<_> = (0..5000).map(|n| sort.position(&rocket(n))).collect();
                expected.sort_by(|a, b| sort.compare(a, b));
                let parts =
                    vec![(0..3000).map(rocket).collect(), (3000..5000).map(rocket).collect()];
                let mut whole = Whole::merge(parts, sort, 6000);
                let mut found = Vec::new();
                while whole.left() > 0 {
                    let next = whole.next(700);
                    assert!(next.len() == 700 || whole.left() == 0);
                    found.extend(next.iter().map(|rocket| sort.position(rocket)));
                }
                assert_eq!((found == expected, whole.total()), (true, 6000), "{sort:?}");
                assert!(whole.next(1).is_empty());
            }
        }
    }

    #[test]
    fn missions_merge_in_order_and_each_once() {
        let part = |names: &[&str]| names.iter().map(|&name| name.into()).collect::<Vec<_>>();
        let parts = [part(&["a", "c", "d"]), part(&["b", "c", "e"])];
        let merged = |limit| {
            let Missions { names, more } = Missions::merge(&parts, limit);
            (names.concat(), more)
        };
        assert_eq!(merged(2), ("ab".to_owned(), true));
        assert_eq!(merged(4), ("abcd".to_owned(), true));
        assert_eq!(merged(5), ("abcde".to_owned(), false));
    }

    #[test]
    fn conditions_all_hold_and_texts_match_whatever_their_case() {
        let on = |missions: &[&str]| Filter {
            missions: missions.iter().map(|mission| Caseless::new(mission)).collect(),
            ..Filter::default()
        };
        let rocket = view("a", 1, 1);
        assert!(on(&["artemis", "Artemis"]).admits(&rocket));
        assert!(!on(&["artemis", "apollo"]).admits(&rocket));
    }
}
