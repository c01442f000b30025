//! An interner: the types, missions and reasons that a partition's rockets use,
//! each kept once.
//!
//! A fleet repeats a few texts over and over, so a rocket holds a 4-byte
//! [`Symbol`] for each instead of a text. Symbols are counted: a text leaves
//! with its last user, so a sender that makes up a new mission for every
//! message cannot fill the memory.

use std::num::NonZeroU32;
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;

/// Stands for a text of the [`Interner`] that gave it out.
///
/// Deliberately neither `Clone` nor `Copy`: each one counts as one use.
#[derive(Debug, PartialEq, Eq)]
pub struct Symbol(NonZeroU32);

impl Symbol {
    fn of_slot(at: usize) -> Self {
        // Cannot fail: there are at most three symbols a rocket, and a fleet
        // of a billion rockets does not fit into memory.
        let number = u32::try_from(at + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("fewer than 2^32 texts in use"))
    }

    fn slot(&self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Interner in use, each with its number of users.
#[derive(Default)]
pub struct Interner {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Indexes into `slots`, found by text.
    index: HashTable<usize>,
    hasher: RandomState,
}

#[derive(Default)]
struct Slot {
    /// `None` while the slot is free.
    text: Option<Arc<str>>,
    uses: u32,
}

impl Interner {
    /// The symbol of `text`, counted as one more use.
    pub fn acquire(&mut self, text: &str) -> Symbol {
        let hash = self.hasher.hash_one(text);
        let slots = &mut self.slots;
        if let Some(&at) = self.index.find(hash, |&at| slots[at].text.as_deref() == Some(text)) {
            slots[at].uses += 1;
            return Symbol::of_slot(at);
        }
        let at = self.free.pop().unwrap_or(slots.len());
        if at == slots.len() {
            slots.push(Slot::default());
        }
        slots[at] = Slot { text: Some(text.into()), uses: 1 };
        let hash_of =
            |&at: &usize| self.hasher.hash_one(slots[at].text.as_deref().unwrap_or_default());
        self.index.insert_unique(hash, at, hash_of);
        Symbol::of_slot(at)
    }

    /// Gives one use back.
    #[allow(clippy::needless_pass_by_value, reason = "giving a use back consumes it")]
    pub fn release(&mut self, symbol: Symbol) {
        let at = symbol.slot();
        let slot = &mut self.slots[at];
        slot.uses -= 1;
        if slot.uses > 0 {
            return;
        }
        if let Some(text) = slot.text.take() {
            let hash = self.hasher.hash_one(&*text);
            if let Ok(entry) = self.index.find_entry(hash, |&other| other == at) {
                entry.remove();
            }
        }
        self.free.push(at);
    }

    /// The text of a symbol.
    #[must_use]
    pub fn get(&self, symbol: &Symbol) -> &Arc<str> {
        // Cannot fail: a symbol exists only while its slot is in use.
        self.slots[symbol.slot()].text.as_ref().expect("a symbol in use has a text")
    }

    /// Every text in use, once, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.slots.iter().filter_map(|slot| slot.text.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_leaves_with_its_last_user() {
        let mut texts = Interner::default();
        let first = texts.acquire("APOLLO");
        let second = texts.acquire("APOLLO");
        let other = texts.acquire("GEMINI");
        assert_eq!(first, second);
        assert_ne!(first, other);
        assert_eq!(&**texts.get(&second), "APOLLO");
        texts.release(first);
        assert_eq!(texts.iter().count(), 2);
        texts.release(second);
        assert_eq!(texts.iter().map(|text| &**text).collect::<Vec<_>>(), ["GEMINI"]);
    }

    #[test]
    fn made_up_texts_do_not_pile_up() {
        let mut texts = Interner::default();
        let mut current = texts.acquire("first");
        for n in 0..10_000 {
            let next = texts.acquire(&format!("mission {n}"));
            texts.release(std::mem::replace(&mut current, next));
        }
        assert_eq!(&**texts.get(&current), "mission 9999");
        assert_eq!(texts.iter().count(), 1);
        assert!(texts.slots.len() <= 2);
    }
}
