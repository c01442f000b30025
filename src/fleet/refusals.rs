//! Says in the log that a limit is reached: how often, and which flag raises it.
//! At most one line a second for each limit, since whoever is refused comes back.
//! Does not own the limits, nor what is refused.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use super::outcome::{Refusal, SubmitError};

const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// One limit, and what was not said of it yet.
#[derive(Debug)]
pub struct Reached {
    /// None of what is the same for everybody.
    flag: Option<&'static str>,
    what: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    untold: u64,
    told_at: Option<Instant>,
}

impl Reached {
    /// A limit that `flag` raises; `what` says what happens at it.
    #[must_use]
    pub const fn new(flag: &'static str, what: &'static str) -> Self {
        Self { flag: Some(flag), ..Self::fixed(what) }
    }

    /// A limit that no flag raises.
    #[must_use]
    pub const fn fixed(what: &'static str) -> Self {
        Self { flag: None, what, state: Mutex::new(State { untold: 0, told_at: None }) }
    }

    /// It was reached once more.
    pub fn tell(&self) {
        if let Some(count) = self.count(Instant::now()) {
            warn!(count, flag = self.flag, "{}", self.what);
        }
    }

    /// It was reached once more, for a reason of its own: the last one is told.
    pub fn tell_why(&self, error: &dyn Display) {
        if let Some(count) = self.count(Instant::now()) {
            warn!(count, %error, flag = self.flag, "{}", self.what);
        }
    }

    /// Counts one; returns how many there are to tell, if it is time to.
    fn count(&self, now: Instant) -> Option<u64> {
        // A number and a time are right whoever panicked over them.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.untold += 1;
        if state.told_at.is_some_and(|at| now.duration_since(at) < LOG_INTERVAL) {
            return None;
        }
        state.told_at = Some(now);
        Some(std::mem::take(&mut state.untold))
    }
}

/// The limits for which messages are refused.
#[derive(Debug)]
pub struct Refusals {
    inbox: Reached,
    rocket_buffer: Reached,
    fleet_buffer: Reached,
    fleet: Reached,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            inbox: Reached::new(
                "--inbox-capacity",
                "messages are refused: too many wait to be taken in",
            ),
            rocket_buffer: Reached::new(
                "--max-buffered-per-rocket",
                "messages are refused: too many of one rocket wait for an earlier one",
            ),
            fleet_buffer: Reached::new(
                "--max-buffered",
                "messages are refused: too many of the fleet wait for an earlier one",
            ),
            fleet: Reached::new("--max-rockets", "messages of new rockets are refused"),
        }
    }
}

impl Refusals {
    /// Tells of the limit that an error stands for, if it does.
    pub fn tell(&self, error: &SubmitError) {
        match error {
            SubmitError::Busy => self.inbox.tell(),
            SubmitError::Refused(Refusal::RocketBufferFull { .. }) => self.rocket_buffer.tell(),
            SubmitError::Refused(Refusal::FleetBufferFull { .. }) => self.fleet_buffer.tell(),
            SubmitError::Refused(Refusal::FleetFull { .. }) => self.fleet.tell(),
            SubmitError::Refused(Refusal::NotKept(_) | Refusal::NotNow(_))
            | SubmitError::Unavailable(_)
            | SubmitError::NotTaken
            | SubmitError::TimedOut
            | SubmitError::Lost => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_once_a_second_with_all_that_came_since() {
        let reached = Reached::new("--flag", "full");
        let start = Instant::now();
        assert_eq!(reached.count(start), Some(1));
        for _ in 0..5 {
            assert_eq!(reached.count(start + Duration::from_millis(999)), None);
        }
        assert_eq!(reached.count(start + Duration::from_secs(1)), Some(6));
        assert_eq!(reached.count(start + Duration::from_secs(1)), None);
    }
}
