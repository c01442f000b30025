//! Batches on their way to the disk, and how their end is awaited.

use std::collections::VecDeque;

use super::batch::Batch;
use crate::journal::{AppendError, CommitResult, PendingCommit};

/// A batch that the journal has.
pub(super) struct InFlight {
    pub commit: PendingCommit,
    pub batch: Batch,
}

/// The commit of the oldest batch in flight.
pub(super) fn oldest(in_flight: &mut VecDeque<InFlight>) -> Option<&mut PendingCommit> {
    in_flight.front_mut().map(|oldest| &mut oldest.commit)
}

/// Waits for a commit; for ever if there is none to wait for.
pub(super) async fn committed(commit: Option<&mut PendingCommit>) -> CommitResult {
    match commit {
        Some(commit) => commit.await.unwrap_or_else(|_| Err(AppendError::gone())),
        None => std::future::pending().await,
    }
}
