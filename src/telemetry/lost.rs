//! The numbers of one rocket that were declared lost: how many, and of the latest
//! of them which.
//!
//! Only so many ranges are remembered, so that a sender that loses every other
//! message does not fill the memory; a late arrival from before them passes for a
//! repeat of something that was applied.

use super::message::MAX_INTEGER;

/// Most ranges that are remembered; the latest.
pub const MAX_RANGES: usize = 16;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    count: u64,
    /// First and last numbers, rising, and apart by one number at least.
    ranges: Vec<(u64, u64)>,
}

impl Lost {
    /// What was taken apart into these; `None` if nothing can have been.
    #[must_use]
    pub fn restore(count: u64, ranges: Vec<(u64, u64)>) -> Option<Self> {
        let rising =
            ranges.iter().all(|&(first, last)| 1 <= first && first <= last && last <= MAX_INTEGER)
                && ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0);
        let sum: u128 =
            ranges.iter().map(|&(first, last)| u128::from(last.saturating_sub(first)) + 1).sum();
        let whole =
            if ranges.len() < MAX_RANGES { sum == count.into() } else { sum <= count.into() };
        let fits = ranges.len() <= MAX_RANGES && (count == 0) == ranges.is_empty();
        (rising && whole && fits).then_some(Self { count, ranges })
    }

    /// Numbers that were declared lost.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The latest ranges, rising.
    #[must_use]
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a number was, as far as is remembered.
    #[must_use]
    pub fn holds(&self, number: u64) -> bool {
        self.ranges.iter().any(|&(first, last)| (first..=last).contains(&number))
    }

    /// Adds numbers above all that there are, with one between at least.
    pub(super) fn add(&mut self, first: u64, last: u64) {
        debug_assert!(first <= last && self.ranges.last().is_none_or(|range| range.1 + 1 < first));
        self.count += last - first + 1;
        if self.ranges.len() == MAX_RANGES {
            self.ranges.remove(0);
        }
        self.ranges.push((first, last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_latest_known() {
        let mut lost = Lost::default();
        assert!(lost.is_empty() && !lost.holds(1));
        for number in 1..=20 {
            lost.add(10 * number, 10 * number + 2);
        }
        assert_eq!(lost.count(), 60);
        assert!(lost.holds(50) && lost.holds(202), "{lost:?}");
        assert!(!lost.holds(40) && !lost.holds(199) && !lost.holds(203), "{lost:?}");
        assert_eq!(Lost::restore(60, lost.ranges().to_vec()), Some(lost));
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        for (count, ranges) in [
            (1, vec![]),
            (0, vec![(1, 1)]),
            (1, vec![(0, 0)]),
            (2, vec![(3, 2)]),
            (2, vec![(1, 1), (2, 2)]),
            (5, vec![(1, 3)]),
            (2, vec![(1, 3)]),
            (17, (1..=17).map(|n| (2 * n, 2 * n)).collect()),
        ] {
            assert_eq!(Lost::restore(count, ranges.clone()), None, "{count} {ranges:?}");
        }
    }
}
