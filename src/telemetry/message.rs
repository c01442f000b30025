//! A validated message. How one is read from JSON stands in [`super::wire`].

use super::{Channel, Timestamp};

/// Highest message number, launch speed and speed change accepted.
pub const MAX_INTEGER: u64 = i64::MAX as u64;

/// Longest type, mission and explosion reason accepted, in bytes.
pub const MAX_TEXT_BYTES: usize = 256;

/// One message of one rocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which rocket sent it.
    pub channel: Channel,
    /// What it says.
    pub report: Report,
}

/// What a rocket reported, without which rocket it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// 1 for a rocket's first message, without gaps from there on; at most
    /// [`MAX_INTEGER`].
    pub number: u64,
    /// When the sender says that it happened.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What happened. Texts hold 1 to [`MAX_TEXT_BYTES`] bytes, and numbers are
/// between 0 and [`MAX_INTEGER`]. Speeds have no unit: the senders state none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It took off.
    Launched {
        /// The model, for instance `Falcon-9`; stays for good.
        rocket_type: Box<str>,
        /// The speed that it starts with.
        speed: i64,
        /// The mission that it starts with.
        mission: Box<str>,
    },
    /// It became faster.
    SpeedIncreased {
        /// The difference.
        by: i64,
    },
    /// It became slower.
    SpeedDecreased {
        /// The difference.
        by: i64,
    },
    /// It was given another mission.
    MissionChanged {
        /// The new one.
        mission: Box<str>,
    },
    /// It exploded.
    Exploded {
        /// Why, as the sender tells it.
        reason: Box<str>,
    },
}
