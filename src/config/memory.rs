//! The bounds on what takes memory: the most that may be typed, and what follows
//! from `--memory-limit` where nothing is. Does not own what a
//! rocket and a message take (`fleet::limits`).
//!
//! Of the memory beyond what the program itself takes, half is for rockets, a
//! quarter for early messages, each as large as the contract allows, and a
//! sixteenth each for what bodies and answers hold. The last eighth is for work
//! under way: requests, batches, checkpoints. What other flags bound comes on top:
//! connections, and mailboxes while the disk stands still.

use crate::fleet::limits::Limits;

/// More than any memory holds, and far from any overflow.
pub const MOST_BUFFERED: u64 = 1_000_000_000_000;

/// Rockets are numbered with 32 bits in the journal.
pub const MOST_ROCKETS: u64 = 4_000_000_000;

/// More than any memory holds, and far from any overflow: 1 TiB.
pub const MOST_HELD: u64 = 1 << 40;

/// Bounds that depend on how much memory there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Of `--max-rockets`.
    pub rockets: usize,
    /// Of `--max-buffered`.
    pub buffered: usize,
    /// Of `--max-body-bytes-held`.
    pub bodies_held: usize,
    /// Of `--max-answer-bytes-held`.
    pub answers_held: usize,
}

/// What the program takes for itself, whatever it holds: 10 MiB when it is empty
/// and idle, and some 20 MiB of buffers, of SQLite's and of the allocator's, once
/// it works.
const PROGRAM: usize = 32 << 20;

/// Without a memory limit.
const DEFAULTS: Bounds = Bounds {
    rockets: 10_000_000,
    buffered: 10_000_000,
    bodies_held: 256 << 20,
    answers_held: 256 << 20,
};

impl Bounds {
    /// Those for so much memory; none of them beyond what may be typed.
    #[must_use]
    pub fn within(limit: Option<usize>) -> Self {
        let Some(limit) = limit else { return DEFAULTS };
        let memory = limit.saturating_sub(PROGRAM);
        let (rockets, buffered) = Limits::fitting(memory);
        let held = at_most(memory / 16, MOST_HELD);
        Self {
            rockets: at_most(rockets, MOST_ROCKETS),
            buffered: at_most(buffered, MOST_BUFFERED),
            bodies_held: held,
            answers_held: held,
        }
    }
}

fn at_most(derived: usize, most: u64) -> usize {
    usize::try_from(most).map_or(derived, |most| derived.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_they_leave_an_eighth_and_the_programs_own() {
        let limit = 1 << 30;
        let bounds = Bounds::within(Some(limit));
        let expected = Bounds {
            rockets: 311_060,
            buffered: 419_430,
            bodies_held: 62 << 20,
            answers_held: 62 << 20,
        };
        assert_eq!(bounds, expected);
        let taken = bounds.rockets * (1400 + 2 * 136) + bounds.buffered * 620;
        assert!(taken + bounds.bodies_held + bounds.answers_held <= (limit - PROGRAM) / 8 * 7);
    }

    #[test]
    fn more_memory_than_there_is_makes_no_number_that_could_not_be_typed() {
        let bounds = Bounds::within(Some(isize::MAX as usize));
        assert_eq!(bounds.rockets as u64, MOST_ROCKETS);
        assert_eq!(bounds.buffered as u64, MOST_BUFFERED);
        assert_eq!((bounds.bodies_held as u64, bounds.answers_held as u64), (MOST_HELD, MOST_HELD));
    }
}
