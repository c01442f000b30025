//! One subscriber: its place in the logs, and what it gets when. Holds no event
//! that it does not give out at once, so that it takes the same memory however slow
//! it is read. Does not own how events are written (`http/events`).

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashSet;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::event::{Conditions, Event};
use super::hub::{Feed, FeedLimits, NoSeat, Sitting, Wanted};
use super::log::{Overrun, Part, Place};
use crate::telemetry::Channel;

/// Events are given out so often.
pub const FRAME: Duration = Duration::from_millis(100);

/// Bytes of events that are given out at once; one event may go beyond it.
pub const FRAME_BYTES: usize = 32 << 10;

/// Why a subscriber has to list again, when it had no chance to read on.
pub const TOO_LATE: &str = "what came since is not kept any more";

/// Why it has to list again when it was too slow.
const TOO_SLOW: &str = "it was read too slowly";

/// What a subscriber is told next.
#[derive(Debug)]
pub enum News {
    /// What has changed.
    Events(Vec<Arc<Event>>),
    /// The figures of this second.
    Stats(Bytes),
    /// It has to list again, for this reason.
    Reset(&'static str),
    /// There will be no more, for this reason.
    Bye(&'static str),
}

/// See the module.
#[derive(Debug)]
pub struct Subscription {
    sitting: Sitting,
    ids: AHashSet<Channel>,
    conditions: Conditions,
    /// In the log of each partition.
    places: Vec<Place>,
    /// Which partition is read first; another one each time.
    first: usize,
    rate: f64,
    /// Rockets that may be given out now.
    allowance: f64,
    counted_at: Instant,
    /// When the next may be given out.
    next: Instant,
    /// Whether there is more than was given out.
    behind: bool,
    published: watch::Receiver<u64>,
    stats: watch::Receiver<Option<Bytes>>,
    ended: watch::Receiver<Option<&'static str>>,
}

impl Subscription {
    /// Subscribes, from now on, or from `from` on: the counts up to which all was
    /// read, one for each partition. Also returns whether that was possible; if it was
    /// not, it begins now.
    ///
    /// # Errors
    /// When there are as many subscribers as there may be.
    pub fn open(
        feed: &Feed,
        wanted: Wanted,
        from: Option<&[u64]>,
        limits: FeedLimits,
    ) -> Result<(Self, bool), NoSeat> {
        let lane = wanted.lane();
        let ids = wanted.ids.iter().cloned().collect();
        let conditions = Conditions::new(&wanted.filter);
        let (sitting, was_wanted) = feed.sit_down(wanted, limits)?;
        let (published, stats, ended) = (feed.published(), feed.stats(), feed.ended());
        let mut places = Vec::new();
        let mut reads_on = from.is_none_or(|from| was_wanted && from.len() == feed.partitions());
        for partition in 0..feed.partitions() {
            let log = feed.log(partition, lane);
            let from = from.and_then(|from| from.get(partition)).map(|count| Place::at(*count));
            reads_on &= from.is_none_or(|from| log.has(from));
            places.push((from, log.end()));
        }
        let places =
            places.into_iter().map(|(from, end)| if reads_on { from.unwrap_or(end) } else { end });
        let places = places.collect();
        let rate = limits.rate as f64;
        let now = Instant::now();
        let subscription = Self {
            sitting,
            ids,
            conditions,
            places,
            first: 0,
            rate,
            allowance: most_at_once(rate),
            counted_at: now,
            next: now,
            behind: true,
            published,
            stats,
            ended,
        };
        if !reads_on {
            feed.figures().reset_at_once.add(1);
        }
        Ok((subscription, reads_on))
    }

    /// The counts up to which everything was given out, one for each partition.
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        self.places.iter().map(|place| place.count())
    }

    /// Waits for what there is to tell. May be dropped and asked again.
    pub async fn next(&mut self) -> News {
        loop {
            if let Some(reason) = *self.ended.borrow() {
                return News::Bye(reason);
            }
            if self.behind && self.next <= Instant::now() {
                match self.read() {
                    Ok(events) if events.is_empty() => {}
                    Ok(events) => return News::Events(events),
                    Err(Overrun) => return News::Reset(self.begin_anew()),
                }
            }
            let Self { published, stats, ended, behind, next, .. } = self;
            let more = async {
                if !*behind {
                    // The sender is in the feed, which this holds.
                    let _ = published.changed().await;
                    *behind = true;
                }
                sleep_until(*next).await;
            };
            tokio::select! {
                biased;
                _ = ended.changed() => {}
                _ = stats.changed() => {
                    if let Some(stats) = stats.borrow_and_update().clone() {
                        return News::Stats(stats);
                    }
                }
                () = more => {}
            }
        }
    }

    /// What has changed and may be given out now.
    fn read(&mut self) -> Result<Vec<Arc<Event>>, Overrun> {
        let now = Instant::now();
        let passed = (now - self.counted_at).as_secs_f64();
        self.allowance = (self.allowance + passed * self.rate).min(most_at_once(self.rate));
        self.counted_at = now;
        self.published.mark_unchanged();
        let mut events: Vec<Arc<Event>> = Vec::new();
        let (mut bytes, mut full) = (0, false);
        let Self { sitting, ids, conditions, places, first, allowance, .. } = self;
        let mut take = |event: &Arc<Event>| {
            if !(ids.is_empty() || ids.contains(event.id())) || !event.passes(conditions) {
                return true;
            }
            if *allowance < 1.0 || bytes >= FRAME_BYTES {
                full = true;
                return false;
            }
            *allowance -= 1.0;
            bytes += event.json.len();
            events.push(event.clone());
            true
        };
        let partitions = places.len();
        for part in [Part::Urgent, Part::Rest] {
            for at in 0..partitions {
                let at = (*first + at) % partitions;
                sitting.feed.log(at, sitting.lane).read(part, &mut places[at], &mut take)?;
            }
        }
        *first = (*first + 1) % partitions;
        self.behind = full;
        // What there was no room for may follow as soon as this is taken.
        let waits = !full || self.allowance < 1.0;
        self.next = if waits { now + FRAME } else { now };
        let figures = self.sitting.feed.figures();
        figures.sent.add(events.len() as u64);
        Ok(events)
    }

    /// Goes to the ends of the logs.
    fn begin_anew(&mut self) -> &'static str {
        for (partition, place) in self.places.iter_mut().enumerate() {
            *place = self.sitting.feed.log(partition, self.sitting.lane).end();
        }
        self.behind = false;
        self.sitting.feed.figures().reset_later.add(1);
        TOO_SLOW
    }
}

/// A fifth of a second's: what a late frame may make up for.
fn most_at_once(rate: f64) -> f64 {
    (rate / 5.0).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::feed::changed::{Changed, Lane, Turned};
    use crate::fleet::feed::event::{Name, rocket};

    fn limits(rate: usize) -> FeedLimits {
        FeedLimits { subscribers: 9, rate }
    }

    fn named(id: &str) -> Wanted {
        Wanted { ids: vec![Channel::parse(id).unwrap()], ..Wanted::default() }
    }

    fn forget(feed: &Feed, lane: Lane) {
        for n in 0..50 {
            let id = Channel::parse(&n.to_string()).unwrap();
            feed.log(0, lane).add(Event::of(Changed::Forgotten(id)));
        }
        feed.publish();
    }

    #[test]
    fn who_wants_what_nobody_wanted_cannot_read_on_where_others_can() {
        let feed = Feed::new(1);
        let (_other, _) = Subscription::open(&feed, named("a"), None, limits(9)).unwrap();
        let (_first, reads_on) =
            Subscription::open(&feed, named("b"), Some(&[0]), limits(9)).unwrap();
        assert!(!reads_on, "nothing of it was collected");
        let (_again, reads_on) =
            Subscription::open(&feed, named("b"), Some(&[0]), limits(9)).unwrap();
        assert!(reads_on);
    }

    #[test]
    fn of_all_partitions_explosions_come_first() {
        let feed = Feed::new(2);
        let wanted = Wanted::default();
        let lane = wanted.lane();
        let (mut subscription, _) = Subscription::open(&feed, wanted, None, limits(99)).unwrap();
        let changed = |id, exploded| Changed::Rocket {
            rocket: rocket(id, 1),
            exploded,
            turned: Turned::default(),
        };
        for at in 0..2 {
            feed.log(at, lane).add(Event::of(changed("a", false)));
            feed.log(at, lane).add(Event::of(changed("b", true)));
        }
        let names: Vec<_> = subscription.read().unwrap().iter().map(|it| it.name).collect();
        assert_eq!(names, [Name::Explosion, Name::Explosion, Name::Rocket, Name::Rocket]);
    }

    #[test]
    fn so_many_rockets_are_given_out_and_no_more() {
        for (rate, expected) in [(1, 1), (50, 10), (1000, 50)] {
            let feed = Feed::new(1);
            let wanted = Wanted::default();
            let lane = wanted.lane();
            let (mut subscription, _) =
                Subscription::open(&feed, wanted, None, limits(rate)).unwrap();
            forget(&feed, lane);
            // What time passes meanwhile makes up for no more than was there.
            assert_eq!(subscription.read().unwrap().len(), expected, "{rate}");
        }
    }
}
