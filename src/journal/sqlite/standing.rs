//! Whether anything can be written: how the last try ended, and when the next
//! one is due.
//!
//! A failure is final: what the file holds after it is not known, so nothing
//! more is written. A refusal is not: nothing was written. All that comes is
//! refused then without another try, but for one at every [`PACE`], until one
//! succeeds.
//!
//! Only decides; `group_commit` has the clock and the waiting.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::database::StorageError;
use crate::journal::{AppendError, CommitResult, Standing as Told};

/// How long after a refusal it is tried again.
pub(super) const PACE: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(super) struct Standing {
    told: watch::Sender<CommitResult>,
    next_try: Instant,
}

impl Standing {
    /// After a first try.
    pub fn after(tried: Result<(), StorageError>) -> (Self, Told) {
        let (told, receiver) = watch::channel(Ok(()));
        let mut standing = Self { told, next_try: Instant::now() };
        // It is told to whoever asks.
        let _ = standing.settle(tried);
        (standing, receiver)
    }

    /// Why nothing is to be tried at the moment.
    ///
    /// # Errors
    /// After a failure, and after a refusal for a while.
    pub fn may_try(&self) -> CommitResult {
        match &*self.told.borrow() {
            Err(AppendError::Refused(_)) if self.next_try <= Instant::now() => Ok(()),
            result => result.clone(),
        }
    }

    /// How long to wait until it is tried again by itself; `None` if it is not.
    pub fn tries_in(&self) -> Option<Duration> {
        let refused = matches!(&*self.told.borrow(), Err(AppendError::Refused(_)));
        refused.then(|| self.next_try.saturating_duration_since(Instant::now()))
    }

    /// Draws the conclusions from how a try ended.
    ///
    /// # Errors
    /// As the try.
    pub fn settle(&mut self, tried: Result<(), StorageError>) -> CommitResult {
        let result = tried.map_err(|error| match error {
            StorageError::Refused(reason) => {
                self.next_try = Instant::now() + PACE;
                AppendError::Refused(reason)
            }
            StorageError::Failed(reason) => AppendError::Failed(reason),
        });
        self.told.send_if_modified(|told| {
            let news = *told != result;
            if news {
                told.clone_from(&result);
            }
            news
        });
        result
    }
}
