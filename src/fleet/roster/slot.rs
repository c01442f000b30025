//! Where a rocket stands in its roster.

use std::hash::{BuildHasherDefault, Hasher};

/// A rocket's place in its roster, from 0; stays the same as long as the roster
/// lives.
pub type Slot = u32;

/// Finds by slots: nobody chooses them, so a multiplication spreads them well.
pub(super) type BySlot = BuildHasherDefault<OfSlot>;

/// The hash of a slot.
#[derive(Default)]
pub(super) struct OfSlot(u64);

impl Hasher for OfSlot {
    fn write_u32(&mut self, slot: u32) {
        // 2^64 over the golden ratio.
        self.0 = u64::from(slot).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a slot is a number");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
