//! A whole listing that no index answers: all its rockets are there, and are
//! merged as they are taken. Does not own how they are collected (`worker/scan`).

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::slices::{Slices, drop_elsewhere};
use super::sort::Sort;
use crate::fleet::view::RocketView;

/// Below so many rockets it is dropped at once.
const FEW: usize = 1024;

/// See the module.
#[derive(Debug)]
pub struct Whole {
    slices: BinaryHeap<Sorted>,
    left: usize,
    total: usize,
}

/// A slice, its first rocket at the end. The one whose first rocket comes first
/// is the greatest. None is empty.
#[derive(Debug)]
struct Sorted {
    sort: Sort,
    rockets: Vec<RocketView>,
}

impl Whole {
    /// Sorts each slice by itself: some 0.2 s of work for a million rockets, not for
    /// a thread that serves. `total` rockets met the conditions.
    #[must_use]
    pub fn merge(parts: Vec<Slices>, sort: Sort, total: usize) -> Self {
        let sorted = |mut rockets: Vec<RocketView>| {
            rockets.sort_unstable_by(|a, b| sort.compare_rockets(b, a));
            Sorted { sort, rockets }
        };
        let slices: Vec<_> = parts.into_iter().flat_map(Slices::take).map(sorted).collect();
        let left = slices.iter().map(|slice| slice.rockets.len()).sum();
        Self { slices: slices.into(), left, total }
    }

    /// How many rockets of the fleet meet the conditions, listed or not.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// How many rockets are still to be taken.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left
    }

    /// Takes the next rockets, at most `count`.
    #[must_use]
    pub fn next(&mut self, count: usize) -> Vec<RocketView> {
        let count = count.min(self.left);
        self.left -= count;
        std::iter::from_fn(|| self.pop()).take(count).collect()
    }

    fn pop(&mut self) -> Option<RocketView> {
        let mut first = self.slices.peek_mut()?;
        let rocket = first.rockets.pop();
        if first.rockets.is_empty() {
            PeekMut::pop(first);
        }
        rocket
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if self.left > FEW {
            drop_elsewhere(std::mem::take(&mut self.slices));
        }
    }
}

impl Ord for Sorted {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.rockets.last(), other.rockets.last()) {
            (Some(ours), Some(theirs)) => self.sort.compare_rockets(theirs, ours),
            (ours, theirs) => ours.is_some().cmp(&theirs.is_some()),
        }
    }
}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sorted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Sorted {}
