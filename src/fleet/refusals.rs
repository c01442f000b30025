//! Counts what is refused, by reason, and says in the log that a limit is reached:
//! how often, and which flag raises it. At most one line a second for each limit,
//! since whoever is refused comes back.
//! Does not own the limits, nor what is refused.

use std::fmt::Display;

use tracing::warn;

use super::outcome::{Refusal, SubmitError};
use super::throttle::{Throttle, Untold};
use crate::telemetry::tally::Count;

/// One limit, and what was not said of it yet.
#[derive(Debug)]
pub struct Reached {
    limit: Limit,
    line: Throttle<Line>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Limit {
    /// None of what is the same for everybody.
    flag: Option<&'static str>,
    what: &'static str,
}

#[derive(Debug, Default)]
struct Line {
    limit: Limit,
    count: u64,
    error: Option<String>,
}

impl Untold for Line {
    fn tell(self) {
        let Self { limit: Limit { flag, what }, count, error } = self;
        warn!(count, error, flag, "{what}");
    }
}

impl Reached {
    /// A limit that `flag` raises; `what` says what happens at it.
    #[must_use]
    pub fn new(flag: &'static str, what: &'static str) -> Self {
        Self { limit: Limit { flag: Some(flag), what }, line: Throttle::default() }
    }

    /// A limit that no flag raises.
    #[must_use]
    pub fn fixed(what: &'static str) -> Self {
        Self { limit: Limit { flag: None, what }, line: Throttle::default() }
    }

    /// It was reached once more.
    pub fn tell(&self) {
        self.count(None);
    }

    /// It was reached once more, for a reason of its own: the last one is told.
    pub fn tell_why(&self, error: &dyn Display) {
        self.count(Some(error.to_string()));
    }

    fn count(&self, error: Option<String>) {
        self.line.count(|line| {
            *line = Line { limit: self.limit, count: line.count + 1, error };
        });
    }
}

/// Why messages are refused, as figures call it.
pub const REASONS: [&str; 11] = [
    "inbox_full",
    "rocket_buffer_full",
    "fleet_buffer_full",
    "fleet_full",
    "not_kept",
    "paused",
    "unavailable",
    "timed_out",
    "lost",
    "not_taken",
    "invalid",
];

/// The last of [`REASONS`]: it never came here.
const INVALID: usize = REASONS.len() - 1;

/// The limits for which messages are refused, and how many were.
#[derive(Debug)]
pub struct Refusals {
    counts: [Count; REASONS.len()],
    inbox: Reached,
    rocket_buffer: Reached,
    fleet_buffer: Reached,
    fleet: Reached,
    queries: Reached,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            counts: Default::default(),
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
            queries: Reached::fixed("reads are refused: too many wait for a partition"),
        }
    }
}

impl Refusals {
    /// Messages that were refused for the reason at this place of [`REASONS`].
    #[must_use]
    pub fn count(&self, reason: usize) -> u64 {
        self.counts[reason].get()
    }

    /// What came was no message.
    pub fn tell_invalid(&self) {
        self.counts[INVALID].add(1);
    }

    /// A query found no room.
    pub fn tell_query(&self) {
        self.queries.tell();
    }

    /// Counts an error, and tells of the limit that it stands for, if it does.
    pub fn tell(&self, error: &SubmitError) {
        self.counts[reason(error)].add(1);
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

/// The place in [`REASONS`].
fn reason(error: &SubmitError) -> usize {
    match error {
        SubmitError::Busy => 0,
        SubmitError::Refused(Refusal::RocketBufferFull { .. }) => 1,
        SubmitError::Refused(Refusal::FleetBufferFull { .. }) => 2,
        SubmitError::Refused(Refusal::FleetFull { .. }) => 3,
        SubmitError::Refused(Refusal::NotKept(_)) => 4,
        SubmitError::Refused(Refusal::NotNow(_)) => 5,
        SubmitError::Unavailable(_) => 6,
        SubmitError::TimedOut => 7,
        SubmitError::Lost => 8,
        SubmitError::NotTaken => 9,
    }
}
