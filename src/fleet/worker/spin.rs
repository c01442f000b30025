//! Busy-polling: how long a worker asks for the end of a commit again and again
//! instead of sleeping until its waker is called.
//!
//! To be woken takes a thread some 30 to 40 µs on a virtual machine, where a core
//! that has nothing to do is given up; a commit takes some 300 µs. While many
//! senders wait for it, that time is theirs (decision 18).

use std::time::{Duration, Instant};

/// The longest spin, from when the commit can have begun: what a commit takes,
/// and the commit delay before it. A disk that is slower than this is slept for.
const LONGEST: Duration = Duration::from_micros(600);

/// Fewer messages than this are slept for: few senders leave a core idle anyway,
/// and a service with little to do must not keep it busy.
const FEWEST: usize = 8;

/// The spin for one commit.
#[derive(Debug)]
pub(super) struct Spin {
    since: Instant,
}

impl Spin {
    /// For a commit that begins `now`.
    #[must_use]
    pub fn from(now: Instant) -> Self {
        Self { since: now }
    }

    /// Whether to ask once more for a commit of so many messages. The clock is
    /// read only if that matters.
    #[must_use]
    pub fn goes_on(&self, messages: usize, now: impl FnOnce() -> Instant) -> bool {
        messages >= FEWEST && now().saturating_duration_since(self.since) < LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spin_is_short_and_for_many() {
        let begun = Instant::now();
        let spin = Spin::from(begun);
        let almost = begun + LONGEST.saturating_sub(Duration::from_nanos(1));
        assert!(spin.goes_on(FEWEST, || begun) && spin.goes_on(FEWEST, || almost));
        assert!(!spin.goes_on(FEWEST - 1, || begun), "few senders are slept for");
        assert!(!spin.goes_on(FEWEST, || begun + LONGEST), "a slow disk is slept for");
    }
}
