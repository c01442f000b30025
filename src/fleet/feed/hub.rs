//! What workers' reports and subscribers meet at: the logs, who sits there, and the
//! signals between them. Owns which lanes are open. Does not own what is written to
//! the logs (`pump`), nor how they are read (`subscription`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::changed::Lane;
use super::listening::Listening;
use super::log::Log;
use crate::fleet::query::Filter;
use crate::telemetry::Channel;
use crate::telemetry::tally::Count;

/// What the logs of a lane hold together: some 12,000 rockets of the usual size.
const LOG_BYTES: usize = 8 << 20;

/// What a log holds at least.
const LEAST_LOG_BYTES: usize = 64 << 10;

/// A lane stays open for so long after its last subscriber left: who comes back
/// within it reads on.
pub const LINGER: Duration = Duration::from_secs(30);

/// Up to so many different filters are looked at where rockets are. With more,
/// rockets that pass none take their share of what is told.
const MOST_FILTERS: usize = 16;

/// Most wishes of which nobody is there any more. Who comes back with another one
/// has to list again.
const MOST_IDLE_WISHES: usize = 1000;

/// The feed, as all sides of it hold it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    listening: Arc<Listening>,
    /// Of each partition, for each lane.
    logs: Vec<[Mutex<Log>; Lane::EVERY.len()]>,
    seats: Mutex<Seats>,
    /// Rockets a second that a subscriber may get.
    rate: AtomicUsize,
    /// Goes up when something was put into a log.
    published: watch::Sender<u64>,
    /// The figures of this second.
    stats: watch::Sender<Option<Bytes>>,
    /// Whether a lane is open.
    open: watch::Sender<bool>,
    /// Why there will be no more.
    ended: watch::Sender<Option<&'static str>>,
    figures: Figures,
}

/// What is counted of the feed.
#[derive(Debug, Default)]
pub struct Figures {
    /// Subscribers that there are now.
    pub subscribers: AtomicUsize,
    /// Events about rockets that were sent.
    pub sent: Count,
    /// Subscribers that could not read on from where they said, and had to list again.
    pub reset_at_once: Count,
    /// Those that read too slowly, and had to.
    pub reset_later: Count,
    /// Those for which there was no seat.
    pub refused: Count,
}

#[derive(Debug, Default)]
struct Seats {
    lanes: [Seat; Lane::EVERY.len()],
    /// What is wanted by those who do not want all, each once.
    wishes: Vec<Wish>,
    /// Of those who filter, if they are few.
    filters: Arc<[Filter]>,
}

/// What some want, or wanted until a moment ago.
#[derive(Debug)]
struct Wish {
    wanted: Wanted,
    subscribers: usize,
    /// Since the last one left.
    idle_since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Seat {
    subscribers: usize,
    /// Since the last one left.
    idle_since: Option<Instant>,
}

/// Which rockets a subscriber wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only these, each once and in order; any if there are none.
    pub ids: Vec<Channel>,
    /// What they must be like.
    pub filter: Filter,
}

impl Wanted {
    /// The lane on which these come.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match (self.ids.is_empty(), self.filter.is_empty()) {
            (false, _) => Lane::Named,
            (true, false) => Lane::Filtered,
            (true, true) => Lane::All,
        }
    }
}

/// What the feed gives a subscriber, and how many of them.
#[derive(Clone, Copy, Debug)]
pub struct FeedLimits {
    /// Subscribers at a time.
    pub subscribers: usize,
    /// Rockets a second for each of them; at least 1.
    pub rate: usize,
}

/// There are as many subscribers as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSeat;

impl Feed {
    /// A feed of so many partitions to which nobody listens.
    #[must_use]
    pub fn new(partitions: usize) -> Self {
        let most_bytes = (LOG_BYTES / partitions.max(1)).max(LEAST_LOG_BYTES);
        let logs = || Lane::EVERY.map(|_| Mutex::new(Log::new(most_bytes)));
        Self(Arc::new(Inner {
            listening: Arc::default(),
            logs: (0..partitions).map(|_| logs()).collect(),
            seats: Mutex::default(),
            rate: AtomicUsize::new(1),
            published: watch::Sender::new(0),
            stats: watch::Sender::new(None),
            open: watch::Sender::new(false),
            ended: watch::Sender::new(None),
            figures: Figures::default(),
        }))
    }

    /// What workers look at.
    #[must_use]
    pub fn listening(&self) -> &Arc<Listening> {
        &self.0.listening
    }

    /// What is counted of it.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.0.figures
    }

    /// How many partitions there are.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.0.logs.len()
    }

    /// How many subscribers there are.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.0.figures.subscribers.load(Ordering::Relaxed)
    }

    /// There will be no more, for this reason: every subscriber is told.
    pub fn end(&self, reason: &'static str) {
        self.0.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            ended.get_or_insert(reason);
            is_first
        });
    }

    pub(super) fn ended(&self) -> watch::Receiver<Option<&'static str>> {
        self.0.ended.subscribe()
    }

    pub(super) fn published(&self) -> watch::Receiver<u64> {
        self.0.published.subscribe()
    }

    pub(super) fn stats(&self) -> watch::Receiver<Option<Bytes>> {
        self.0.stats.subscribe()
    }

    /// Whether a lane is open.
    pub(super) fn open(&self) -> watch::Receiver<bool> {
        self.0.open.subscribe()
    }

    /// Something was put into a log.
    pub(super) fn publish(&self) {
        self.0.published.send_modify(|count| *count += 1);
    }

    /// The figures of this second.
    pub(super) fn publish_stats(&self, stats: Bytes) {
        self.0.stats.send_replace(Some(stats));
    }

    /// The log of a partition, locked: only for as long as it takes to add or to read
    /// some events.
    pub(super) fn log(&self, partition: usize, lane: Lane) -> MutexGuard<'_, Log> {
        // Nobody leaves it half-done.
        self.0.logs[partition][lane as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rockets a second that a subscriber may get.
    pub(super) fn rate(&self) -> usize {
        self.0.rate.load(Ordering::Relaxed)
    }

    /// How many subscribers a lane has.
    pub(super) fn on(&self, lane: Lane) -> usize {
        self.seats().lanes[lane as usize].subscribers
    }

    /// What those on this lane ask of rockets; nothing if it is too much to be looked
    /// at for each rocket, or they want any.
    pub(super) fn filters(&self, lane: Lane) -> Arc<[Filter]> {
        if lane == Lane::Filtered { self.seats().filters.clone() } else { Arc::default() }
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat, and opens the lane if it is the first. Also returns whether the
    /// same was wanted until now, or a moment ago, so that all of it was collected.
    ///
    /// # Errors
    /// When all are taken.
    pub(super) fn sit_down(
        &self,
        wanted: Wanted,
        limits: FeedLimits,
    ) -> Result<(Sitting, bool), NoSeat> {
        let mut seats = self.seats();
        let taken = seats.taken();
        if taken >= limits.subscribers {
            self.0.figures.refused.add(1);
            return Err(NoSeat);
        }
        let lane = wanted.lane();
        self.0.rate.store(limits.rate, Ordering::Relaxed);
        self.0.figures.subscribers.store(taken + 1, Ordering::Relaxed);
        let seat = &mut seats.lanes[lane as usize];
        seat.subscribers += 1;
        seat.idle_since = None;
        let was_wanted = lane == Lane::All || self.wish(&mut seats, &wanted);
        self.0.listening.open(lane);
        self.0.open.send_replace(true);
        Ok((Sitting { feed: self.clone(), lane, wanted }, was_wanted))
    }

    /// One more wants this. Whether it was wanted until now.
    fn wish(&self, seats: &mut Seats, wanted: &Wanted) -> bool {
        if let Some(wish) = seats.wishes.iter_mut().find(|wish| wish.wanted == *wanted) {
            wish.subscribers += 1;
            wish.idle_since = None;
            return true;
        }
        for channel in &wanted.ids {
            self.0.listening.name(channel);
        }
        seats.wishes.push(Wish { wanted: wanted.clone(), subscribers: 1, idle_since: None });
        self.collect_filters(seats);
        false
    }

    /// Forgets what nobody has wanted for long enough, and closes lanes likewise.
    pub(super) fn close_what_is_idle(&self, now: Instant) {
        let mut seats = self.seats();
        let is_over = |since: &mut Option<Instant>| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= LINGER)
        };
        let over = |wish: &mut Wish| is_over(&mut wish.idle_since);
        let over: Vec<_> = seats.wishes.extract_if(.., over).collect();
        self.forget(&mut seats, &over);
        for lane in Lane::EVERY {
            let idle_since = &mut seats.lanes[lane as usize].idle_since;
            if is_over(idle_since) {
                *idle_since = None;
                self.0.listening.close(lane);
                for partition in 0..self.partitions() {
                    self.log(partition, lane).begin_anew();
                }
            }
        }
        if self.0.listening.lanes() == 0 {
            self.0.open.send_replace(false);
            self.0.stats.send_replace(None);
        }
    }

    fn forget(&self, seats: &mut Seats, wishes: &[Wish]) {
        for channel in wishes.iter().flat_map(|wish| &wish.wanted.ids) {
            self.0.listening.unname(channel);
        }
        if !wishes.is_empty() {
            self.collect_filters(seats);
        }
    }

    /// What is asked of rockets is another now.
    fn collect_filters(&self, seats: &mut Seats) {
        let by_waiting = seats.wishes.iter().filter(|wish| wish.wanted.filter.waiting.is_some());
        let lanes = by_waiting.fold(0, |lanes, wish| lanes | wish.wanted.lane().bit());
        self.0.listening.ask_what_waits(lanes);
        seats.collect_filters();
    }

    fn leave(&self, lane: Lane, wanted: &Wanted) {
        let mut seats = self.seats();
        let now = Instant::now();
        let seat = &mut seats.lanes[lane as usize];
        seat.subscribers -= 1;
        if seat.subscribers == 0 {
            seat.idle_since = Some(now);
        }
        let idle = seats.wishes.iter().filter(|wish| wish.idle_since.is_some()).count();
        if let Some(at) = seats.wishes.iter().position(|wish| wish.wanted == *wanted) {
            let wish = &mut seats.wishes[at];
            wish.subscribers -= 1;
            if wish.subscribers == 0 {
                wish.idle_since = Some(now);
                if idle >= MOST_IDLE_WISHES {
                    let wish = seats.wishes.swap_remove(at);
                    self.forget(&mut seats, &[wish]);
                }
            }
        }
        self.0.figures.subscribers.store(seats.taken(), Ordering::Relaxed);
    }
}

impl Seats {
    fn taken(&self) -> usize {
        self.lanes.iter().map(|seat| seat.subscribers).sum()
    }

    fn collect_filters(&mut self) {
        let of_filtered = self.wishes.iter().filter(|wish| wish.wanted.lane() == Lane::Filtered);
        let filters: Vec<_> = of_filtered.map(|wish| wish.wanted.filter.clone()).collect();
        self.filters = if filters.len() <= MOST_FILTERS { filters.into() } else { Arc::default() };
    }
}

/// A subscriber's seat, until it is dropped.
#[derive(Debug)]
pub(super) struct Sitting {
    pub feed: Feed,
    pub lane: Lane,
    wanted: Wanted,
}

impl Drop for Sitting {
    fn drop(&mut self) {
        self.feed.leave(self.lane, &self.wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_closes_a_while_after_its_last_subscriber_and_begins_anew() {
        let feed = Feed::new(1);
        let limits = FeedLimits { subscribers: 9, rate: 9 };
        let wanted = Wanted { ids: vec![Channel::from_uuid([7; 16])], ..Wanted::default() };
        let open = feed.open();
        let later = |lane: Lane| feed.log(0, lane).end();
        for wanted in [Wanted::default(), wanted] {
            let lane = wanted.lane();
            let sit_down = || feed.sit_down(wanted.clone(), limits).unwrap();
            let end = later(lane);
            drop(sit_down());
            feed.close_what_is_idle(Instant::now() + LINGER / 2);
            assert_eq!(feed.listening().lanes(), lane.bit(), "who comes back reads on");
            let (sitting, was_wanted) = sit_down();
            assert!(was_wanted && *open.borrow());
            // As long as somebody is there it stays open.
            feed.close_what_is_idle(Instant::now() + 2 * LINGER);
            assert_eq!(feed.listening().lanes(), lane.bit());
            assert_eq!(later(lane).count(), end.count());
            drop(sitting);
            feed.close_what_is_idle(Instant::now() + LINGER);
            assert_eq!(feed.listening().lanes(), 0, "nobody came back");
            assert!(!*open.borrow() && feed.seats().wishes.is_empty());
            assert_eq!(later(lane).count(), end.count() + 1, "what was there is forgotten");
        }
    }
}
