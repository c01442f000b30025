//! Has the partitions store their rockets from time to time, and the journal
//! forget what came before.
//!
//! A checkpoint is fuzzy: it notes how far the journal is, has every partition
//! store what changed until at least then, while messages go on, and then lets
//! the journal be trimmed up to the note. What was stored later than the note
//! is applied again at a restart, and is known by its number.
//!
//! One that did not happen is tried again. One that does not happen for long
//! makes the service unready, until it happens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use super::mailbox::{Mailbox, Undelivered};
use super::order::Order;
use super::vitals::{STALLED, Wait};
use crate::journal::{AppendError, Journal, Progress};
use crate::telemetry::tally::{Count, Histogram, nanos};

/// How often to look whether a checkpoint is due, at most.
const LOOK: Duration = Duration::from_millis(100);

/// The wait before a checkpoint is tried again; twice as long after every further
/// failure, but not longer than the interval.
const FIRST_RETRY: Duration = Duration::from_millis(500);

/// Intervals after which a checkpoint is overdue.
const OVERDUE: u32 = 3;

/// When a checkpoint is due: whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    /// Records appended since the last one.
    pub records: u64,
    /// Time since the last one, if any record was appended.
    pub time: Duration,
}

/// Why a checkpoint was not completed. Nothing is lost by it: the journal keeps
/// what was not stored.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The worker of this partition, counted from 0, ended before or while it stored.
    #[error("partition {0} does not run any more")]
    Partition(usize),
    /// The worker of this partition did not take the order before.
    #[error("partition {0} takes no orders")]
    Busy(usize),
    /// The journal could not store or trim.
    #[error(transparent)]
    Journal(#[from] AppendError),
}

/// Upper bounds of how long a checkpoint takes, in nanoseconds.
pub const DURATIONS: [u64; 11] = [
    1_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// What is counted of checkpoints, which their one task writes.
#[derive(Debug)]
pub struct Checkpoints {
    /// Of those that were completed, by [`DURATIONS`].
    pub durations: Histogram<{ DURATIONS.len() + 1 }>,
    /// Those that were not.
    pub failures: Count,
    /// When the last one was completed, or else when this was made: nanoseconds from
    /// `base`.
    completed: Count,
    base: Instant,
    overdue: Arc<Wait>,
}

impl Checkpoints {
    fn completed(&self, begun: Instant) {
        self.durations.observe_alone(nanos(begun.elapsed()));
        self.completed.set(nanos(self.base.elapsed()));
    }

    /// Since the last one was completed, or since the start if none was.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.base.elapsed().saturating_sub(Duration::from_nanos(self.completed.get()))
    }

    /// How long something waits by now that no checkpoint has stored.
    #[must_use]
    pub fn unstored_for(&self) -> Duration {
        self.overdue.since(Instant::now().into_std()).unwrap_or_default()
    }
}

/// See the module.
pub struct Checkpointer {
    mailboxes: Arc<[Mailbox]>,
    journal: Arc<dyn Journal>,
    interval: Interval,
    /// The journal's records when the last checkpoint began.
    records_before: u64,
    /// For a checkpoint, while anything was appended that none has stored.
    overdue: Arc<Wait>,
    counts: Arc<Checkpoints>,
}

/// What to do next.
enum Next {
    Checkpoint,
    LastCheckpoint,
    End,
}

impl Checkpointer {
    /// A checkpointer that tells the partitions behind `mailboxes` to store into
    /// `journal`, whenever the `interval` is over.
    #[must_use]
    pub fn new(mailboxes: Arc<[Mailbox]>, journal: Arc<dyn Journal>, interval: Interval) -> Self {
        // Not less than what a single commit may take.
        let at_most = interval.time.saturating_mul(OVERDUE).max(STALLED);
        let overdue = Arc::new(Wait::new("checkpoints", "no checkpoint was made", at_most));
        let counts = Arc::new(Checkpoints {
            durations: Histogram::new(&DURATIONS),
            failures: Count::default(),
            completed: Count::default(),
            base: Instant::now(),
            overdue: overdue.clone(),
        });
        Self { mailboxes, journal, interval, records_before: 0, overdue, counts }
    }

    /// What is counted of its checkpoints.
    #[must_use]
    pub fn counts(&self) -> Arc<Checkpoints> {
        self.counts.clone()
    }

    /// Whether the next one is overdue.
    #[must_use]
    pub fn overdue(&self) -> Arc<Wait> {
        self.overdue.clone()
    }

    /// Makes checkpoints until told to stop, and a last one then; one at once
    /// if the restart replayed a `backlog`, so that backlogs do not add up from
    /// restart to restart.
    pub async fn run(mut self, backlog: bool, mut stop: watch::Receiver<bool>) {
        let mut last = Instant::now();
        let mut failures = 0;
        let mut next =
            if backlog { Next::Checkpoint } else { self.next(last, None, &mut stop).await };
        loop {
            let is_last = match next {
                Next::End => return,
                Next::LastCheckpoint => true,
                Next::Checkpoint => false,
            };
            let begun = Instant::now();
            self.overdue.begin_unless_begun(begun.into_std());
            debug!("a checkpoint begins");
            let retry = match self.checkpoint().await {
                Ok(Progress { position, .. }) => {
                    let took_ms = (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3;
                    debug!(%position, took_ms, "the checkpoint is complete");
                    if failures > 0 {
                        info!(failures, "a checkpoint was made again");
                    }
                    self.overdue.end();
                    self.counts.completed(begun);
                    failures = 0;
                    last = begun;
                    None
                }
                Err(error) if is_last => {
                    self.counts.failures.add_alone(1);
                    warn!(%error, "no checkpoint at the end; the next start replays more");
                    None
                }
                Err(error) => {
                    self.counts.failures.add_alone(1);
                    // Once is enough in the log.
                    if failures == 0 {
                        warn!(%error, "no checkpoint; it is tried again until there is one");
                    }
                    failures += 1;
                    Some(Instant::now() + pause(failures).min(self.interval.time))
                }
            };
            if is_last {
                return;
            }
            next = self.next(last, retry, &mut stop).await;
        }
    }

    /// Waits until a checkpoint is due, `retry` being when to try again if one
    /// failed. Sleeps for as long as nothing happens.
    async fn next(
        &self,
        last: Instant,
        retry: Option<Instant>,
        stop: &mut watch::Receiver<bool>,
    ) -> Next {
        loop {
            let unstored = self.journal.progress().records - self.records_before;
            let now = Instant::now();
            if unstored > 0 {
                self.overdue.begin_unless_begun(now.into_std());
            }
            let due = match retry {
                Some(retry) => Some(retry),
                None if unstored >= self.interval.records => Some(now),
                None => (unstored > 0).then(|| last + self.interval.time),
            };
            if due.is_some_and(|due| due <= now) {
                return Next::Checkpoint;
            }
            let more = async {
                self.journal.appended().await;
                // Of many that come at a time one look is enough.
                sleep(LOOK).await;
            };
            tokio::select! {
                // Nobody who could tell any more is the same.
                _ = stop.wait_for(|&stop| stop) => {
                    let unstored = self.journal.progress().records > self.records_before;
                    let wanted = unstored || retry.is_some();
                    return if wanted { Next::LastCheckpoint } else { Next::End };
                }
                () = at(due) => {}
                () = more => {}
            }
        }
    }

    /// Makes one checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn checkpoint(&mut self) -> Result<Progress, CheckpointError> {
        let progress = self.journal.progress();
        let order = async |(partition, mailbox): (usize, &Mailbox)| {
            let (reply, done) = oneshot::channel();
            mailbox.order(Order::Snapshot { reply }).map_err(|undelivered| match undelivered {
                Undelivered::Full => CheckpointError::Busy(partition),
                Undelivered::Closed => CheckpointError::Partition(partition),
            })?;
            Ok::<(), CheckpointError>(
                done.await.map_err(|_| CheckpointError::Partition(partition))??,
            )
        };
        // Of all of them, even if one fails: a worker makes one at a time.
        let stored = join_all(self.mailboxes.iter().enumerate().map(order)).await;
        stored.into_iter().collect::<Result<(), _>>()?;
        self.journal.trim(progress.position).durable().await?;
        self.records_before = progress.records;
        Ok(progress)
    }
}

/// Until `due`; for ever if it is not.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The wait after so many failures in a row.
fn pause(failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << (failures - 1).min(10))
}
