//! Exploded rockets by when something was heard of them last, by the service's
//! clock: for those who forget what is silent for long. Followed only if somebody
//! wants to know; a rocket that flies has no place here.

use std::collections::BTreeSet;

use ahash::AHashMap;

use super::slot::Slot;
use crate::fleet::clock::Clock;
use crate::telemetry::Timestamp;

/// See the module.
#[derive(Default)]
pub(super) struct Quiet {
    clock: Option<Clock>,
    order: BTreeSet<(Timestamp, Slot)>,
    since: AHashMap<Slot, Timestamp>,
}

impl Quiet {
    pub fn followed_if(wanted: bool) -> Self {
        Self { clock: wanted.then(Clock::new), ..Self::default() }
    }

    /// Something came of the exploded rocket at `slot`.
    pub fn heard_of(&mut self, slot: Slot) {
        if let Some(clock) = &self.clock {
            let now = clock.now();
            self.heard_of_at(slot, now);
        }
    }

    /// As it was noted in an earlier run, or now if it was not. Whether that is to be
    /// noted.
    pub fn resume(&mut self, slot: Slot, since: Option<Timestamp>) -> bool {
        let Some(clock) = &self.clock else { return false };
        let now = clock.now();
        self.heard_of_at(slot, since.map_or(now, |since| since.min(now)));
        since.is_none()
    }

    fn heard_of_at(&mut self, slot: Slot, at: Timestamp) {
        if let Some(before) = self.since.insert(slot, at) {
            self.order.remove(&(before, slot));
        }
        self.order.insert((at, slot));
    }

    /// When something was heard last of the rocket at `slot`, if it is followed.
    pub fn of(&self, slot: Slot) -> Option<Timestamp> {
        self.since.get(&slot).copied()
    }

    /// The rocket at `slot` leaves.
    pub fn leave(&mut self, slot: Slot) {
        if let Some(since) = self.since.remove(&slot) {
            self.order.remove(&(since, slot));
        }
    }

    /// Those of which nothing was heard since `before`, the longest first.
    pub fn since(&self, before: Timestamp) -> impl Iterator<Item = (Timestamp, Slot)> {
        self.order.iter().copied().take_while(move |&(since, _)| since <= before)
    }
}
