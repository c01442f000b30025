//! How much the fleet may hold, so that no sender can fill the memory.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use super::view::RocketView;
use crate::journal::MAX_ROW_ID;
use crate::telemetry::tally::Count;

/// The bounds, as configured.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most messages that wait for an earlier one, for each rocket.
    pub buffered_per_rocket: usize,
    /// Most messages that wait for an earlier one, in all rockets together.
    pub buffered: usize,
    /// Most channels, whether launched yet or not.
    pub rockets: usize,
    /// How much of their recent past is kept.
    pub history: HistoryLimits,
}

/// How much of the recent past of rockets is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Messages, of each rocket; 0 for nothing at all.
    pub per_rocket: usize,
    /// Bytes, of all rockets together.
    pub memory: usize,
}

impl HistoryLimits {
    /// Nothing is kept.
    pub const NONE: Self = Self { per_rocket: 0, memory: 0 };
}

/// Most messages that may be kept of one rocket: a reader gets them in one answer,
/// a worker reads them in one turn, and a checkpoint stores them in one row.
pub const MOST_HISTORY_PER_ROCKET: usize = 1000;

/// Most that may be set for one rocket: a checkpoint stores what waits for a
/// rocket in one row, in one commit, which all other messages wait behind. A
/// message takes no more than 560 bytes of it. So many take 28 MB, which was
/// measured to hold a commit up for 0.4 s; a million took 7 s.
pub const MOST_BUFFERED_PER_ROCKET: usize = 50_000;

/// Memory of the largest launched rocket, with an ID and texts of its own that are
/// as long as may be; `tests/memory` measures it. One with a UUID and texts that
/// many rockets share takes a tenth.
const ROCKET_BYTES: usize = 1400;

/// Memory of the largest early message; `tests/memory` measures it. One without
/// texts takes a sixth.
const EARLY_BYTES: usize = 620;

/// Copies of a rocket that readers of whole listings hold at most.
const COPIES: usize = 2;

impl Limits {
    /// How many rockets fit into half of so many bytes, each with the copies that
    /// whole listings make of it, and how many early messages into a quarter,
    /// however large any of them is. The last quarter is for whoever talks to the
    /// fleet. At least one of each.
    #[must_use]
    pub fn fitting(memory: usize) -> (usize, usize) {
        let rocket = ROCKET_BYTES + COPIES * size_of::<RocketView>();
        ((memory / 2 / rocket).max(1), (memory / 4 / EARLY_BYTES).max(1))
    }
}

/// The bounds and how much of each is taken. Shared by all partitions, so that
/// a bound holds for the fleet whichever way its rockets fall.
#[derive(Debug)]
pub struct Quotas {
    /// Most messages that wait for an earlier one, for each rocket. Not counted
    /// here: a rocket knows what waits for it.
    pub buffered_per_rocket: usize,
    /// Messages that wait for an earlier one, in all rockets together.
    pub buffered: Quota,
    /// Channels, whether launched yet or not. One is given back when it is forgotten,
    /// or if nothing of it could be kept.
    pub rockets: Quota,
    /// What is kept of the recent past.
    pub history: HistoryQuota,
    /// The numbers of the rockets' rows in the journal's store.
    pub row_ids: RowIds,
    follows_quiet: AtomicBool,
    keeps_digests: AtomicBool,
}

/// The bounds of the recent past, how much is taken, and what went for them.
#[derive(Debug)]
pub struct HistoryQuota {
    /// Messages, of each rocket; not counted here.
    pub per_rocket: usize,
    /// Of all rockets together.
    pub bytes: Quota,
    /// Messages that went because their rocket had enough newer ones.
    pub dropped_of_rocket: Count,
    /// Messages that went for want of memory.
    pub dropped_for_memory: Count,
}

/// Gives every rocket of the fleet a number of its own, from 1: its row in the
/// journal's store.
#[derive(Debug, Default)]
pub struct RowIds(AtomicU32);

impl RowIds {
    /// A number that was not given before.
    #[must_use]
    pub fn give(&self) -> u32 {
        let given = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(given <= MAX_ROW_ID, "a fleet has no more than 2^30 rockets");
        given
    }

    /// Makes sure that `row_id`, given in an earlier run, is not given again.
    pub fn reserve(&self, row_id: u32) {
        self.0.fetch_max(row_id, Ordering::Relaxed);
    }
}

impl Quotas {
    /// These bounds, with nothing taken yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            buffered_per_rocket: limits.buffered_per_rocket,
            buffered: Quota::new(limits.buffered),
            rockets: Quota::new(limits.rockets),
            history: HistoryQuota {
                per_rocket: limits.history.per_rocket,
                bytes: Quota::new(limits.history.memory),
                dropped_of_rocket: Count::default(),
                dropped_for_memory: Count::default(),
            },
            row_ids: RowIds::default(),
            follows_quiet: AtomicBool::new(false),
            keeps_digests: AtomicBool::new(false),
        }
    }

    /// Rosters that are made from now on follow when something was heard last of
    /// exploded rockets.
    pub fn follow_quiet(&self) {
        self.follows_quiet.store(true, Ordering::Relaxed);
    }

    /// Whether they do.
    #[must_use]
    pub fn follows_quiet(&self) -> bool {
        self.follows_quiet.load(Ordering::Relaxed)
    }

    /// Rosters that are made from now on keep a digest of what they fold.
    pub fn keep_digests(&self) {
        self.keeps_digests.store(true, Ordering::Relaxed);
    }

    /// Whether they do.
    #[must_use]
    pub fn keeps_digests(&self) -> bool {
        self.keeps_digests.load(Ordering::Relaxed)
    }
}

/// A counted bound.
#[derive(Debug)]
pub struct Quota {
    limit: usize,
    taken: AtomicUsize,
}

impl Quota {
    /// Room for `limit`, with nothing taken yet.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, taken: AtomicUsize::new(0) }
    }

    /// How many there is room for.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Takes one, unless the limit is reached.
    #[must_use]
    pub fn try_take(&self) -> bool {
        self.try_take_some(1) == 1
    }

    /// Takes up to `count`, as far as the limit allows, and returns how many.
    #[must_use]
    pub fn try_take_some(&self, count: usize) -> usize {
        // Only counts; nothing else is published through it.
        let before = self.taken.fetch_add(count, Ordering::Relaxed);
        let taken = self.limit.saturating_sub(before).min(count);
        if taken < count {
            self.give_back(count - taken);
        }
        taken
    }

    /// Takes some whatever the limit: what was accepted once is kept.
    pub fn take(&self, count: usize) {
        self.taken.fetch_add(count, Ordering::Relaxed);
    }

    /// Gives back some of what was taken.
    pub fn give_back(&self, count: usize) {
        self.taken.fetch_sub(count, Ordering::Relaxed);
    }

    /// How many are taken now; above the limit after [`Quota::take`] went beyond it,
    /// and for a moment while somebody is refused.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_limit_is_shared_out_as_documented() {
        assert_eq!(size_of::<RocketView>(), 136);
        assert_eq!(Limits::fitting(1 << 30), (321_095, 432_960));
        assert_eq!(Limits::fitting(1), (1, 1));
    }

    #[test]
    fn a_quota_ends_at_its_limit_and_can_be_given_back() {
        let quota = Quota::new(2);
        assert!(quota.try_take() && quota.try_take());
        assert!(!quota.try_take());
        assert_eq!(quota.taken(), 2);
        quota.give_back(1);
        assert!(quota.try_take());
        assert_eq!(quota.try_take_some(5), 0);
        quota.give_back(2);
        assert_eq!(quota.try_take_some(5), 2);
        assert_eq!(quota.taken(), 2);
    }
}
