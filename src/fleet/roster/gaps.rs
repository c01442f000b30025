//! The rockets that wait for a missing message, in the order of their waits.
//!
//! A wait begins when something waits for a number, and anew when it waits for
//! another one: a rocket that gets on is not one that waits long. No two waits of
//! a partition begin at the same instant, so that their order does not hang on
//! where rockets stand. A rocket that waits for nothing has no place here, and a
//! message that comes in order costs a look whether there is one.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::slot::Slot;
use crate::fleet::clock::Clock;
use crate::telemetry::Timestamp;

/// A rocket's place in the order of waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GapKey {
    since: Timestamp,
    pub(super) slot: Slot,
}

impl GapKey {
    /// When its wait began.
    pub(super) fn since(self) -> Timestamp {
        self.since
    }

    /// After all places of waits that began before `since`.
    fn from(since: Timestamp) -> Self {
        Self { since, slot: 0 }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    order: BTreeSet<GapKey>,
    clock: Clock,
}

impl Gaps {
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// When the longest wait began.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.order.first().map(|first| first.since)
    }

    pub fn last(&self) -> Option<GapKey> {
        self.order.last().copied()
    }

    /// Places behind the one at `key`, or all, in order.
    pub fn after(&self, key: Option<GapKey>) -> impl Iterator<Item = GapKey> {
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.order.range((from, Bound::Unbounded)).copied()
    }

    /// Places of waits that did not begin before `since`, or all, in order.
    pub fn from(&self, since: Option<Timestamp>) -> impl Iterator<Item = GapKey> {
        let from = since.map_or(Bound::Unbounded, |since| Bound::Included(GapKey::from(since)));
        self.order.range((from, Bound::Unbounded)).copied()
    }

    /// The wait of the rocket at `slot`, which began at `since`, is over.
    pub fn end(&mut self, slot: Slot, since: Timestamp) {
        let was_there = self.order.remove(&GapKey { since, slot });
        assert!(was_there, "a rocket that waits is in the order of waits");
    }

    /// The wait of the rocket at `slot` begins.
    pub fn begin(&mut self, slot: Slot) -> Timestamp {
        let now = self.clock.now();
        self.begin_at(slot, now)
    }

    /// The wait of the rocket at `slot` began at `since`, or just after; but not
    /// later than now.
    pub fn resume(&mut self, slot: Slot, since: Timestamp) -> Timestamp {
        let now = self.clock.now();
        self.begin_at(slot, since.min(now))
    }

    fn begin_at(&mut self, slot: Slot, since: Timestamp) -> Timestamp {
        let last = self.order.last().map(|last| last.since);
        let since = match last {
            Some(last) if last == since => last.just_after(),
            Some(last) if last > since => self.free_from(since),
            _ => since,
        };
        self.order.insert(GapKey { since, slot });
        since
    }

    /// The first instant from `since` on at which no wait began.
    fn free_from(&self, mut since: Timestamp) -> Timestamp {
        for key in self.order.range(GapKey::from(since)..) {
            if key.since != since {
                break;
            }
            since = since.just_after();
        }
        since
    }
}
