//! How fast a body must come: what counts is progress, not length. Does not own
//! how bodies are read (`body`, `bulk`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The longest that is waited for one body in all, however steadily it comes.
const MOST: Duration = Duration::from_secs(15 * 60);

/// The time that a body has, in which only waiting for its client counts.
#[derive(Debug)]
pub struct Pace {
    /// For it to begin, and of silence.
    grace: Duration,
    /// Bytes a second, at least, once the grace is used up.
    rate: u64,
    received: u64,
    waited: Duration,
    ours: Option<Ours>,
    /// How much of that was seen so far.
    ours_seen: Duration,
}

/// Time in which a body seems to be waited for, and what came of it is being worked
/// on. Shared by who works and who waits.
#[derive(Clone, Debug, Default)]
pub struct Ours(Arc<Mutex<Worked>>);

#[derive(Debug, Default)]
struct Worked {
    before: Duration,
    since: Option<Instant>,
}

/// Work goes on until it is dropped.
#[derive(Debug)]
pub struct Working<'a>(&'a Ours);

impl Ours {
    /// Work begins, in which no time is the client's.
    #[must_use]
    pub fn begin(&self) -> Working<'_> {
        self.change(|worked| worked.begin(Instant::now()));
        Working(self)
    }

    fn total(&self, now: Instant) -> Duration {
        self.change(|worked| worked.total(now))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Worked) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Worked {
    fn begin(&mut self, now: Instant) {
        self.since = Some(now);
    }

    fn end(&mut self, now: Instant) {
        *self = Self { before: self.total(now), since: None };
    }

    fn total(&self, now: Instant) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.change(|worked| worked.end(Instant::now()));
    }
}

impl Pace {
    /// For a body that has `grace` to begin, and then comes with `rate` bytes a
    /// second or more.
    #[must_use]
    pub fn new(grace: Duration, rate: u64) -> Self {
        let (received, waited, ours_seen) = (0, Duration::ZERO, Duration::ZERO);
        Self { grace, rate, received, waited, ours: None, ours_seen }
    }

    /// The same, of which some of the time is ours.
    #[must_use]
    pub fn but(self, ours: Option<Ours>) -> Self {
        let ours_seen = ours.as_ref().map_or(Duration::ZERO, |ours| ours.total(Instant::now()));
        Self { ours, ours_seen, ..self }
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

    /// It was waited for since then. Returns for how long that was for the client.
    pub fn waited_since(&mut self, start: Instant) -> Duration {
        self.waited(start, Instant::now())
    }

    fn waited(&mut self, start: Instant, now: Instant) -> Duration {
        let mut waited = now.duration_since(start);
        if let Some(ours) = &self.ours {
            let total = ours.total(now);
            waited = waited.saturating_sub(total.saturating_sub(self.ours_seen));
            self.ours_seen = total;
        }
        self.waited += waited;
        waited
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
    fn what_is_ours_is_not_the_clients() {
        let ours = Ours::default();
        let begun = Instant::now();
        let at = |seconds: u32| begun + seconds * SECOND;
        ours.change(|worked| worked.begin(at(0)));
        let mut pace = Pace::new(5 * SECOND, 1024);
        (pace.ours, pace.ours_seen) = (Some(ours.clone()), ours.total(at(1)));
        assert_eq!((pace.waited(at(1), at(8)), pace.patience()), (Duration::ZERO, 5 * SECOND));
        ours.change(|worked| worked.end(at(9)));
        assert_eq!((pace.waited(at(8), at(11)), pace.patience()), (2 * SECOND, 3 * SECOND));
        assert_eq!((pace.waited(at(11), at(14)), pace.patience()), (3 * SECOND, Duration::ZERO));
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
