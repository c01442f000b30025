//! What a journal counts of its commits, and how much room it takes. Written by the
//! one thread that commits, and read by anybody; does not own how it is shown
//! (`fleet/metrics.rs`).

use std::fmt::{self, Debug};
use std::time::Duration;

use crate::telemetry::tally::{Count, Histogram, nanos};

/// Upper bounds of how long a commit takes, in nanoseconds: from what the fastest
/// devices need to where something is wrong.
pub const DURATIONS: [u64; 14] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
];

/// Upper bounds of how many messages share a commit.
pub const SIZES: [u64; 15] = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384, 65_536];

/// Bytes that a journal takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// In its store, and in what of its log is there already.
    pub store: u64,
    /// In the log before it.
    pub wal: u64,
}

/// How the room is found out. May ask the system, and so block.
pub type Measure = Box<dyn Fn() -> Room + Send + Sync>;

/// See the head of this file.
pub struct Figures {
    /// From the begin of each commit to its end, by [`DURATIONS`].
    pub durations: Histogram<{ DURATIONS.len() + 1 }>,
    /// Messages of each commit, by [`SIZES`].
    pub messages: Histogram<{ SIZES.len() + 1 }>,
    /// Commits that kept nothing.
    pub failures: Count,
    measure: Option<Measure>,
}

impl Figures {
    /// Nothing yet; `measure` says how much room there is taken.
    #[must_use]
    pub fn new(measure: Option<Measure>) -> Self {
        let (durations, messages) = (Histogram::new(&DURATIONS), Histogram::new(&SIZES));
        Self { durations, messages, failures: Count::default(), measure }
    }

    /// A commit of so many messages has ended. To be called by one thread only.
    pub fn committed(&self, messages: u64, took: Duration, is_kept: bool) {
        if is_kept {
            self.durations.observe_alone(nanos(took));
            self.messages.observe_alone(messages);
        } else {
            self.failures.add_alone(1);
        }
    }

    /// How much room is taken, if anybody knows. May block.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        self.measure.as_ref().map(|measure| measure())
    }
}

impl Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures").field("failures", &self.failures).finish_non_exhaustive()
    }
}
