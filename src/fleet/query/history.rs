//! What can be asked of a rocket's recent past.

use crate::fleet::view::Lookup;
use crate::telemetry::Timestamp;
use crate::telemetry::past::Entry;

/// Which messages of one rocket's recent past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Only those of this time or later.
    pub start: Option<Timestamp>,
    /// Only those of an earlier time.
    pub end: Option<Timestamp>,
    /// At most so many, the last of them; `None` for all.
    pub limit: Option<usize>,
}

/// The recent past of one rocket.
#[derive(Debug)]
pub struct History {
    /// What is known of the rocket.
    pub rocket: Lookup,
    /// How many messages are kept of it; `None` if none ever are.
    pub kept: Option<usize>,
    /// Those that were asked for, the oldest first; none unless it is launched.
    pub entries: Vec<Entry>,
}

impl Span {
    /// Leaves of `entries`, the oldest first, what is asked for.
    pub fn apply(&self, entries: &mut Vec<Entry>) {
        entries.retain(|entry| {
            self.start.is_none_or(|start| entry.time >= start)
                && self.end.is_none_or(|end| entry.time < end)
        });
        if let Some(limit) = self.limit {
            entries.drain(..entries.len().saturating_sub(limit));
        }
    }
}
