//! What stands in an event's `id`: this run, what the subscriber wants, and how far
//! it has read in each partition. Opaque to clients. Does not own what can be read
//! on from there (`fleet/feed`).

use std::fmt::Write as _;
use std::hash::Hash;

use ahash::RandomState;

use super::etag::Epoch;
use crate::fleet::feed::changed::Lane;

/// All of it but how far.
#[derive(Clone, Copy, Debug)]
pub struct EventId {
    /// This run.
    pub epoch: Epoch,
    /// Where the events come from.
    pub lane: Lane,
    /// Stands for what is wanted.
    pub digest: u32,
}

/// What is wrong with an ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// It is of another run, or of none.
    Run,
    /// It was given to who wanted other rockets.
    Filters,
}

impl Other {
    /// As a `reset` says it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Run => "the last event was of another run of the service",
            Self::Filters => "the last event was for other filters",
        }
    }
}

/// Stands for parameters, within one run and from one to the next.
#[must_use]
pub fn digest(parameters: &impl Hash) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "half of it will do")]
    let digest = RandomState::with_seeds(1, 2, 3, 4).hash_one(parameters) as u32;
    digest
}

impl EventId {
    /// The ID of who has read so far.
    #[must_use]
    pub fn write(&self, counts: impl Iterator<Item = u64>) -> String {
        let mut id = format!("{}-{}{:x}-", self.epoch.text(), self.lane as u8, self.digest);
        for (at, count) in counts.enumerate() {
            let separator = if at > 0 { "." } else { "" };
            // A text takes whatever is written to it.
            let _ = write!(id, "{separator}{count}");
        }
        id
    }

    /// How far who has this ID has read.
    ///
    /// # Errors
    /// When it is no ID of this run and of these parameters.
    pub fn read(&self, id: &str) -> Result<Vec<u64>, Other> {
        let mut parts = id.splitn(3, '-');
        let mut next = || parts.next().ok_or(Other::Run);
        let (epoch, wanted, counts) = (next()?, next()?, next()?);
        if epoch != self.epoch.text() {
            return Err(Other::Run);
        }
        if wanted != format!("{}{:x}", self.lane as u8, self.digest) {
            return Err(Other::Filters);
        }
        let counts: Option<Vec<u64>> = counts.split('.').map(|count| count.parse().ok()).collect();
        counts.ok_or(Other::Run)
    }
}
