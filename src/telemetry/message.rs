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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

/// What kind of message it is, without what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Event::Launched`].
    Launched,
    /// [`Event::SpeedIncreased`].
    SpeedIncreased,
    /// [`Event::SpeedDecreased`].
    SpeedDecreased,
    /// [`Event::MissionChanged`].
    MissionChanged,
    /// [`Event::Exploded`].
    Exploded,
}

impl Kind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Launched,
        Self::SpeedIncreased,
        Self::SpeedDecreased,
        Self::MissionChanged,
        Self::Exploded,
    ];

    /// The message type that senders give.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Launched => "RocketLaunched",
            Self::SpeedIncreased => "RocketSpeedIncreased",
            Self::SpeedDecreased => "RocketSpeedDecreased",
            Self::MissionChanged => "RocketMissionChanged",
            Self::Exploded => "RocketExploded",
        }
    }
}

impl Event {
    /// What kind it is of.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Launched { .. } => Kind::Launched,
            Self::SpeedIncreased { .. } => Kind::SpeedIncreased,
            Self::SpeedDecreased { .. } => Kind::SpeedDecreased,
            Self::MissionChanged { .. } => Kind::MissionChanged,
            Self::Exploded { .. } => Kind::Exploded,
        }
    }
}
