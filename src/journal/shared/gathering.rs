//! How long a short entry waits for more.
//!
//! Senders that wait for an answer before they go on come back together, once the entry
//! before is answered. What an entry costs the engine hardly depends on its length: an
//! entry for each of two halves of them takes twice as long for all. So it waits a
//! little, for most of those who were answered and of those who came meanwhile. A wrong
//! guess costs one such wait, and the next one is for those who came.
//!
//! Only decides; `publisher` has what waits.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// For how long at most: timers are no finer.
pub const GATHERING: Duration = Duration::from_millis(1);

/// The share of them that is waited for.
const SHARE: (usize, usize) = (9, 10);

/// See the module.
#[derive(Debug, Default)]
pub struct Gathering {
    at_most: Duration,
    /// Records of those who were answered last, and of those who waited then.
    expected: usize,
    until: Option<Instant>,
}

impl Gathering {
    /// Waits up to `at_most` at a time.
    #[must_use]
    pub fn up_to(at_most: Duration) -> Self {
        Self { at_most, expected: 0, until: None }
    }

    /// An entry with so many records was answered, and so many wait.
    pub fn answered(&mut self, records: usize, waiting: usize) {
        self.expected = records + waiting;
    }

    /// Whether so many records that wait are to wait on, at `now`; they do from the
    /// first such question on.
    pub fn goes_on(&mut self, waiting: usize, now: Instant) -> bool {
        if waiting == 0 || waiting * SHARE.1 >= self.expected * SHARE.0 {
            return false;
        }
        now < *self.until.get_or_insert(now + self.at_most)
    }

    /// Until when they wait, if they do.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// They are on their way, or gone.
    pub fn end(&mut self) {
        self.until = None;
    }
}

/// Waits until then; for ever, if nobody waits.
pub async fn over(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn most_of_those_who_were_answered_and_who_came_meanwhile_are_waited_for() {
        let now = Instant::now();
        let mut gathering = Gathering::up_to(MILLI);
        assert!(!gathering.goes_on(1, now), "nobody was answered yet");
        gathering.answered(48, 16);
        assert!(gathering.goes_on(57, now));
        assert!(!gathering.goes_on(58, now));
        gathering.answered(1, 0);
        assert!(!gathering.goes_on(1, now), "one sender alone");
        assert!(!gathering.goes_on(0, now));
    }

    #[test]
    fn nobody_waits_for_longer_than_was_agreed() {
        let now = Instant::now();
        let mut gathering = Gathering::up_to(MILLI);
        gathering.answered(64, 0);
        assert!(gathering.goes_on(1, now));
        assert_eq!(gathering.until(), Some(now + MILLI));
        assert!(gathering.goes_on(2, now + MILLI / 2));
        assert!(!gathering.goes_on(3, now + MILLI));
        gathering.end();
        assert_eq!(gathering.until(), None);
    }
}
