//! Batches that wait for their places in the log of the cluster. A batch may stand in
//! several entries, and these in any order, so each of its records is waited for by
//! itself. Does not own what becomes of a record in its place.

use std::ops::Range;

use super::batch::{Batch, Groups, Pending, PendingForget, PendingSkip};
use crate::journal::shared::publisher::{BatchId, ByBatch, Piece};

/// See the module.
#[derive(Default)]
pub(super) struct Ordered {
    batches: ByBatch<Waiting>,
}

/// The records of one batch, in the order in which they were handed over; `None` for
/// those that are dealt with.
struct Waiting {
    records: Vec<Option<PendingRecord>>,
    left: usize,
    groups: Groups,
}

/// One record, and whom to answer.
pub(super) enum PendingRecord {
    Message(Pending),
    Skip(PendingSkip),
    Forget(PendingForget),
}

impl Ordered {
    /// Has a batch wait.
    pub fn wait(&mut self, id: BatchId, batch: Batch) {
        let Batch { pending, skips, forgets, groups } = batch;
        let messages = pending.into_iter().map(PendingRecord::Message);
        let skips = skips.into_iter().map(PendingRecord::Skip);
        let forgets = forgets.into_iter().map(PendingRecord::Forget);
        let records: Vec<_> = messages.chain(skips).chain(forgets).map(Some).collect();
        let left = records.len();
        self.batches.insert(id, Waiting { records, left, groups });
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Takes the records of a piece out, one after the other, and lets `deal` answer
    /// each by means of the groups that it may belong to. Returns how many there were.
    pub fn take(
        &mut self,
        Piece { batch, records, .. }: &Piece,
        mut deal: impl FnMut(PendingRecord, &mut Groups),
    ) -> usize {
        let waiting = self.batches.get_mut(batch).expect("a piece is of a batch that waits");
        let taken = records.len();
        for record in &mut waiting.records[Range::clone(records)] {
            let record = record.take().expect("a record has one place in the log");
            deal(record, &mut waiting.groups);
        }
        waiting.left -= taken;
        if waiting.left == 0 {
            let waiting = self.batches.remove(batch).expect("it was there");
            waiting.groups.complete();
        }
        taken
    }
}
