//! What became of the messages of one partition, counted: written by its worker
//! alone and read by anybody. An [`Observer`], as `version` is. Does not own
//! what was refused, which senders are told elsewhere (`refusals`).

use std::sync::Arc;

use super::observer::{Folded, Observer};
use super::outcome::{Outcome, Skipped};
use super::roster::slot::Slot;
use crate::telemetry::Channel;
use crate::telemetry::message::Kind;
use crate::telemetry::rocket::{Anomaly, Effect};
use crate::telemetry::tally::Count;

/// The outcomes, and their names in the HTTP contract.
pub const OUTCOMES: [(Outcome, &str); 3] = [
    (Outcome::Applied, "applied"),
    (Outcome::Buffered, "buffered"),
    (Outcome::Duplicate, "duplicate"),
];

/// The anomalies, and how figures call them.
pub const ANOMALIES: [(Anomaly, &str); 4] = [
    (Anomaly::BeforeLaunch, "before_launch"),
    (Anomaly::LaunchedAgain, "launched_again"),
    (Anomaly::AfterExplosion, "after_explosion"),
    (Anomaly::SpeedSaturated, "speed_saturated"),
];

/// On cache lines of its own: the others' workers must not wait for it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counts {
    messages: [[Count; OUTCOMES.len()]; Kind::ALL.len()],
    anomalies: [Count; ANOMALIES.len()],
    lost: Count,
    late: Count,
    conflicts: Count,
}

/// The reading side of one partition.
#[derive(Clone, Debug)]
pub struct Tally(Arc<Counts>);

/// The writing side.
#[derive(Debug, Default)]
pub struct Teller(Arc<Counts>);

impl Teller {
    /// The reading side.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally(self.0.clone())
    }

    fn count(&self, kind: Kind, outcome: Outcome) {
        self.0.messages[kind as usize][outcome as usize].add_alone(1);
    }
}

impl Observer for Teller {
    fn folded(&mut self, folded: &Folded<'_>) {
        if let Effect::Anomaly(anomaly) = folded.effect {
            self.0.anomalies[anomaly as usize].add_alone(1);
        }
    }

    fn taken(&mut self, _: Slot, kind: Kind, outcome: Outcome) {
        self.count(kind, outcome);
    }

    fn repeated(&mut self, kind: Kind) {
        self.count(kind, Outcome::Duplicate);
    }

    fn lost(&mut self, _: Slot, _: &Channel, Skipped { first, last }: Skipped) {
        self.0.lost.add_alone(last - first + 1);
    }

    fn late(&mut self, _: &Channel, _: u64) {
        self.0.late.add_alone(1);
    }

    fn conflicting(&mut self, _: Slot, _: &Channel, _: u64) {
        self.0.conflicts.add_alone(1);
    }
}

impl Tally {
    /// Messages of this kind with this outcome, since the start.
    #[must_use]
    pub fn messages(&self, kind: Kind, outcome: Outcome) -> u64 {
        self.0.messages[kind as usize][outcome as usize].get()
    }

    /// Numbers that were declared lost, since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.get()
    }

    /// Messages that came after their number was declared lost, since the start.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.0.late.get()
    }

    /// Repeats that said something else than what they repeated, since the start.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.0.conflicts.get()
    }

    /// Messages that counted and made no sense, since the start.
    #[must_use]
    pub fn anomalies(&self, anomaly: Anomaly) -> u64 {
        self.0.anomalies[anomaly as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_the_order_of_their_numbers() {
        assert!(OUTCOMES.iter().enumerate().all(|(at, (outcome, _))| *outcome as usize == at));
        assert!(ANOMALIES.iter().enumerate().all(|(at, (anomaly, _))| *anomaly as usize == at));
        assert!(Kind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
    }
}
