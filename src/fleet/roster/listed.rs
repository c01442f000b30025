//! Launched rockets in the orders that listings are answered in without a walk: of
//! launches, and of IDs. Does not own what an order is made of (`sorted`), nor what is
//! answered from it (`by_index`).
//!
//! The order of launches is always there: rockets mostly come in it, so that it
//! costs little. IDs come in any order, and each takes some twenty looks at rockets
//! all over the memory to find its place. So the order of IDs is made once somebody
//! asks for it, a slice at a time, and kept from then on; until it is all there,
//! whoever asks is answered by a walk.

use super::chunked::Chunked;
use super::slot::Slot;
use super::sorted::SortedSlots;
use super::tracked::{Tracked, launch_key};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub launches: SortedSlots,
    pub ids: SortedSlots,
    pub ids_hold: Held,
}

/// Which launched rockets are in the order of IDs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Held {
    /// None: nobody has asked for it.
    #[default]
    Nothing,
    /// Those in the slots below this one.
    Below(Slot),
    /// All.
    All,
}

impl Listed {
    pub fn len(&self) -> usize {
        self.launches.len()
    }

    /// The rocket at `slot` is launched now.
    pub fn insert(&mut self, rockets: &Chunked<Tracked>, slot: Slot) {
        let launched = launch_key(rockets, slot);
        self.launches.insert(slot, |other| launch_key(rockets, other) < launched);
        if self.holds_id_of(slot) {
            self.insert_id(rockets, slot);
        }
    }

    /// The rocket at `slot`, which is launched and still there, is so no longer.
    pub fn remove(&mut self, rockets: &Chunked<Tracked>, slot: Slot) {
        let launched = launch_key(rockets, slot);
        self.launches.remove(slot, |other| launch_key(rockets, other) < launched);
        if self.holds_id_of(slot) {
            let id = &rockets.get(slot).channel;
            self.ids.remove(slot, |other| rockets.get(other).channel < *id);
        }
    }

    fn holds_id_of(&self, slot: Slot) -> bool {
        match self.ids_hold {
            Held::Nothing => false,
            Held::Below(end) => slot < end,
            Held::All => true,
        }
    }

    /// Puts the rocket at `slot` in the order of IDs.
    pub fn insert_id(&mut self, rockets: &Chunked<Tracked>, slot: Slot) {
        let id = &rockets.get(slot).channel;
        self.ids.insert(slot, |other| rockets.get(other).channel < *id);
    }
}
