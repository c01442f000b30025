//! How long a commit waits for its siblings.
//!
//! Senders that wait for an answer before they go on come back together, just
//! after a commit. A commit that began with the first of them would be a small
//! one, and the rest would wait for two. If it waited for all of them, nobody
//! would have anything to do while it runs. So it waits a little, for a share of
//! those who are about to come. A wrong guess costs one such wait: the next one
//! is for a share of those who came.
//!
//! Only decides; `group_commit` has the clock and the waiting.

use std::time::Duration;

/// The policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitDelay {
    /// Waits for one message in so many of those that are about to come.
    one_in: u64,
    /// Waits at most so many times as long as the last commit took,
    last_commits: u32,
    /// and never longer than this.
    longest: Duration,
}

/// The commit that ended last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastCommit {
    /// About as many senders were answered by it, and wait to go on.
    pub records: u64,
    /// From its beginning to its end on the disk.
    pub took: Duration,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// Until so many records are there,
    pub records: u64,
    /// or so much time is over.
    pub at_most: Duration,
}

impl CommitDelay {
    /// Waits up to `longest`; not at all if that is zero.
    ///
    /// Of one message in 1 to 4, one in 3 was measured to be the best from 3 to
    /// 256 senders. Where a sync takes some 0.1 ms, a wait of half of a commit's
    /// time cost 8% of the throughput of 64 senders against four times of it,
    /// and one of twice of it cost 7%.
    #[must_use]
    pub const fn up_to(longest: Duration) -> Self {
        Self { one_in: 3, last_commits: 4, longest }
    }

    /// What a commit of `pending` records waits for, if it has to wait.
    #[must_use]
    pub fn before(&self, pending: u64, last: LastCommit) -> Option<Delay> {
        // Those that came during the last commit are there, and are still to be
        // answered.
        let records = (last.records + pending) / self.one_in;
        let at_most = self.longest.min(last.took.saturating_mul(self.last_commits));
        let waits = pending > 0 && pending < records && !at_most.is_zero();
        waits.then_some(Delay { records, at_most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: Duration = Duration::from_micros(1);

    fn last(records: u64, took: Duration) -> LastCommit {
        LastCommit { records, took }
    }

    #[test]
    fn a_commit_waits_for_a_share_of_those_who_were_answered() {
        let policy = CommitDelay::up_to(500 * MICRO);
        let delay = policy.before(1, last(64, 100 * MICRO));
        assert_eq!(delay, Some(Delay { records: 21, at_most: 400 * MICRO }));
        // What is pending already counts among those to be expected.
        let delay = policy.before(20, last(64, 100 * MICRO));
        assert_eq!(delay, Some(Delay { records: 28, at_most: 400 * MICRO }));
    }

    #[test]
    fn it_does_not_wait_when_enough_are_there_or_nobody_is() {
        let policy = CommitDelay::up_to(500 * MICRO);
        // One sender alone, and many after few.
        assert_eq!(policy.before(1, last(1, 100 * MICRO)), None);
        assert_eq!(policy.before(32, last(64, 100 * MICRO)), None);
        assert_eq!(policy.before(500, last(3, 100 * MICRO)), None);
        // The first commit, and one that only stores rockets.
        assert_eq!(policy.before(1, LastCommit::default()), None);
        assert_eq!(policy.before(0, last(64, 100 * MICRO)), None);
    }

    #[test]
    fn a_slow_disk_makes_nobody_wait_longer_than_was_agreed() {
        let policy = CommitDelay::up_to(500 * MICRO);
        for took in [Duration::from_millis(10), Duration::MAX] {
            let delay = policy.before(1, last(64, took)).unwrap();
            assert_eq!(delay.at_most, 500 * MICRO);
        }
    }

    #[test]
    fn zero_turns_it_off() {
        let policy = CommitDelay::up_to(Duration::ZERO);
        assert_eq!(policy.before(1, last(64, 100 * MICRO)), None);
    }
}
