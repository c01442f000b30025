//! A rocket as a reader sees it: a cheap snapshot that outlives the moment.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::telemetry::lost::Lost;
use crate::telemetry::reorder::Reorder;
use crate::telemetry::rocket::{Flight, FlightSnapshot, Rocket, Vocabulary};
use crate::telemetry::{Channel, Timestamp};

/// One launched rocket, as it was when its worker was asked. Serialises to the
/// JSON object of the HTTP contract.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Rocket)]
pub struct RocketView {
    /// The channel that its messages came on.
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    pub id: Channel,
    /// The time of its launch message.
    #[schema(value_type = String, format = DateTime)]
    pub launch_time: Timestamp,
    /// The time of the last message that was applied; it may be before the launch
    /// time, since senders' clocks are taken as they are.
    #[schema(value_type = String, format = DateTime)]
    pub last_update_time: Timestamp,
    /// The number of the last message that was applied: all up to it were, but
    /// those that were declared lost.
    pub last_message_number: u64,
    /// In the sender's unit; may be negative.
    pub speed: i64,
    /// As its launch message had it.
    #[schema(value_type = String)]
    pub rocket_type: Arc<str>,
    /// The last that it was given.
    #[schema(value_type = String)]
    pub mission: Arc<str>,
    /// Whether it still flies.
    pub status: Status,
    /// Why it exploded, from the first message that said so; nothing while it flies.
    #[schema(value_type = Option<String>, required)]
    pub explosion_reason: Option<Arc<str>>,
    /// Messages that wait for an earlier one.
    pub buffered_messages: u32,
    /// Messages that are not waited for any more.
    pub lost_messages: u64,
    /// Repeats since the start of the service that said something else than what
    /// they repeated, as far as that is known.
    pub conflicts: u32,
}

impl RocketView {
    /// The rocket on `channel`, without conflicts; `None` before its launch.
    #[must_use]
    pub fn of(
        channel: &Channel,
        reorder: &Reorder,
        rocket: &Rocket,
        vocabulary: &Vocabulary,
    ) -> Option<Self> {
        let flight = rocket.flight.as_ref()?;
        let status = Status::of(flight);
        let FlightSnapshot { launch_time, speed, rocket_type, mission, explosion_reason } =
            flight.snapshot(vocabulary);
        Some(Self {
            id: channel.clone(),
            launch_time,
            last_update_time: rocket.last_update_time.expect("its launch was applied"),
            last_message_number: reorder.next() - 1,
            speed,
            rocket_type,
            mission,
            status,
            explosion_reason,
            buffered_messages: u32::try_from(reorder.buffered())
                .expect("a row of the journal holds fewer"),
            lost_messages: reorder.lost().map_or(0, Lost::count),
            conflicts: 0,
        })
    }
}

impl RocketView {
    /// Goes up with every change of the rocket, until it is forgotten.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.last_message_number + u64::from(self.buffered_messages)
    }
}

/// What tells whether anything came of a rocket since: everything that comes raises
/// one of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The number of the last message that was applied.
    pub last: u64,
    /// Messages that waited.
    pub buffered: u32,
}

impl Seen {
    /// What was seen of a rocket when it was shown so.
    #[must_use]
    pub fn of(view: &RocketView) -> Self {
        Self { last: view.last_message_number, buffered: view.buffered_messages }
    }
}

/// An exploded rocket of which nothing was heard for long.
#[derive(Clone, Debug)]
pub struct Silent {
    /// As it is.
    pub rocket: RocketView,
    /// When something was heard of it last, by the service's clock.
    pub since: Timestamp,
}

/// One rocket that waits for a missing message. Serialises to the JSON object of
/// the HTTP contract.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Gap)]
pub struct GapView {
    /// The channel that its messages came on.
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    pub id: Channel,
    /// The number that it waits for: all before it were applied.
    pub awaited_message_number: u64,
    /// The highest number that came.
    pub highest_message_number: u64,
    /// Messages that wait.
    pub buffered_messages: usize,
    /// Since when it waits for this number with messages behind it, by the
    /// service's clock.
    #[schema(value_type = String, format = DateTime)]
    pub waiting_since: Timestamp,
    /// Whether nothing was applied yet, so that it is its first message that is
    /// missing, which is to be its launch.
    pub launch_missing: bool,
}

impl GapView {
    /// What the rocket on `channel` waits for; `None` if for nothing.
    #[must_use]
    pub fn of(channel: &Channel, reorder: &Reorder) -> Option<Self> {
        Some(Self {
            id: channel.clone(),
            awaited_message_number: reorder.next(),
            highest_message_number: reorder.highest()?,
            buffered_messages: reorder.buffered(),
            waiting_since: reorder.waiting_since()?,
            launch_missing: reorder.next() == 1,
        })
    }
}

/// Whether a rocket still flies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
pub enum Status {
    /// An explosion was applied.
    Exploded,
    /// The launch was applied, and no explosion.
    Launched,
}

impl Status {
    /// The status of a rocket that was launched.
    #[must_use]
    pub fn of(flight: &Flight) -> Self {
        if flight.explosion.is_some() { Self::Exploded } else { Self::Launched }
    }

    /// Every status with its name in the HTTP contract, sorted by name.
    pub const NAMES: [(&'static str, Self); 2] =
        [("Exploded", Self::Exploded), ("Launched", Self::Launched)];
}

/// What is known of one channel.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// It was launched.
    Found(Box<RocketView>),
    /// Messages came, but the launch has not been applied.
    NotLaunched {
        /// How many of them wait for an earlier one.
        buffered_messages: usize,
        /// How many are not waited for any more.
        lost_messages: u64,
    },
    /// No message was accepted on it.
    Unknown,
}
