//! A validated message. How one is read from JSON stands in [`super::wire`].

use super::{Channel, Timestamp};

/// Highest message number, launch speed and speed change accepted.
pub const MAX_INTEGER: u64 = i64::MAX as u64;

/// Longest type, mission and explosion reason accepted, in bytes.
pub const MAX_TEXT_BYTES: usize = 256;

/// One message of one rocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub channel: Channel,
    pub report: Report,
}

/// What a rocket reported, without which rocket it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// 1 for a rocket's first message, without gaps from there on; at most
    /// [`MAX_INTEGER`].
    pub number: u64,
    pub time: Timestamp,
    pub event: Event,
}

/// What happened. Texts hold 1 to [`MAX_TEXT_BYTES`] bytes, and numbers are
/// between 0 and [`MAX_INTEGER`]. Speeds have no unit: the senders state none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Launched { rocket_type: Box<str>, speed: i64, mission: Box<str> },
    SpeedIncreased { by: i64 },
    SpeedDecreased { by: i64 },
    MissionChanged { mission: Box<str> },
    Exploded { reason: Box<str> },
}
