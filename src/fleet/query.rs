//! What can be asked of the fleet, the partial result of one partition, and
//! the pure merge of the parts.

use std::cmp::Ordering;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::view::{Lookup, RocketView, Status};
use crate::telemetry::{Caseless, Channel, Timestamp};

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
    /// Rockets in some order; asked of every partition.
    Rockets {
        /// Which ones; the same for all partitions.
        selection: Arc<Selection>,
        /// Where this partition's part goes.
        reply: oneshot::Sender<Part>,
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
    /// One mission; asked of every partition.
    Mission {
        /// Which one, in whatever spelling.
        wanted: Caseless,
        /// Where the spelling goes that this partition's rockets have; of several
        /// the one that sorts first.
        reply: oneshot::Sender<Option<Arc<str>>>,
    },
}

/// Which launched rockets, in which order, and how many.
#[derive(Clone, Debug, Default)]
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

/// Conditions that all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The rocket has exactly this ID.
    pub id: Option<Channel>,
    /// The rocket is on all of these, so two different ones match none.
    pub missions: Vec<Caseless>,
    /// The rocket is of this type.
    pub rocket_type: Option<Caseless>,
    /// The rocket has this status.
    pub status: Option<Status>,
}

impl Filter {
    /// Whether every rocket passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The order of rockets: by a field, then by ID, and all that from the end if
/// `descending`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    /// What is compared first.
    pub field: Field,
    /// Largest first, IDs too.
    pub descending: bool,
}

/// A field to sort by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field {
    /// By the text of the ID.
    Id,
    /// By launch time, the order that partitions keep their rockets in.
    #[default]
    LaunchTime,
    /// By the time of the last applied message.
    LastUpdateTime,
    /// By the number of the last applied message.
    LastMessageNumber,
    /// By speed.
    Speed,
    /// By the text of the type.
    RocketType,
    /// By the text of the mission.
    Mission,
    /// By the name of the status: exploded before launched.
    Status,
    /// By the text of the reason; rockets that fly have none and come first.
    ExplosionReason,
    /// By the number of messages that wait for an earlier one.
    BufferedMessages,
}

/// A rocket's place in an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The value of the field that is sorted by.
    pub key: SortKey,
    /// Sets rockets with the same value apart.
    pub id: Channel,
}

/// The value that a rocket is sorted by. Positions in one order hold the same
/// variant throughout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortKey {
    /// Sorts before any text.
    Nothing,
    /// Of fields that hold a time.
    Time(Timestamp),
    /// Of fields that hold a number, counts included.
    Number(i64),
    /// Of fields that hold a text, compared by its bytes.
    Text(Arc<str>),
}

/// One partition's part of the answer to [`Query::Rockets`].
#[derive(Debug, Default)]
pub struct Part {
    /// The first rockets of the selection that this partition owns, in no
    /// order; at most [`Selection::limit`].
    pub rockets: Vec<RocketView>,
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

impl Field {
    /// Every field with its name in the HTTP contract.
    pub const NAMES: [(&'static str, Self); 10] = [
        ("launch_time", Self::LaunchTime),
        ("id", Self::Id),
        ("last_update_time", Self::LastUpdateTime),
        ("last_message_number", Self::LastMessageNumber),
        ("speed", Self::Speed),
        ("rocket_type", Self::RocketType),
        ("mission", Self::Mission),
        ("status", Self::Status),
        ("explosion_reason", Self::ExplosionReason),
        ("buffered_messages", Self::BufferedMessages),
    ];
}

impl Field {
    /// Whether rockets are sorted by such a key when this is the field.
    #[must_use]
    pub fn holds(self, key: &SortKey) -> bool {
        match key {
            SortKey::Nothing => matches!(self, Self::Id | Self::ExplosionReason),
            SortKey::Time(_) => matches!(self, Self::LaunchTime | Self::LastUpdateTime),
            SortKey::Text(_) => {
                matches!(self, Self::RocketType | Self::Mission | Self::ExplosionReason)
            }
            SortKey::Number(_) => matches!(
                self,
                Self::LastMessageNumber | Self::Speed | Self::Status | Self::BufferedMessages
            ),
        }
    }
}

impl Selection {
    /// Whether a partition answers this from an index, of IDs or of launches,
    /// without a walk over its rockets.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        let in_launch_order = self.sort.field == Field::LaunchTime && self.filter.is_empty();
        in_launch_order || self.filter.id.is_some()
    }

    /// Whether a rocket at this place comes after where the page begins.
    #[must_use]
    pub fn begins_before(&self, position: &Position) -> bool {
        let after = self.after.as_ref();
        after.is_none_or(|after| self.sort.compare(position, after) == Ordering::Greater)
    }
}

impl Filter {
    /// Whether a rocket meets every condition but that of its ID, by which it was
    /// found.
    #[must_use]
    pub fn admits(&self, rocket_type: &str, mission: &str, status: Status) -> bool {
        self.status.is_none_or(|wanted| wanted == status)
            && self.rocket_type.as_ref().is_none_or(|wanted| wanted.matches(rocket_type))
            && self.missions.iter().all(|wanted| wanted.matches(mission))
    }
}

impl Sort {
    /// Compares two positions in this order.
    #[must_use]
    pub fn compare(self, a: &Position, b: &Position) -> Ordering {
        if self.descending { b.cmp(a) } else { a.cmp(b) }
    }

    /// Where a rocket stands in this order.
    #[must_use]
    pub fn position(self, rocket: &RocketView) -> Position {
        Position { key: self.key(rocket), id: rocket.id.clone() }
    }

    fn key(self, rocket: &RocketView) -> SortKey {
        let number = |n: u64| {
            let n = i64::try_from(n).expect("messages are numbered and counted below 2^63");
            SortKey::Number(n)
        };
        match self.field {
            Field::Id => SortKey::Nothing,
            Field::LaunchTime => SortKey::Time(rocket.launch_time),
            Field::LastUpdateTime => SortKey::Time(rocket.last_update_time),
            Field::LastMessageNumber => number(rocket.last_message_number),
            Field::Speed => SortKey::Number(rocket.speed),
            Field::RocketType => SortKey::Text(rocket.rocket_type.clone()),
            Field::Mission => SortKey::Text(rocket.mission.clone()),
            Field::Status => SortKey::Number(rocket.status as i64),
            Field::ExplosionReason => {
                rocket.explosion_reason.clone().map_or(SortKey::Nothing, SortKey::Text)
            }
            Field::BufferedMessages => number(rocket.buffered_messages as u64),
        }
    }
}

impl Page {
    /// Merges the parts of all partitions.
    #[must_use]
    pub fn merge(parts: Vec<Part>, sort: Sort, limit: Option<usize>) -> Self {
        let total = parts.iter().map(|part| part.total).sum();
        let mut more = parts.iter().any(|part| part.more);
        let mut keyed: Vec<_> = parts
            .into_iter()
            .flat_map(|part| part.rockets)
            .map(|rocket| (sort.position(&rocket), rocket))
            .collect();
        keyed.sort_unstable_by(|(a, _), (b, _)| sort.compare(a, b));
        if let Some(limit) = limit.filter(|&limit| limit < keyed.len()) {
            keyed.truncate(limit);
            more = true;
        }
        Self { rockets: keyed.into_iter().map(|(_, rocket)| rocket).collect(), total, more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        }
    }

    fn ids(page: &Page) -> Vec<String> {
        page.rockets.iter().map(|rocket| rocket.id.to_string()).collect()
    }

    fn parts() -> Vec<Part> {
        vec![
            Part { rockets: vec![view("d", 2, 7), view("b", 1, 9)], total: 2, more: false },
            Part { rockets: vec![view("a", 2, 8), view("c", 1, 9)], total: 5, more: false },
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
        assert!(on(&["artemis", "Artemis"]).admits("Falcon-9", "ARTEMIS", Status::Launched));
        let both = on(&["artemis", "apollo"]);
        assert!(!both.admits("Falcon-9", "ARTEMIS", Status::Launched));
    }
}
