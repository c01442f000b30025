//! What a node of a cluster stores by itself: its rockets as they are, and how far the
//! log is part of them. A journal that keeps no records: the cluster's log does. So it
//! is trimmed by noting what need not be read again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::applied::Applied;
use super::peers::Stored;
use crate::journal::figures::Figures;
use crate::journal::shared::LogName;
use crate::journal::{Commit, Journal, LogId, Mark, Position, Progress, Record, RocketSnapshot};

/// See the module.
pub struct Store {
    local: Arc<dyn Journal>,
    applied: Applied,
    name: LogName,
    log: LogId,
    stored: Stored,
}

impl Store {
    /// Over what a node has for itself alone.
    #[must_use]
    pub fn new(local: Arc<dyn Journal>, applied: Applied, name: LogName, stored: Stored) -> Self {
        Self { local, applied, name, log: LogId::new(), stored }
    }
}

impl Journal for Store {
    fn append(&self, _records: &mut dyn Iterator<Item = Record<'_>>) -> Commit {
        unreachable!("records of a cluster go to its log")
    }

    fn store(&self, rockets: Vec<RocketSnapshot>) -> Commit {
        self.local.store(rockets)
    }

    fn discard(&self, rows: Vec<u32>) -> Commit {
        self.local.discard(rows)
    }

    fn progress(&self) -> Progress {
        let position = self.log.position(self.applied.by_all().0);
        Progress { position, records: self.applied.records() }
    }

    fn appended(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.applied.changed())
    }

    fn trim(&self, position: Position) -> Commit {
        let (offset, settled) = (self.log.index(position), self.applied.by_any().0);
        let marked = self.local.mark(Mark { log: self.name.0.clone(), offset, settled });
        let stored = self.stored.clone();
        let (reply, done) = oneshot::channel();
        tokio::spawn(async move {
            let result = marked.durable().await;
            if result.is_ok() {
                stored.fetch_max(offset, Ordering::AcqRel);
            }
            // Whoever waited may have ended.
            let _ = reply.send(result);
        });
        Commit::Pending(done)
    }

    fn figures(&self) -> Option<Arc<Figures>> {
        self.local.figures()
    }
}
