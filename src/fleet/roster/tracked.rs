//! One rocket as a roster keeps it.

use super::chunked::Chunked;
use super::slot::Slot;
use crate::telemetry::reorder::Reorder;
use crate::telemetry::rocket::Rocket;
use crate::telemetry::{Channel, Timestamp};

pub(super) struct Tracked {
    pub channel: Channel,
    pub reorder: Reorder,
    pub rocket: Rocket,
    /// The rocket's row in the journal's store.
    pub row_id: u32,
    /// Whether it changed since it was stored last.
    pub changed: bool,
    /// Whether its row may hold something.
    pub stored: bool,
}

impl Tracked {
    pub fn new(channel: Channel, row_id: u32) -> Self {
        let (reorder, rocket) = (Reorder::new(), Rocket::default());
        Self { channel, reorder, rocket, row_id, changed: false, stored: false }
    }

    /// Whether nothing was applied or buffered yet.
    pub fn is_blank(&self) -> bool {
        self.reorder.next() == 1 && self.reorder.buffered() == 0
    }
}

/// What launched rockets are ordered by; the rocket at `slot` must be one.
pub(super) fn launch_key(rockets: &Chunked<Tracked>, slot: Slot) -> (Timestamp, &Channel) {
    let Tracked { channel, rocket, .. } = rockets.get(slot);
    let flight = rocket.flight.as_ref().expect("only launched rockets are in the launch order");
    (flight.launch_time, channel)
}
