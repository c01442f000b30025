//! Slots of rockets in the order of their keys, whichever those are.
//!
//! A list of sorted blocks. A slot's key is not kept but looked up at its
//! rocket, so that a place takes little more than the 4 bytes of its slot; a
//! B-tree that held keys took a hundred.

use super::slot::Slot;

/// Most slots in a block: what an insertion may have to move.
const BLOCK: usize = 512;

/// See the module. What comes before what is up to the caller, who must always
/// say the same.
#[derive(Debug, Default)]
pub(super) struct SortedSlots {
    /// None of them is empty.
    blocks: Vec<Vec<Slot>>,
    len: usize,
}

/// A place between two slots, valid until the next insertion or removal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    block: usize,
    within: usize,
}

impl Place {
    /// Before all.
    pub const START: Self = Self { block: 0, within: 0 };
}

impl SortedSlots {
    pub fn len(&self) -> usize {
        self.len
    }

    /// Inserts a slot behind all those for which `is_before` holds. Takes the
    /// logarithm of the number of slots, and to move at most a block.
    pub fn insert(&mut self, slot: Slot, is_before: impl Fn(Slot) -> bool) {
        self.len += 1;
        let Place { block, within } = self.place(is_before);
        let Some(slots) = self.blocks.get_mut(block) else {
            self.blocks.push(vec![slot]);
            return;
        };
        if slots.len() < BLOCK {
            slots.insert(within, slot);
            return;
        }
        if within == BLOCK {
            // Most rockets come in order, and fill their blocks.
            match self.blocks.get_mut(block + 1).filter(|next| next.len() < BLOCK) {
                Some(next) => next.insert(0, slot),
                None => self.blocks.insert(block + 1, vec![slot]),
            }
            return;
        }
        let mut rest = slots.split_off(BLOCK / 2);
        match within.checked_sub(slots.len()) {
            Some(within) => rest.insert(within, slot),
            None => slots.insert(within, slot),
        }
        self.blocks.insert(block + 1, rest);
    }

    /// Removes a slot that is there, all those before it being those for which
    /// `is_before` holds. Small blocks are joined, so that no more than two of them
    /// stand side by side that would fit into half of one.
    pub fn remove(&mut self, slot: Slot, is_before: impl Fn(Slot) -> bool) {
        let place = self.place(is_before);
        // It is the first, unless what was read back had a channel twice.
        let behind = self.after(place).position(|other| other == slot);
        let behind = behind.expect("a launched rocket stands where its key says");
        let Place { mut block, mut within } = place;
        within += behind;
        while within >= self.blocks[block].len() {
            within -= self.blocks[block].len();
            block += 1;
        }
        self.blocks[block].remove(within);
        self.len -= 1;
        if self.blocks[block].is_empty() {
            self.blocks.remove(block);
        }
        // With the one before it, or else the one behind it.
        for first in [block.wrapping_sub(1), block] {
            let pair = self.blocks.get_mut(first..first.saturating_add(2));
            let Some([one, next]) = pair else { continue };
            if one.len() + next.len() <= BLOCK / 2 {
                one.append(next);
                self.blocks.remove(first + 1);
                break;
            }
        }
    }

    /// The place behind all those for which `is_before` holds.
    pub fn place(&self, is_before: impl Fn(Slot) -> bool) -> Place {
        let later = self.blocks.partition_point(|slots| is_before(slots[0]));
        let Some(block) = later.checked_sub(1) else { return Place::START };
        Place { block, within: self.blocks[block].partition_point(|&slot| is_before(slot)) }
    }

    /// How many slots are before a place. Takes a look at each block.
    pub fn rank(&self, place: Place) -> usize {
        self.blocks[..place.block].iter().map(Vec::len).sum::<usize>() + place.within
    }

    /// The place behind all.
    pub fn end(&self) -> Place {
        Place { block: self.blocks.len(), within: 0 }
    }

    /// Slots from a place on.
    pub fn after(&self, place: Place) -> impl Iterator<Item = Slot> {
        let blocks = self.blocks.get(place.block..).unwrap_or_default();
        blocks.iter().flatten().skip(place.within).copied()
    }

    /// Slots from a place on backwards.
    pub fn before(&self, place: Place) -> impl Iterator<Item = Slot> {
        let part = self.blocks.get(place.block).map_or(&[][..], |slots| &slots[..place.within]);
        let whole = &self.blocks[..place.block];
        let whole = whole.iter().rev().flat_map(|slots| slots.iter().rev());
        part.iter().rev().chain(whole).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Keys for slots: random with repeats, rising as launches do, or rising to
    /// the end of a block and then falling.
    fn keys() -> impl Strategy<Value = Vec<u16>> {
        let rising = |mut keys: Vec<u16>| {
            keys.sort_unstable();
            keys
        };
        let falling = |mut keys: Vec<u16>| {
            keys.sort_unstable();
            let from = keys.len().min(BLOCK);
            keys[from..].reverse();
            keys
        };
        let random = prop::collection::vec(any::<u16>(), 0..4 * BLOCK);
        prop_oneof![random.clone(), random.clone().prop_map(rising), random.prop_map(falling)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_agrees_with_a_sorted_set_from_every_place_in_both_directions(
            keys in keys(),
            from in any::<u16>(),
        ) {
            let key = |slot: Slot| (keys[slot as usize], slot);
            let mut order = SortedSlots::default();
            let mut model = BTreeSet::new();
            for slot in (0..).take(keys.len()) {
                order.insert(slot, |other| key(other) < key(slot));
                model.insert(key(slot));
            }
            prop_assert_eq!(order.len(), model.len());
            prop_assert!(order.blocks.iter().all(|block| (1..=BLOCK).contains(&block.len())));
            prop_assert!(order.blocks.len() <= 4 * keys.len() / BLOCK + 2, "{}", order.blocks.len());
            let place = order.place(|slot| key(slot) < (from, 0));
            let after: Vec<_> = order.after(place).collect();
            prop_assert_eq!(order.rank(place), model.range(..(from, 0)).count());
            prop_assert_eq!(order.rank(order.end()), model.len());
            prop_assert_eq!(after, model.range((from, 0)..).map(|k| k.1).collect::<Vec<_>>());
            let before: Vec<_> = order.before(place).collect();
            prop_assert_eq!(before, model.range(..(from, 0)).rev().map(|k| k.1).collect::<Vec<_>>());
            let all: Vec<_> = order.before(order.end()).collect();
            prop_assert_eq!(all, model.iter().rev().map(|k| k.1).collect::<Vec<_>>());
        }
    }

    #[test]
    fn slots_that_come_in_order_fill_their_blocks() {
        let mut order = SortedSlots::default();
        for slot in (0..).take(10 * BLOCK) {
            order.insert(slot, |other| other < slot);
        }
        assert_eq!(order.blocks.len(), 10);
    }
}
