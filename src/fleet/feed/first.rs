//! What goes first of what has changed in a partition, in its order: explosions, and
//! rockets that were forgotten. Owns that an explosion is told of the rocket that
//! exploded, and of none that has its slot after it. Does not own what is told.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use ahash::AHashMap;

use super::bits::Bits;
use crate::fleet::roster::slot::Slot;
use crate::telemetry::Channel;

/// Most of these that wait to be told, for each lane; beyond it whoever listens has to
/// list again.
pub const MOST: usize = 1 << 16;

/// One of these.
#[derive(Debug, PartialEq, Eq)]
pub enum Urgent {
    /// The rocket in this slot exploded.
    Exploded(Slot),
    /// This one is not there any more.
    Forgotten(Channel),
}

/// See the module.
#[derive(Debug, Default)]
pub struct First {
    queue: VecDeque<Urgent>,
    /// Slots whose rocket has its explosion in the queue.
    exploded: Bits,
    /// How many explosions are in the queue, before that, of rockets that had the slot
    /// before and were forgotten.
    outlived: AHashMap<Slot, usize>,
    /// There would have been more than there was room for.
    overrun: bool,
}

impl First {
    /// The rocket in this slot has exploded.
    pub fn exploded(&mut self, slot: Slot) {
        if self.put(Urgent::Exploded(slot)) {
            self.exploded.set(slot);
        }
    }

    /// The rocket in this slot was forgotten: its explosion is not told of any more, but
    /// its end, if this is told.
    pub fn forgotten(&mut self, slot: Slot, told: Option<Channel>) {
        if self.exploded.clear(slot) {
            *self.outlived.entry(slot).or_default() += 1;
        }
        if let Some(channel) = told {
            self.put(Urgent::Forgotten(channel));
        }
    }

    /// The next one.
    pub fn pop(&mut self) -> Option<Urgent> {
        loop {
            match self.queue.pop_front()? {
                Urgent::Exploded(slot) if self.is_outlived(slot) => {}
                urgent => return Some(urgent),
            }
        }
    }

    /// Whether there is none; there may be none if it says that there are some.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether something had no room since this was last asked.
    pub fn take_overrun(&mut self) -> bool {
        std::mem::take(&mut self.overrun)
    }

    /// Whether there was room for it.
    fn put(&mut self, urgent: Urgent) -> bool {
        let has_room = self.queue.len() < MOST;
        if has_room {
            self.queue.push_back(urgent);
        }
        self.overrun |= !has_room;
        has_room
    }

    /// Whether the explosion of this slot that comes next is of an earlier rocket.
    fn is_outlived(&mut self, slot: Slot) -> bool {
        let Entry::Occupied(mut left) = self.outlived.entry(slot) else {
            self.exploded.clear(slot);
            return false;
        };
        *left.get_mut() -= 1;
        if *left.get() == 0 {
            left.remove();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explosion_is_told_of_its_own_rocket() {
        let channel = |id| Channel::parse(id).unwrap();
        let mut first = First::default();
        for id in ["a", "b"] {
            first.exploded(7);
            first.forgotten(7, Some(channel(id)));
        }
        first.exploded(8);
        first.exploded(7);
        first.forgotten(9, None);
        let told: Vec<_> = std::iter::from_fn(|| first.pop()).collect();
        let gone = ["a", "b"].map(|id| Urgent::Forgotten(channel(id)));
        let there = [8, 7].map(Urgent::Exploded);
        assert!(told.iter().eq(gone.iter().chain(&there)), "{told:?}");
        // It is not there to be told of any more.
        first.forgotten(7, None);
        assert!(first.outlived.is_empty() && first.is_empty());
    }
}
