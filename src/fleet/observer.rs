//! The one seam through which a worker reports what it did.
//!
//! Counters, logs, feeds and histories hang on it, and the worker knows none of
//! them: it calls an [`Observer`] whose type is known when it is compiled, so
//! that nothing is paid for while nothing hangs there. An observer is called on
//! the worker's own thread, between two messages: it must not wait for anybody.

use super::outcome::{Outcome, Skipped};
use super::roster::slot::Slot;
use crate::telemetry::message::Kind;
use crate::telemetry::rocket::{Effect, Rocket, Vocabulary};
use crate::telemetry::{Channel, Timestamp};

/// One message that was folded into its rocket, which may be long after it was
/// taken in: messages that waited for an earlier one are folded with that one.
#[derive(Clone, Copy)]
pub struct Folded<'a> {
    /// Where its rocket stands in the roster.
    pub slot: Slot,
    /// Which rocket it is about.
    pub channel: &'a Channel,
    /// The message's number.
    pub number: u64,
    /// The message's time.
    pub time: Timestamp,
    /// What kind of message it was.
    pub kind: Kind,
    /// What kind of change it was, or why it was an anomaly.
    pub effect: Effect,
    /// The rocket as it is now.
    pub rocket: &'a Rocket,
    /// The texts that it refers to.
    pub vocabulary: &'a Vocabulary,
}

/// Whoever wants to know what a worker did. By default nobody wants to.
pub trait Observer {
    /// A message was folded into its rocket.
    fn folded(&mut self, _folded: &Folded<'_>) {}

    /// A message that was admitted was taken in, after everything that it caused
    /// was folded, and before its sender hears of it.
    fn taken(&mut self, _slot: Slot, _kind: Kind, _outcome: Outcome) {}

    /// A rocket waits now and did not before, or the other way round, after all that
    /// caused it was folded.
    fn turned(&mut self, _slot: Slot, _channel: &Channel) {}

    /// A message that had been taken in came again, and was not admitted.
    fn repeated(&mut self, _kind: Kind) {}

    /// Numbers of a rocket were declared lost, after what waited behind them was
    /// folded, and before whoever asked for it hears of it.
    fn lost(&mut self, _slot: Slot, _channel: &Channel, _skipped: Skipped) {}

    /// A message came whose number had been declared lost; it changes nothing.
    fn late(&mut self, _channel: &Channel, _number: u64) {}

    /// A message that had been taken in came again with another content. It changes
    /// nothing, and is reported as a repeat besides.
    fn conflicting(&mut self, _slot: Slot, _channel: &Channel, _number: u64) {}

    /// Everything about a rocket was forgotten; its slot may be another's from now on.
    fn forgotten(&mut self, _slot: Slot, _channel: &Channel) {}

    /// Nothing more will be reported.
    fn ended(&mut self) {}
}

/// Nobody: for what was reported in an earlier run.
impl Observer for () {}

/// Two, one after the other.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn folded(&mut self, folded: &Folded<'_>) {
        self.0.folded(folded);
        self.1.folded(folded);
    }

    fn taken(&mut self, slot: Slot, kind: Kind, outcome: Outcome) {
        self.0.taken(slot, kind, outcome);
        self.1.taken(slot, kind, outcome);
    }

    fn turned(&mut self, slot: Slot, channel: &Channel) {
        self.0.turned(slot, channel);
        self.1.turned(slot, channel);
    }

    fn repeated(&mut self, kind: Kind) {
        self.0.repeated(kind);
        self.1.repeated(kind);
    }

    fn lost(&mut self, slot: Slot, channel: &Channel, skipped: Skipped) {
        self.0.lost(slot, channel, skipped);
        self.1.lost(slot, channel, skipped);
    }

    fn late(&mut self, channel: &Channel, number: u64) {
        self.0.late(channel, number);
        self.1.late(channel, number);
    }

    fn conflicting(&mut self, slot: Slot, channel: &Channel, number: u64) {
        self.0.conflicting(slot, channel, number);
        self.1.conflicting(slot, channel, number);
    }

    fn forgotten(&mut self, slot: Slot, channel: &Channel) {
        self.0.forgotten(slot, channel);
        self.1.forgotten(slot, channel);
    }

    fn ended(&mut self) {
        self.0.ended();
        self.1.ended();
    }
}
