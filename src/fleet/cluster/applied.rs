//! How far the log is applied, partition by partition, for who waits for it. Each
//! partition's worker writes its own; owns nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
}

impl Applied {
    /// Of so many partitions, to all of which the log is applied up to `offset`.
    #[must_use]
    pub fn new(partitions: usize, offset: Offset) -> Self {
        let partitions = (0..partitions).map(|_| AtomicU64::new(offset.0)).collect();
        Self(Arc::new(Shared { partitions, records: AtomicU64::new(0), changed: Notify::new() }))
    }

    /// A partition's worker has applied everything up to `offset`, so many records more.
    pub fn advance(&self, partition: usize, offset: Offset, records: usize) {
        let Shared { partitions, records: all, changed } = &*self.0;
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

    /// Waits until every partition has applied the log up to `offset`.
    pub async fn reached(&self, offset: Offset) {
        loop {
            let changed = self.0.changed.notified();
            if self.by_all() >= offset {
                return;
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
        assert_eq!((&mut reached).now_or_never(), Some(()));
        assert_eq!(applied.records(), 4);
    }
}
