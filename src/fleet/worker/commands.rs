//! What the worker is told: to store what changed, for a checkpoint. Does not own how
//! that is walked over (`snapshot`).

use std::time::Instant;

use super::Partition;
use super::snapshot::{SnapshotWalk, storing};
use crate::fleet::mailbox::Inbox;
use crate::fleet::order::Order;
use crate::journal::{AppendError, CommitResult};

impl Partition {
    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Snapshot { reply } => {
                let walk = SnapshotWalk::new(self.in_flight.len(), reply);
                // Nobody waits for an older one, and what it stores may fail.
                if let Some(mut older) = self.snapshot.replace(walk) {
                    older.give_up_slice(&mut self.roster);
                    // Of what the new one stores, or does not, it begins anew.
                    self.slices.end();
                }
            }
        }
    }

    /// Takes the orders that wait.
    pub(super) fn obey_waiting(&mut self, inbox: &Inbox) {
        for order in inbox.waiting_orders() {
            self.obey(order);
        }
    }

    /// Stores the next slice of a checkpoint, if it is its turn.
    pub(super) fn step_snapshot(&mut self) {
        if let Some(result) = self.snapshot.as_mut().and_then(SnapshotWalk::take_stored) {
            self.slice_stored(result);
        }
        let Some(walk) = self.snapshot.take_if(|walk| walk.can_go_on()) else { return };
        match &self.failed {
            Some(failure) => walk.end(Err(failure.clone())),
            None => self.snapshot = walk.step(&mut self.roster, &*self.shared.journal),
        }
        if storing(&mut self.snapshot).is_some() {
            self.slices.begin(Instant::now());
        }
    }

    /// The slice that was being stored is, or is not.
    pub(super) fn slice_stored(&mut self, result: CommitResult) {
        let mut walk = self.snapshot.take().expect("a slice is stored for a walk");
        self.slices.end();
        match result {
            Ok(()) => {
                walk.slice_stored(&mut self.roster);
                self.snapshot = Some(walk);
            }
            Err(failure) => {
                walk.give_up_slice(&mut self.roster);
                if !matches!(failure, AppendError::Refused(_)) {
                    self.fail(failure.clone());
                }
                walk.end(Err(failure));
            }
        }
    }
}
