//! How far the log is applied, partition by partition, for who waits for it. Each
//! partition's worker writes its own; owns nothing else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::journal::shared::Offset;

/// Shared by the workers and whoever must know.
#[derive(Clone, Debug)]
pub struct Applied(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    partitions: Box<[AtomicU64]>,
    /// Records of all partitions, since the start.
    records: AtomicU64,
    changed: Notify,
    /// Why nothing more will be applied.
    ended: OnceLock<String>,
}

impl Applied {
    /// Of so many partitions, to all of which the log is applied up to `offset`.
    #[must_use]
    pub fn new(partitions: usize, offset: Offset) -> Self {
        let partitions = (0..partitions).map(|_| AtomicU64::new(offset.0)).collect();
        let (records, changed) = (AtomicU64::new(0), Notify::new());
        Self(Arc::new(Shared { partitions, records, changed, ended: OnceLock::new() }))
    }

    /// A partition's worker has applied everything up to `offset`, so many records more.
    pub fn advance(&self, partition: usize, offset: Offset, records: usize) {
        let Shared { partitions, records: all, changed, .. } = &*self.0;
        all.fetch_add(records as u64, Ordering::Relaxed);
        partitions[partition].store(offset.0, Ordering::Release);
        changed.notify_waiters();
    }

    /// Up to where every partition has applied it.
    #[must_use]
    pub fn by_all(&self) -> Offset {
        self.offsets().min().unwrap_or_default()
    }

    /// Up to where any partition has.
    #[must_use]
    pub fn by_any(&self) -> Offset {
        self.offsets().max().unwrap_or_default()
    }

    /// Records that were applied since the start.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.0.records.load(Ordering::Relaxed)
    }

    /// Nothing more will be applied, for this reason.
    pub fn end(&self, reason: &str) {
        // The first one counts.
        let _ = self.0.ended.set(reason.to_owned());
        self.0.changed.notify_waiters();
    }

    /// Waits until every partition has applied the log up to `offset`.
    ///
    /// # Errors
    /// Says why that will not be.
    pub async fn reached(&self, offset: Offset) -> Result<(), String> {
        loop {
            let changed = self.0.changed.notified();
            if self.by_all() >= offset {
                return Ok(());
            }
            if let Some(reason) = self.0.ended.get() {
                return Err(reason.clone());
            }
            changed.await;
        }
    }

    /// Waits until any partition has applied something more.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn offsets(&self) -> impl Iterator<Item = Offset> {
        self.0.partitions.iter().map(|partition| Offset(partition.load(Ordering::Acquire)))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn it_is_reached_once_the_last_partition_has_it() {
        let applied = Applied::new(2, Offset(5));
        let mut reached = Box::pin(applied.reached(Offset(7)));
        assert_eq!((&mut reached).now_or_never(), None);
        applied.advance(0, Offset(9), 3);
        assert_eq!((&mut reached).now_or_never(), None);
        assert_eq!((applied.by_all(), applied.by_any()), (Offset(5), Offset(9)));
        applied.advance(1, Offset(7), 1);
        assert_eq!((&mut reached).now_or_never(), Some(Ok(())));
        assert_eq!(applied.records(), 4);
    }

    #[tokio::test]
    async fn who_waits_for_what_will_not_come_is_told() {
        let applied = Applied::new(1, Offset(5));
        let mut reached = Box::pin(applied.reached(Offset(7)));
        assert_eq!((&mut reached).now_or_never(), None);
        applied.end("it is over");
        assert_eq!((&mut reached).now_or_never(), Some(Err("it is over".to_owned())));
        assert_eq!(applied.reached(Offset(5)).now_or_never(), Some(Ok(())));
    }
}
