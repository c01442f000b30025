//! Counts and histograms that many read and nobody waits for: what the figures of
//! a running service are kept in.
//!
//! Owns how a count is written without a lock. Does not own what is counted, nor
//! how it is shown (`fleet/metrics.rs`, `http/metrics.rs`). What has one writer is
//! written without a locked addition, which costs as much as the rest together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that goes up, or a state that goes both ways.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds, whoever else does.
    pub fn add(&self, more: u64) {
        // Only counts; nothing else is published through it.
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Adds, where nobody else writes.
    pub fn add_alone(&self, more: u64) {
        self.set(self.get() + more);
    }

    /// Takes away, where nobody else writes.
    pub fn take_alone(&self, less: u64) {
        self.set(self.get() - less);
    }

    /// Is so much from now on.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it is now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often values fell below each of some bounds.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above all of them.
    counts: [Count; N],
    sum: Count,
}

/// What a histogram held when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// For each bound the values up to it and above the one before; at the end those
    /// above all.
    pub counts: Vec<u64>,
    /// Of all values.
    pub sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// An empty one with these bounds, which rise; one fewer than `N`.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        assert_eq!(bounds.len() + 1, N, "there is one count more than bounds");
        Self { bounds, counts: std::array::from_fn(|_| Count::default()), sum: Count::default() }
    }

    /// Counts a value, whoever else does.
    pub fn observe(&self, value: u64) {
        self.place(value).add(1);
        self.sum.add(value);
    }

    /// Counts a value, where nobody else writes.
    pub fn observe_alone(&self, value: u64) {
        self.place(value).add_alone(1);
        self.sum.add_alone(value);
    }

    fn place(&self, value: u64) -> &Count {
        // Most values are in the first ones.
        let at = self.bounds.iter().position(|bound| value <= *bound);
        &self.counts[at.unwrap_or(N - 1)]
    }

    /// What it holds. Values that come meanwhile may be in one part and not in
    /// another.
    #[must_use]
    pub fn read(&self) -> Distribution {
        let counts = self.counts.iter().map(Count::get).collect();
        Distribution { counts, sum: self.sum.get() }
    }
}

impl Distribution {
    /// The number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds another one with the same bounds.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }
}

/// What histograms of durations hold: nanoseconds.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_below_the_first_bound_that_is_not_less() {
        let histogram = Histogram::<3>::new(&[10, 100]);
        for value in [0, 10, 11, 100, 101] {
            histogram.observe(value);
            histogram.observe_alone(value);
        }
        let mut read = histogram.read();
        assert_eq!(read, Distribution { counts: vec![4, 4, 2], sum: 444 });
        read.add(&Distribution { counts: vec![1, 0, 0], sum: 6 });
        assert_eq!((read.count(), read.sum), (11, 450));
    }
}
