//! One rocket as a roster keeps it.

use super::chunked::Chunked;
use super::slot::Slot;
use crate::journal::MAX_ROW_ID;
use crate::telemetry::reorder::Reorder;
use crate::telemetry::rocket::Rocket;
use crate::telemetry::{Channel, Timestamp};

pub(super) struct Tracked {
    pub channel: Channel,
    pub reorder: Reorder,
    pub rocket: Rocket,
    pub row: Row,
}

/// A rocket's row in the journal's store, and how it stands with it. In four bytes:
/// the highest of them are two bits that no row needs.
#[derive(Clone, Copy)]
pub(super) struct Row(u32);

impl Tracked {
    pub fn new(channel: Channel, row: Row) -> Self {
        Self { channel, reorder: Reorder::new(), rocket: Rocket::default(), row }
    }

    /// Whether nothing was applied or buffered yet.
    pub fn is_blank(&self) -> bool {
        self.reorder.next() == 1 && self.reorder.buffered() == 0
    }
}

impl Row {
    /// Of a rocket that has none.
    pub const NONE: Self = Self(0);
    const CHANGED: u32 = 1 << 31;
    const STORED: u32 = 1 << 30;

    /// A row that holds nothing.
    pub fn empty(id: u32) -> Self {
        debug_assert!(id <= MAX_ROW_ID);
        Self(id)
    }

    /// A row that holds the rocket as it is.
    pub fn filled(id: u32) -> Self {
        Self(Self::empty(id).0 | Self::STORED)
    }

    pub fn id(self) -> u32 {
        self.0 & MAX_ROW_ID
    }

    /// Whether it may hold something.
    pub fn is_filled(self) -> bool {
        self.0 & Self::STORED != 0
    }

    /// The rocket is no longer as its row has it.
    pub fn outdate(&mut self) {
        self.0 |= Self::CHANGED;
    }

    /// Whether the rocket was not as its row has it. From now on it counts as stored.
    pub fn renew(&mut self) -> bool {
        let outdated = self.0 & Self::CHANGED != 0;
        if outdated {
            *self = Self::filled(self.id());
        }
        outdated
    }
}

/// What launched rockets are ordered by; the rocket at `slot` must be one.
pub(super) fn launch_key(rockets: &Chunked<Tracked>, slot: Slot) -> (Timestamp, &Channel) {
    let Tracked { channel, rocket, .. } = rockets.get(slot);
    let flight = rocket.flight.as_ref().expect("only launched rockets are in the launch order");
    (flight.launch_time, channel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rocket_takes_so_many_bytes() {
        assert_eq!(size_of::<Tracked>(), 88);
    }

    #[test]
    fn a_row_remembers_how_it_stands_whatever_its_number_is() {
        for id in [1, 7, MAX_ROW_ID] {
            let mut row = Row::empty(id);
            assert!(!row.is_filled() && !row.renew() && !row.is_filled());
            row.outdate();
            assert!(!row.is_filled(), "it changed, and was not stored yet");
            assert!(row.renew() && row.is_filled() && !row.renew());
            row.outdate();
            assert_eq!((row.id(), row.is_filled()), (id, true));
            assert!(Row::filled(id).is_filled() && !Row::filled(id).renew());
        }
    }
}
