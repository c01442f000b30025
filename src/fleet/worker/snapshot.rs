//! A checkpoint in one partition: a walk over all rockets that stores the
//! changed ones slice by slice, one slice at a time, with messages in between. Rows
//! of those that are gone are emptied first.

use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::fleet::roster::slot::Slot;
use crate::fleet::roster::{Roster, Slice};
use crate::journal::{AppendError, Commit, CommitResult, Journal, PendingCommit};

type Reply = oneshot::Sender<CommitResult>;

/// A walk in progress.
pub(super) struct SnapshotWalk {
    /// Batches that were in flight when it was ordered, and still are. What
    /// they change must be stored too.
    behind: usize,
    next: Slot,
    storing: Option<PendingCommit>,
    /// The rockets of that slice.
    slots: Vec<Slot>,
    /// The rows that are emptied in their place.
    discarded: Vec<u32>,
    reply: Reply,
}

/// The slice of a checkpoint that is being stored.
pub(super) fn storing(snapshot: &mut Option<SnapshotWalk>) -> Option<&mut PendingCommit> {
    snapshot.as_mut()?.storing()
}

impl SnapshotWalk {
    /// A walk that begins once the `in_flight` batches are applied.
    pub fn new(in_flight: usize, reply: Reply) -> Self {
        let (slots, discarded) = (Vec::new(), Vec::new());
        Self { behind: in_flight, next: 0, storing: None, slots, discarded, reply }
    }

    /// The oldest batch in flight is applied.
    pub fn batch_applied(&mut self) {
        // Batches that came after the order are not counted, and end after those.
        self.behind = self.behind.saturating_sub(1);
    }

    /// Whether it waits for nothing but its turn.
    pub fn can_go_on(&self) -> bool {
        self.behind == 0 && self.storing.is_none()
    }

    /// The slice that is being stored.
    pub fn storing(&mut self) -> Option<&mut PendingCommit> {
        self.storing.as_mut()
    }

    /// How the slice that was being stored ended, if it did.
    pub fn take_stored(&mut self) -> Option<CommitResult> {
        let result = match self.storing.as_mut()?.try_recv() {
            Ok(result) => result,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Closed) => Err(AppendError::gone()),
        };
        self.storing = None;
        Some(result)
    }

    /// The slice that was being stored is durable.
    pub fn slice_stored(&mut self, roster: &mut Roster) {
        self.storing = None;
        self.slots.clear();
        roster.rows_are_free(std::mem::take(&mut self.discarded));
    }

    /// The slice that was being stored may not be: the next walk stores it again.
    pub fn give_up_slice(&mut self, roster: &mut Roster) {
        roster.put_back(&self.slots);
        self.slots.clear();
        roster.put_rows_back(std::mem::take(&mut self.discarded));
    }

    /// Stores the next slice. Returns the walk unless it is done.
    #[must_use]
    pub fn step(mut self, roster: &mut Roster, journal: &dyn Journal) -> Option<Self> {
        if self.next == roster.slots() {
            self.end(Ok(()));
            return None;
        }
        let Slice { rockets, slots, discarded, next } = roster.take_changed(self.next);
        self.next = next;
        if !discarded.is_empty() {
            self.discarded.clone_from(&discarded);
            match journal.discard(discarded) {
                Commit::Pending(result) => self.storing = Some(result),
                Commit::Durable => self.slice_stored(roster),
            }
        } else if !rockets.is_empty()
            && let Commit::Pending(result) = journal.store(rockets)
        {
            self.storing = Some(result);
            self.slots = slots;
        }
        Some(self)
    }

    /// Ends the walk, wherever it is.
    pub fn end(self, result: CommitResult) {
        // Whoever ordered it may have given up waiting.
        let _ = self.reply.send(result);
    }
}
