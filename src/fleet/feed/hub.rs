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
use crate::telemetry::Channel;
use crate::telemetry::tally::Count;

/// What the logs of a lane hold together: some 12,000 rockets of the usual size.
const LOG_BYTES: usize = 8 << 20;

/// What a log holds at least.
const LEAST_LOG_BYTES: usize = 64 << 10;

/// A lane stays open for so long after its last subscriber left: who comes back
/// within it reads on.
pub const LINGER: Duration = Duration::from_secs(30);

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
    /// Subscribers that had to list again: those that came back too late or with
    /// something that was not theirs, and those that read too slowly.
    pub reset_at_once: Count,
    /// See there.
    pub reset_later: Count,
}

#[derive(Debug)]
struct Seats {
    lanes: [Seat; Lane::EVERY.len()],
}

#[derive(Debug, Default)]
struct Seat {
    subscribers: usize,
    /// Since the last one left.
    idle_since: Option<Instant>,
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
            seats: Mutex::new(Seats { lanes: Default::default() }),
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

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat, and opens the lane if it is the first.
    ///
    /// # Errors
    /// When all are taken.
    pub(super) fn sit_down(
        &self,
        lane: Lane,
        named: Vec<Channel>,
        limits: FeedLimits,
    ) -> Result<Sitting, NoSeat> {
        let mut seats = self.seats();
        let taken: usize = seats.lanes.iter().map(|seat| seat.subscribers).sum();
        if taken >= limits.subscribers {
            return Err(NoSeat);
        }
        self.0.rate.store(limits.rate, Ordering::Relaxed);
        self.0.figures.subscribers.store(taken + 1, Ordering::Relaxed);
        let seat = &mut seats.lanes[lane as usize];
        seat.subscribers += 1;
        seat.idle_since = None;
        for channel in &named {
            self.0.listening.name(channel);
        }
        self.0.listening.open(lane);
        self.0.open.send_replace(true);
        Ok(Sitting { feed: self.clone(), lane, named })
    }

    /// Closes lanes that nobody has listened to for long enough.
    pub(super) fn close_what_is_idle(&self) {
        let mut seats = self.seats();
        for lane in Lane::EVERY {
            let idle_since = &mut seats.lanes[lane as usize].idle_since;
            if idle_since.is_some_and(|since| since.elapsed() >= LINGER) {
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
}

/// A subscriber's seat, until it is dropped.
#[derive(Debug)]
pub(super) struct Sitting {
    pub feed: Feed,
    pub lane: Lane,
    named: Vec<Channel>,
}

impl Drop for Sitting {
    fn drop(&mut self) {
        let mut seats = self.feed.seats();
        let seat = &mut seats.lanes[self.lane as usize];
        seat.subscribers -= 1;
        if seat.subscribers == 0 {
            seat.idle_since = Some(Instant::now());
        }
        for channel in &self.named {
            self.feed.0.listening.unname(channel);
        }
        let left = seats.lanes.iter().map(|seat| seat.subscribers).sum();
        self.feed.0.figures.subscribers.store(left, Ordering::Relaxed);
    }
}
