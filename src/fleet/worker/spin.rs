//! How long a worker looks for the end of a commit again and again instead of
//! sleeping until it is told.
//!
//! To be woken takes a thread some 30 to 40 µs on a virtual machine, where a core
//! that has nothing to do is given up; a commit takes some 300 µs. While many
//! senders wait for it, that time is theirs (decision 18).

use std::time::{Duration, Instant};

/// The longest look, from when the commit can have begun: what a commit takes, and
/// the wait for senders before it. A disk that is slower than this is slept for.
const LONGEST: Duration = Duration::from_micros(600);

/// Fewer messages than this are slept for: few senders leave a core idle anyway,
/// and a service with little to do must not keep it busy.
const FEWEST: usize = 8;

/// The look for one commit.
#[derive(Debug)]
pub struct Watch {
    since: Instant,
}

impl Watch {
    /// For a commit that begins `now`.
    #[must_use]
    pub fn from(now: Instant) -> Self {
        Self { since: now }
    }

    /// Whether to look once more at `now` for a commit of so many messages.
    #[must_use]
    pub fn goes_on(&self, messages: usize, now: Instant) -> bool {
        messages >= FEWEST && now.saturating_duration_since(self.since) < LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_short_and_for_many() {
        let begun = Instant::now();
        let watch = Watch::from(begun);
        let almost = begun + LONGEST - Duration::from_nanos(1);
        assert!(watch.goes_on(FEWEST, begun) && watch.goes_on(FEWEST, almost));
        assert!(!watch.goes_on(FEWEST - 1, begun), "few senders are slept for");
        assert!(!watch.goes_on(FEWEST, begun + LONGEST), "a slow disk is slept for");
    }
}
