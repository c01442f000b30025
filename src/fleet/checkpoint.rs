//! Has the partitions store their rockets from time to time, and the journal
//! forget what came before.
//!
//! A checkpoint is fuzzy: it notes how far the journal is, has every partition
//! store what changed until at least then, while messages go on, and then lets
//! the journal be trimmed up to the note. What was stored later than the note
//! is applied again at a restart, and is known by its number.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::mailbox::Mailbox;
use super::order::Order;
use crate::journal::{AppendError, Journal, Progress};

/// How often to look whether a checkpoint is due.
const LOOK: Duration = Duration::from_millis(100);

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
    /// The journal could not store or trim.
    #[error(transparent)]
    Journal(#[from] AppendError),
}

/// See the module.
pub struct Checkpointer {
    mailboxes: Arc<[Mailbox]>,
    journal: Arc<dyn Journal>,
    interval: Interval,
    /// The journal's records when the last checkpoint began.
    records_before: u64,
}

impl Checkpointer {
    /// A checkpointer that tells the partitions behind `mailboxes` to store into
    /// `journal`, whenever the `interval` is over.
    #[must_use]
    pub fn new(mailboxes: Arc<[Mailbox]>, journal: Arc<dyn Journal>, interval: Interval) -> Self {
        Self { mailboxes, journal, interval, records_before: 0 }
    }

    /// Makes checkpoints until told to stop, and a last one then; one at once
    /// if the restart replayed a `backlog`, so that backlogs do not add up from
    /// restart to restart. One that the journal refuses is tried again. Ends early
    /// when a checkpoint fails: whatever failed stays so.
    pub async fn run(mut self, backlog: bool, mut stop: watch::Receiver<bool>) {
        let mut stopping = false;
        let mut begun = Instant::now();
        let mut due = backlog;
        // Whether the last one was refused, and is to be made as soon as it can.
        let mut refused = false;
        loop {
            if due {
                refused = false;
                begun = Instant::now();
                debug!("a checkpoint begins");
                match self.checkpoint().await {
                    Ok(progress) => {
                        let (position, took_ms) =
                            (progress.position, begun.elapsed().as_secs_f64() * 1e3);
                        debug!(%position, took_ms, "the checkpoint is complete");
                    }
                    Err(CheckpointError::Journal(AppendError::Refused(reason))) => {
                        debug!(reason, "no checkpoint for now");
                        refused = true;
                    }
                    Err(error) => {
                        warn!(%error, "no checkpoint, and none from now on");
                        return;
                    }
                }
            }
            if stopping {
                return;
            }
            tokio::select! {
                _ = stop.wait_for(|&stop| stop) => stopping = true,
                () = sleep(LOOK) => {}
            }
            let records = self.journal.progress().records - self.records_before;
            due = refused
                || records >= self.interval.records
                || (records > 0 && (stopping || begun.elapsed() >= self.interval.time));
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
            let gone = || CheckpointError::Partition(partition);
            mailbox.order(Order::Snapshot { reply }).map_err(|_| gone())?;
            Ok::<(), CheckpointError>(done.await.map_err(|_| gone())??)
        };
        // To the end of all: what one stores must not end unseen by the next.
        let stored = join_all(self.mailboxes.iter().enumerate().map(order)).await;
        stored.into_iter().collect::<Result<(), _>>()?;
        self.journal.trim(progress.position).durable().await?;
        self.records_before = progress.records;
        Ok(progress)
    }
}
