//! How often the fleet has changed: a count for each partition, written by its
//! worker alone and read by anybody.
//!
//! A count goes up in the turn in which the worker applies a message, before
//! anybody hears of it. So whoever was answered finds the count raised, and
//! whoever reads a count and then asks the worker is answered after that turn:
//! the answer may be newer than the count, and is never older.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::observer::Observer;
use super::outcome::{Outcome, Skipped};
use super::roster::slot::Slot;
use crate::telemetry::Channel;
use crate::telemetry::message::Kind;

/// A partition's count, on cache lines of its own: the others' workers must
/// not wait for it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Count(AtomicU64);

/// The reading side, for the whole fleet.
#[derive(Clone, Debug)]
pub struct Version(Arc<[Arc<Count>]>);

/// The writing side of one partition.
#[derive(Debug, Default)]
pub struct Changes(Arc<Count>);

/// Counts for so many partitions, from 0, with the writing sides in order.
#[must_use]
pub fn counts(partitions: usize) -> (Version, Vec<Changes>) {
    let changes: Vec<Changes> = (0..partitions).map(|_| Changes::default()).collect();
    let version = Version(changes.iter().map(|changes| changes.0.clone()).collect());
    (version, changes)
}

impl Observer for Changes {
    fn taken(&mut self, _: Slot, _: Kind, outcome: Outcome) {
        if outcome != Outcome::Duplicate {
            self.count_one();
        }
    }

    fn lost(&mut self, _: Slot, _: &Channel, _: Skipped) {
        self.count_one();
    }

    fn conflicting(&mut self, _: Slot, _: &Channel, _: u64) {
        self.count_one();
    }

    fn forgotten(&mut self, _: Slot, _: &Channel) {
        self.count_one();
    }
}

impl Changes {
    fn count_one(&mut self) {
        let Count(count) = &*self.0;
        // Nobody else writes it, so this needs no locked addition.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
}

impl Version {
    /// The sum of the counts. Each only goes up, so a later sum that is the same
    /// says that none did.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|count| count.0.load(Ordering::Acquire)).sum()
    }
}
