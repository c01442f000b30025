//! Places in a log.
//!
//! A position means something to the log that gave it and to no other, and one
//! process may have several logs. So each carries the identity of its log, and
//! whoever mixes two up is stopped at once: a log that is trimmed up to a place
//! in another one would forget what nobody stored.

use std::cmp::Ordering;
use std::fmt;
use std::sync::atomic::{self, AtomicU64};

/// The identity of one log in this process, for implementors of
/// [`Journal`](super::Journal): draw one with [`LogId::new`] where a log is
/// opened, make positions with [`LogId::position`], and read what comes back
/// with [`LogId::index`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogId(u64);

/// A place in a log: everything up to it, and nothing behind it. Given out by
/// the log, and to be given back to the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Position {
    log: LogId,
    index: u64,
}

impl LogId {
    /// Of the logs that keep nothing. There is one place in them, so it does not
    /// matter which is which.
    pub(super) const NOWHERE: Self = Self(0);

    /// Differs from every other in this process.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(LogId::NOWHERE.0 + 1);
        Self(NEXT.fetch_add(1, atomic::Ordering::Relaxed))
    }

    /// The place in this log with so many entries, rows or whatever it counts
    /// before it.
    #[must_use]
    pub const fn position(self, index: u64) -> Position {
        Position { log: self, index }
    }

    /// What [`LogId::position`] made `position` of.
    ///
    /// # Panics
    /// When another log gave it.
    #[must_use]
    pub fn index(self, position: Position) -> u64 {
        assert_eq!(self, position.log, "{position:?} is a place in another log");
        position.index
    }
}

impl Ord for Position {
    /// # Panics
    /// When another log gave `other`: neither comes first.
    fn cmp(&self, other: &Self) -> Ordering {
        self.index.cmp(&self.log.index(*other))
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.index.fmt(formatter)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "position {} of log {}", self.index, self.log.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_a_log_are_ordered_and_come_back() {
        let log = LogId::new();
        assert!(log.position(2) < log.position(10));
        assert_eq!(log.position(2), log.position(2));
        assert_eq!(log.index(log.position(2)), 2);
        assert_eq!(log.position(2).to_string(), "2");
    }

    #[test]
    fn positions_of_two_logs_are_never_the_same() {
        assert_ne!(LogId::new().position(2), LogId::new().position(2));
    }

    #[test]
    #[should_panic(expected = "another log")]
    fn a_position_is_not_taken_by_another_log() {
        let _ = LogId::new().index(LogId::new().position(2));
    }

    #[test]
    #[should_panic(expected = "another log")]
    fn positions_of_two_logs_have_no_order() {
        let _ = LogId::new().position(2) < LogId::new().position(3);
    }
}
