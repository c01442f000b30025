//! The bounds on what takes memory: the most that may be typed, and what follows
//! from `--memory-limit` where nothing is. Does not own what a
//! rocket and a message take (`fleet::limits`).
//!
//! Half of the memory is for rockets, a quarter for early messages, and a
//! sixteenth each for what bodies and answers hold. The last eighth is for
//! connections, mailboxes and the program itself.

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
        let Some(memory) = limit else { return DEFAULTS };
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
    fn all_together_they_leave_an_eighth_of_it() {
        let memory = 1 << 30;
        let bounds = Bounds::within(Some(memory));
        let expected = Bounds {
            rockets: 1_355_734,
            buffered: 2_684_354,
            bodies_held: 64 << 20,
            answers_held: 64 << 20,
        };
        assert_eq!(bounds, expected);
        let taken = bounds.rockets * 396 + bounds.buffered * 100;
        assert!(taken + bounds.bodies_held + bounds.answers_held <= memory / 8 * 7);
    }

    #[test]
    fn more_memory_than_there_is_makes_no_number_that_could_not_be_typed() {
        let bounds = Bounds::within(Some(isize::MAX as usize));
        assert_eq!(bounds.rockets as u64, MOST_ROCKETS);
        assert_eq!(bounds.buffered as u64, MOST_BUFFERED);
        assert_eq!((bounds.bodies_held as u64, bounds.answers_held as u64), (MOST_HELD, MOST_HELD));
    }
}
