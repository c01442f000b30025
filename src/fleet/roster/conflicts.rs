//! Repeats whose content is not that of the message which they repeat.
//!
//! Of the messages taken in last a table knows what they said: an entry of 64 bits,
//! half of it from its content without the time, half from which message it was, as
//! far as its place does not tell. The place is found by the message, and one takes
//! that of another. So a conflict is told in error once in 2^32 repeats at most, and is
//! not told where the entry was overwritten, or if the message came in an earlier run.
//! What still waits is compared itself. The hashes are seeded anew in each run: nobody
//! can choose messages that hide each other.
//!
//! Owns the count of each rocket's conflicts too, since the start, of so many rockets.

use ahash::{AHashMap, RandomState};

use super::slot::Slot;
use crate::telemetry::{Event, Report};

/// Messages that are known, in each partition: half a mebibyte.
const ENTRIES: usize = 1 << 16;

/// Most rockets whose conflicts are counted one by one, in each partition; those of
/// others count in the sum alone.
pub const MOST_ROCKETS: usize = 1 << 14;

/// The half of an entry that tells the message, together with its place.
const MESSAGE: u64 = 0xffff_ffff_0000_0000;

/// See the module.
#[derive(Default)]
pub(super) struct Conflicts {
    /// Empty as long as nobody wants to know.
    table: Vec<u64>,
    hasher: RandomState,
    counts: AHashMap<Slot, u32>,
}

/// What is to be kept of a message, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    at: usize,
    entry: u64,
}

impl Conflicts {
    /// From now on somebody wants to know.
    pub fn begin(&mut self) {
        self.table = vec![0; ENTRIES];
    }

    pub fn note(&self, slot: Slot, report: &Report) -> Note {
        if self.table.is_empty() {
            return Note { at: 0, entry: 0 };
        }
        // Of so many numbers of a rocket that follow each other, each has its own place
        // beside the one before: what its messages write is in the cache by then.
        let message = self.hasher.hash_one((slot, report.number / ENTRIES as u64));
        let content = self.hasher.hash_one(&report.event);
        // The place is made of bits that the entry does not have.
        let at = (message & !MESSAGE).wrapping_add(report.number) as usize % ENTRIES;
        Note { at, entry: message & MESSAGE | content & !MESSAGE }
    }

    /// The message was taken in.
    pub fn keep(&mut self, Note { at, entry }: Note) {
        if let Some(known) = self.table.get_mut(at) {
            *known = entry;
        }
    }

    /// Whether the same message is known with another content. Counts it.
    pub fn contradicts(&mut self, slot: Slot, Note { at, entry }: Note) -> bool {
        let difference = self.table.get(at).map_or(0, |known| known ^ entry);
        let found = difference & MESSAGE == 0 && difference != 0;
        if found {
            self.count(slot);
        }
        found
    }

    /// Whether a message that is there itself says something else. Counts it.
    pub fn differs(&mut self, slot: Slot, first: &Event, second: &Event) -> bool {
        let found = !self.table.is_empty() && first != second;
        if found {
            self.count(slot);
        }
        found
    }

    fn count(&mut self, slot: Slot) {
        if let Some(count) = self.counts.get_mut(&slot) {
            *count = count.saturating_add(1);
        } else if self.counts.len() < MOST_ROCKETS {
            self.counts.insert(slot, 1);
        }
    }

    /// Conflicts of the rocket at `slot`.
    pub fn of(&self, slot: Slot) -> u32 {
        if self.counts.is_empty() { 0 } else { self.counts.get(&slot).copied().unwrap_or(0) }
    }

    /// The rocket at `slot` leaves.
    pub fn leave(&mut self, slot: Slot) {
        self.counts.remove(&slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Timestamp;

    fn report(number: u64, by: i64, second: i64) -> Report {
        let time = Timestamp::from_unix(second, 0).unwrap();
        Report { number, time, event: Event::SpeedIncreased { by } }
    }

    #[test]
    fn another_content_is_a_conflict_and_another_time_is_none() {
        let mut conflicts = Conflicts { table: vec![0; ENTRIES], ..Conflicts::default() };
        let mut contradicts = |slot, number, by, second, keep| {
            let note = conflicts.note(slot, &report(number, by, second));
            if keep {
                conflicts.keep(note);
            }
            conflicts.contradicts(slot, note)
        };
        assert!(!contradicts(7, 1, 5, 1, false), "it is not known");
        assert!(!contradicts(7, 1, 5, 1, true));
        assert!(!contradicts(7, 1, 5, 9, false), "it is sent again at another time");
        assert!(contradicts(7, 1, 6, 1, false));
        assert!(!contradicts(7, 2, 6, 1, false) && !contradicts(8, 1, 6, 1, false));
        assert_eq!((conflicts.of(7), conflicts.of(8)), (1, 0));
        conflicts.leave(7);
        assert_eq!(conflicts.of(7), 0);
    }

    #[test]
    fn so_many_messages_are_known_and_so_many_rockets_are_counted() {
        let mut conflicts = Conflicts { table: vec![0; ENTRIES], ..Conflicts::default() };
        let messages = 4 * ENTRIES as u64;
        for number in 0..messages {
            conflicts.keep(conflicts.note(0, &report(number, 1, 1)));
        }
        let mut found = 0;
        for number in 0..messages {
            let slot = Slot::try_from(number).unwrap();
            let (same, other) = (report(number, 1, 2), report(number, 2, 1));
            assert!(!conflicts.contradicts(slot, conflicts.note(0, &same)), "{number}");
            found += usize::from(conflicts.contradicts(slot, conflicts.note(0, &other)));
        }
        assert!((ENTRIES / 2..=ENTRIES).contains(&found), "{found}");
        assert_eq!(conflicts.counts.len(), MOST_ROCKETS);
    }
}
