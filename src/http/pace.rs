//! How fast a body must come: what counts is progress, not length. Does not own
//! how bodies are read (`body`, `bulk`).

use std::time::Duration;

use tokio::time::Instant;

/// The longest that is waited for one body in all, however steadily it comes.
const MOST: Duration = Duration::from_secs(15 * 60);

/// The time that a body has, in which only waiting for its client counts.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For it to begin, and of silence.
    grace: Duration,
    /// Bytes a second, at least, once the grace is used up.
    rate: u64,
    received: u64,
    waited: Duration,
}

impl Pace {
    /// For a body that has `grace` to begin, and then comes with `rate` bytes a
    /// second or more.
    #[must_use]
    pub fn new(grace: Duration, rate: u64) -> Self {
        Self { grace, rate, received: 0, waited: Duration::ZERO }
    }

    /// So many bytes came.
    pub fn receive(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// How long the next byte is waited for from now on.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let earned = self.received.saturating_mul(1000) / self.rate.max(1);
        let allowed = self.grace.saturating_add(Duration::from_millis(earned)).min(MOST);
        allowed.saturating_sub(self.waited).min(self.grace)
    }

    /// It was waited for since then.
    pub fn waited_since(&mut self, start: Instant) {
        self.waited += start.elapsed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn after(seconds: u64, bytes: usize) -> Duration {
        let mut pace = Pace::new(5 * SECOND, 1024);
        pace.receive(bytes);
        pace.waited = Duration::from_secs(seconds);
        pace.patience()
    }

    #[test]
    fn who_keeps_the_rate_has_time_and_who_is_silent_or_too_slow_has_not() {
        assert_eq!(after(0, 0), 5 * SECOND);
        assert_eq!(after(4, 0), SECOND);
        assert_eq!(after(5, 0), Duration::ZERO);
        assert_eq!(after(100, 100 * 1024), 5 * SECOND);
        assert_eq!(after(100, 96 * 1024), SECOND);
        assert_eq!(after(100, 90 * 1024), Duration::ZERO);
        // Silence does not last longer for what came before.
        assert_eq!(after(0, 16 << 20), 5 * SECOND);
        assert_eq!(after(15 * 60, 16 << 20), Duration::ZERO);
        assert_eq!(after(15 * 60, usize::MAX), Duration::ZERO);
    }
}
