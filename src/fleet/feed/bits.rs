//! A bit for each slot of a partition.

use crate::fleet::roster::slot::Slot;

/// See the module.
#[derive(Debug, Default)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// Whether it was not set.
    pub fn set(&mut self, slot: Slot) -> bool {
        let (word, bit) = Self::place(slot);
        if word >= self.0.len() {
            self.0.resize((word + 1).next_power_of_two(), 0);
        }
        let was_clear = self.0[word] & bit == 0;
        self.0[word] |= bit;
        was_clear
    }

    /// Whether it was set.
    pub fn clear(&mut self, slot: Slot) -> bool {
        let (word, bit) = Self::place(slot);
        let Some(bits) = self.0.get_mut(word) else { return false };
        let was_set = *bits & bit != 0;
        *bits &= !bit;
        was_set
    }

    fn place(slot: Slot) -> (usize, u64) {
        (slot as usize / 64, 1 << (slot % 64))
    }
}
