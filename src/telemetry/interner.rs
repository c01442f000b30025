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
    fn of_entry(at: usize) -> Self {
        // Cannot fail: there are at most three symbols a rocket, and a fleet
        // of a billion rockets does not fit into memory.
        let number = u32::try_from(at + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("fewer than 2^32 texts in use"))
    }

    /// Where its text stands; the texts in use stand close together.
    pub(super) fn entry(&self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Why looking up an entry cannot fail.
const INDEXED: &str = "an entry in use has a text, and is indexed by it";

/// Texts in use, each with its number of users.
#[derive(Default)]
pub struct Interner {
    entries: Vec<Entry>,
    free: Vec<usize>,
    /// Indexes into `entries`, found by text.
    index: HashTable<usize>,
    hasher: RandomState,
}

#[derive(Default)]
struct Entry {
    /// `None` while the entry is free.
    text: Option<Arc<str>>,
    uses: u32,
}

impl Interner {
    /// The symbol of `text`, counted as one more use.
    ///
    /// # Panics
    /// When some 2^32 texts are in use.
    pub fn acquire(&mut self, text: &str) -> Symbol {
        let hash = self.hasher.hash_one(text);
        let entries = &mut self.entries;
        if let Some(&at) = self.index.find(hash, |&at| entries[at].text.as_deref() == Some(text)) {
            entries[at].uses += 1;
            return Symbol::of_entry(at);
        }
        let at = self.free.pop().unwrap_or(entries.len());
        if at == entries.len() {
            entries.push(Entry::default());
        }
        entries[at] = Entry { text: Some(text.into()), uses: 1 };
        let hash_of =
            |&at: &usize| self.hasher.hash_one(entries[at].text.as_deref().expect(INDEXED));
        self.index.insert_unique(hash, at, hash_of);
        Symbol::of_entry(at)
    }

    /// Gives one use back. Returns the text if that was the last one.
    ///
    /// # Panics
    /// It may when the symbol is of another interner.
    #[expect(clippy::needless_pass_by_value, reason = "giving a use back consumes it")]
    pub fn release(&mut self, symbol: Symbol) -> Option<Arc<str>> {
        let at = symbol.entry();
        let entry = &mut self.entries[at];
        entry.uses -= 1;
        if entry.uses > 0 {
            return None;
        }
        let text = entry.text.take().expect(INDEXED);
        let hash = self.hasher.hash_one(&*text);
        self.index.find_entry(hash, |&other| other == at).expect(INDEXED).remove();
        self.free.push(at);
        Some(text)
    }

    /// How often the text of a symbol is in use.
    ///
    /// # Panics
    /// It may when the symbol is of another interner.
    #[must_use]
    pub fn uses(&self, symbol: &Symbol) -> u32 {
        self.entries[symbol.entry()].uses
    }

    /// Where a text in use stands, and how often it is in use.
    #[must_use]
    pub(super) fn find(&self, text: &str) -> Option<(usize, u32)> {
        let hash = self.hasher.hash_one(text);
        let is_it = |&at: &usize| self.entries[at].text.as_deref() == Some(text);
        let at = *self.index.find(hash, is_it)?;
        Some((at, self.entries[at].uses))
    }

    /// The text of a symbol.
    ///
    /// # Panics
    /// It may when the symbol is of another interner.
    #[must_use]
    pub fn get(&self, symbol: &Symbol) -> &Arc<str> {
        // A symbol exists only while its entry is in use.
        self.entries[symbol.entry()].text.as_ref().expect(INDEXED)
    }

    /// Every text in use, once, in no order.
    #[cfg(test)]
    fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entries.iter().filter_map(|entry| entry.text.as_ref())
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
        assert_eq!(texts.uses(&first), 2);
        assert_eq!(texts.release(first), None);
        assert_eq!(texts.iter().count(), 2);
        assert_eq!(texts.release(second).as_deref(), Some("APOLLO"));
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
        assert!(texts.entries.len() <= 2);
    }
}
