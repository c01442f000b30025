//! The missions that a partition's rockets are on, found by any spelling and
//! listed in order. Does not own how a text is kept once and counted
//! ([`super::interner`]).
//!
//! Two sorted sets stand beside the interner, which change only when a mission
//! comes into use or leaves it. They grow a node at a time: a table would hold
//! its worker up when it grows beyond a million.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use ahash::RandomState;

use super::caseless::{self, Caseless};
use super::interner::{Interner, Symbol};
use super::mission_figures::{AllFigures, Repair, Summary};

/// See the module.
#[derive(Default)]
pub struct Missions {
    texts: Interner,
    sorted: BTreeSet<Arc<str>>,
    /// Each with the hash of what all its spellings have in common: so all of
    /// them stand together, sorted.
    spellings: BTreeSet<(u64, Arc<str>)>,
    /// Of the rockets on each.
    figures: AllFigures,
    /// Random, so that nobody can make texts that stand together and do not match.
    hasher: RandomState,
}

impl Missions {
    /// A rocket joins a mission, at this speed.
    pub fn join(&mut self, text: &str, speed: i64, exploded: bool) -> Symbol {
        let symbol = self.texts.acquire(text);
        let rockets = self.texts.uses(&symbol);
        if rockets == 1 {
            let text = self.texts.get(&symbol);
            self.sorted.insert(text.clone());
            self.spellings.insert((self.hash(&caseless::key(text)), text.clone()));
        }
        self.figures.join(symbol.entry(), rockets, speed, exploded);
        symbol
    }

    /// A rocket leaves its mission, at this speed.
    pub fn leave(&mut self, symbol: Symbol, speed: i64, exploded: bool) {
        let (at, rockets) = (symbol.entry(), self.texts.uses(&symbol) - 1);
        self.figures.leave(at, rockets, speed, exploded);
        if let Some(text) = self.texts.release(symbol) {
            self.sorted.remove(&text);
            self.spellings.remove(&(self.hash(&caseless::key(&text)), text));
        }
    }

    /// A rocket on this mission changed its speed.
    pub fn change_speed(&mut self, symbol: &Symbol, from: i64, to: i64) {
        self.figures.change_speed(symbol.entry(), self.texts.uses(symbol), from, to);
    }

    /// A rocket on this mission exploded.
    pub fn explode(&mut self, symbol: &Symbol) {
        self.figures.explode(symbol.entry());
    }

    /// Begins a walk over all rockets, after which [`Missions::summary`] is exact;
    /// `None` if it is anyway.
    pub fn begin_repair(&mut self) -> Option<Repair> {
        self.figures.begin_repair()
    }

    /// The walk comes by a rocket on this mission, at this speed.
    pub fn see(&mut self, symbol: &Symbol, speed: i64) {
        self.figures.see(symbol.entry(), speed);
    }

    /// The walk is over, and so is what it was for.
    pub fn end_repair(&mut self, repair: &Repair) {
        self.figures.end_repair(repair);
    }

    /// How many rockets are on the mission with this spelling, and what is known of
    /// them; `None` if it is not in use.
    pub fn summary(&mut self, text: &str, repair: Option<&Repair>) -> Option<(u32, Summary)> {
        let (at, rockets) = self.texts.find(text)?;
        Some((rockets, self.figures.summary(at, repair)))
    }

    /// As [`Interner::get`].
    #[must_use]
    pub fn get(&self, symbol: &Symbol) -> &Arc<str> {
        self.texts.get(symbol)
    }

    /// The missions behind `after`, or from the first on, sorted by their bytes.
    pub fn after(&self, after: Option<&str>) -> impl Iterator<Item = &Arc<str>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.sorted.range::<str, _>((start, Bound::Unbounded))
    }

    /// Of the spellings of a mission the one that sorts first.
    #[must_use]
    pub fn find(&self, wanted: &Caseless) -> Option<&Arc<str>> {
        let hash = self.hash(wanted.key());
        let from = (hash, Arc::from(""));
        let together = self.spellings.range(from..).take_while(|&&(other, _)| other == hash);
        together.map(|(_, text)| text).find(|text| wanted.matches(text))
    }

    fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_in_use_is_listed_in_order_and_found_by_any_spelling(
            changes in prop::collection::vec(("[aAéÉß]{1,2}|ss|SS", any::<bool>()), 0..100),
            asked in "[aAéÉß]{1,2}|ss|SS",
        ) {
            let mut missions = Missions::default();
            let mut model: BTreeMap<String, Vec<Symbol>> = BTreeMap::new();
            for (text, comes) in changes {
                if comes {
                    let symbol = missions.join(&text, 0, false);
                    prop_assert_eq!(&**missions.get(&symbol), text.as_str());
                    model.entry(text).or_default().push(symbol);
                } else if let Some(symbol) = model.get_mut(&text).and_then(Vec::pop) {
                    missions.leave(symbol, 0, false);
                }
                model.retain(|_, symbols| !symbols.is_empty());
            }
            let texts: Vec<_> = model.keys().map(String::as_str).collect();
            let listed: Vec<_> = missions.after(None).map(|text| &**text).collect();
            prop_assert_eq!(&listed, &texts);
            let behind = texts.iter().copied().filter(|&text| text > asked.as_str());
            let listed: Vec<_> = missions.after(Some(&asked)).map(|text| &**text).collect();
            prop_assert_eq!(listed, behind.collect::<Vec<_>>());
            let wanted = Caseless::new(&asked);
            let first = texts.iter().copied().find(|text| wanted.matches(text));
            prop_assert_eq!(missions.find(&wanted).map(|text| &**text), first);
            prop_assert_eq!(missions.spellings.len(), texts.len());
        }
    }
}
