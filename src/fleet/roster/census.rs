//! How many rockets of a partition are in which state: written by the roster as it
//! changes, from the restart's first rocket on, and read by anybody.

use std::sync::Arc;

use super::tracked::Tracked;
use crate::fleet::outcome::Cause;
use crate::telemetry::Timestamp;
use crate::telemetry::tally::Count;

/// On cache lines of its own: the others' workers must not wait for it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counts {
    known: Count,
    launched: Count,
    exploded: Count,
    waiting: Count,
    /// When the longest wait began, in microseconds since 1970 and one more; 0 if none
    /// is under way.
    oldest_wait: Count,
    /// By [`Cause`].
    forgotten: [Count; Cause::NAMES.len()],
}

/// The counts of one roster.
#[derive(Clone, Debug, Default)]
pub struct Census(Arc<Counts>);

/// What is counted of one rocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub launched: bool,
    pub exploded: bool,
    waits: bool,
}

impl Standing {
    /// That of a rocket without any message.
    pub const BLANK: Self = Self { launched: false, exploded: false, waits: false };

    pub fn of(tracked: &Tracked) -> Self {
        let flight = tracked.rocket.flight.as_ref();
        Self {
            launched: flight.is_some(),
            exploded: flight.is_some_and(|flight| flight.explosion.is_some()),
            waits: tracked.reorder.buffered() > 0,
        }
    }
}

fn follow(count: &Count, before: bool, after: bool) {
    match (before, after) {
        (false, true) => count.add_alone(1),
        (true, false) => count.take_alone(1),
        _ => {}
    }
}

impl Census {
    /// There is one more rocket, of which nothing is known.
    pub(super) fn appear(&self) {
        self.0.known.add_alone(1);
    }

    /// One of which nothing is known after all is gone.
    pub(super) fn disappear(&self) {
        self.0.known.take_alone(1);
    }

    /// A rocket went from one standing to another.
    pub(super) fn moved(&self, before: Standing, after: Standing) {
        if before == after {
            return;
        }
        follow(&self.0.launched, before.launched, after.launched);
        follow(&self.0.exploded, before.exploded, after.exploded);
        follow(&self.0.waiting, before.waits, after.waits);
    }

    /// One was forgotten.
    pub(super) fn forgotten(&self, cause: Cause) {
        self.0.forgotten[cause as usize].add_alone(1);
    }

    /// Rockets that were forgotten since the start for this cause.
    #[must_use]
    pub fn forgotten_for(&self, cause: Cause) -> u64 {
        self.0.forgotten[cause as usize].get()
    }

    /// The longest wait began then, or there is none.
    pub(super) fn waits_since(&self, oldest: Option<Timestamp>) {
        let micros = oldest.map_or(0, |since| {
            let (seconds, nanoseconds) = since.to_unix();
            let seconds = u64::try_from(seconds).unwrap_or(0);
            seconds.saturating_mul(1_000_000).saturating_add(u64::from(nanoseconds / 1_000) + 1)
        });
        // Most messages change nothing of it.
        if self.0.oldest_wait.get() != micros {
            self.0.oldest_wait.set(micros);
        }
    }

    /// When the longest wait began, in microseconds since 1970, by the service's
    /// clock.
    #[must_use]
    pub fn oldest_wait(&self) -> Option<u64> {
        self.0.oldest_wait.get().checked_sub(1)
    }

    /// Rockets of which a message was accepted.
    #[must_use]
    pub fn known(&self) -> u64 {
        self.0.known.get()
    }

    /// Those that were launched, exploded ones among them.
    #[must_use]
    pub fn launched(&self) -> u64 {
        self.0.launched.get()
    }

    /// Those that have exploded.
    #[must_use]
    pub fn exploded(&self) -> u64 {
        self.0.exploded.get()
    }

    /// Those of which a message waits for an earlier one.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.0.waiting.get()
    }
}
