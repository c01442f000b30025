//! Whether anybody listens, and to what: written when subscribers come and go, and
//! read by every worker for every message. While nobody does, that is one load and
//! one branch.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use ahash::RandomState;

use super::changed::Lane;
use crate::telemetry::Channel;

/// Rockets that are named are found by a hash of so many bits: a rocket that
/// shares it with a named one is reported too, and left out by whoever reads the
/// log.
const BITS: u32 = 16;

/// See the module.
#[derive(Debug)]
pub struct Listening {
    /// The lanes that somebody listens to.
    lanes: AtomicU8,
    /// Those of them on which somebody filters by what waits.
    by_waiting: AtomicU8,
    /// How often each hash is named.
    named: Box<[AtomicU32]>,
    hasher: RandomState,
}

impl Default for Listening {
    fn default() -> Self {
        Self {
            lanes: AtomicU8::new(0),
            by_waiting: AtomicU8::new(0),
            named: (0..1 << BITS).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Listening {
    /// The bits of the lanes that somebody listens to. A worker that is asked
    /// something by a subscriber sees that it listens: the question came after, and
    /// by way of a channel.
    #[must_use]
    pub fn lanes(&self) -> u8 {
        self.lanes.load(Ordering::Relaxed)
    }

    /// Whether somebody listens to this lane.
    #[must_use]
    pub fn has(&self, lane: Lane) -> bool {
        self.lanes() & lane.bit() != 0
    }

    /// Whether somebody on this lane filters by what waits.
    #[must_use]
    pub fn asks_what_waits(&self, lane: Lane) -> bool {
        self.by_waiting.load(Ordering::Relaxed) & lane.bit() != 0
    }

    /// From now on these are the lanes on which somebody filters by what waits.
    pub(super) fn ask_what_waits(&self, lanes: u8) {
        self.by_waiting.store(lanes, Ordering::SeqCst);
    }

    /// From now on somebody listens to this lane.
    pub(super) fn open(&self, lane: Lane) {
        self.lanes.fetch_or(lane.bit(), Ordering::SeqCst);
    }

    /// From now on nobody listens to this lane.
    pub(super) fn close(&self, lane: Lane) {
        self.lanes.fetch_and(!lane.bit(), Ordering::SeqCst);
    }

    /// Whether this rocket may have been named.
    #[must_use]
    pub fn may_be_named(&self, channel: &Channel) -> bool {
        self.place(channel).load(Ordering::Relaxed) > 0
    }

    /// Somebody names this rocket.
    pub(super) fn name(&self, channel: &Channel) {
        self.place(channel).fetch_add(1, Ordering::SeqCst);
    }

    /// Somebody who named this rocket is gone.
    pub(super) fn unname(&self, channel: &Channel) {
        self.place(channel).fetch_sub(1, Ordering::SeqCst);
    }

    fn place(&self, channel: &Channel) -> &AtomicU32 {
        let hash = self.hasher.hash_one(channel);
        let place = (hash >> (64 - BITS)) as usize;
        &self.named[place]
    }
}
