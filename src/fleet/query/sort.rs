//! The orders that rockets are listed in, and a rocket's place in one.

use std::cmp::Ordering;
use std::sync::Arc;

use super::facts::Facts;
use crate::telemetry::{Channel, Timestamp};

/// The order of rockets: by a field, then by ID, and all that from the end if
/// `descending`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sort {
    /// What is compared first.
    pub field: Field,
    /// Largest first, IDs too.
    pub descending: bool,
}

/// A field to sort by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Field {
    /// By the text of the ID.
    Id,
    /// By launch time, the order that partitions keep their rockets in.
    #[default]
    LaunchTime,
    /// By the time of the last applied message.
    LastUpdateTime,
    /// By the number of the last applied message.
    LastMessageNumber,
    /// By speed.
    Speed,
    /// By the text of the type.
    RocketType,
    /// By the text of the mission.
    Mission,
    /// By the name of the status: exploded before launched.
    Status,
    /// By the text of the reason; rockets that fly have none and come first.
    ExplosionReason,
    /// By the number of messages that wait for an earlier one.
    BufferedMessages,
}

/// A rocket's place in an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The value of the field that is sorted by.
    pub key: SortKey,
    /// Sets rockets with the same value apart.
    pub id: Channel,
}

/// The value that a rocket is sorted by. Positions in one order hold the same
/// variant throughout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SortKey {
    /// Sorts before any text.
    Nothing,
    /// Of fields that hold a time.
    Time(Timestamp),
    /// Of fields that hold a number, counts included.
    Number(i64),
    /// Of fields that hold a text, compared by its bytes.
    Text(Arc<str>),
}

impl Field {
    /// Every field with its name in the HTTP contract.
    pub const NAMES: [(&'static str, Self); 10] = [
        ("launch_time", Self::LaunchTime),
        ("id", Self::Id),
        ("last_update_time", Self::LastUpdateTime),
        ("last_message_number", Self::LastMessageNumber),
        ("speed", Self::Speed),
        ("rocket_type", Self::RocketType),
        ("mission", Self::Mission),
        ("status", Self::Status),
        ("explosion_reason", Self::ExplosionReason),
        ("buffered_messages", Self::BufferedMessages),
    ];
}

impl Field {
    /// Whether rockets are sorted by such a key when this is the field.
    #[must_use]
    pub fn holds(self, key: &SortKey) -> bool {
        match key {
            SortKey::Nothing => matches!(self, Self::Id | Self::ExplosionReason),
            SortKey::Time(_) => matches!(self, Self::LaunchTime | Self::LastUpdateTime),
            SortKey::Text(_) => {
                matches!(self, Self::RocketType | Self::Mission | Self::ExplosionReason)
            }
            SortKey::Number(_) => matches!(
                self,
                Self::LastMessageNumber | Self::Speed | Self::Status | Self::BufferedMessages
            ),
        }
    }
}

impl Sort {
    /// Compares two positions in this order.
    #[must_use]
    pub fn compare(self, a: &Position, b: &Position) -> Ordering {
        if self.descending { b.cmp(a) } else { a.cmp(b) }
    }

    /// Compares two rockets in this order, as their positions would be.
    #[must_use]
    pub fn compare_rockets(self, a: &impl Facts, b: &impl Facts) -> Ordering {
        let by_field = match self.field {
            Field::Id => Ordering::Equal,
            Field::LaunchTime => a.launch_time().cmp(&b.launch_time()),
            Field::LastUpdateTime => a.last_update_time().cmp(&b.last_update_time()),
            Field::LastMessageNumber => a.last_message_number().cmp(&b.last_message_number()),
            Field::Speed => a.speed().cmp(&b.speed()),
            Field::RocketType => a.rocket_type().cmp(b.rocket_type()),
            Field::Mission => a.mission().cmp(b.mission()),
            Field::Status => a.status().cmp(&b.status()),
            Field::ExplosionReason => a.explosion_reason().cmp(&b.explosion_reason()),
            Field::BufferedMessages => a.buffered_messages().cmp(&b.buffered_messages()),
        };
        let ordering = by_field.then_with(|| a.id().cmp(b.id()));
        if self.descending { ordering.reverse() } else { ordering }
    }

    /// Where a rocket stands in this order.
    #[must_use]
    pub fn position(self, rocket: &impl Facts) -> Position {
        Position { key: self.key(rocket), id: rocket.id().clone() }
    }

    fn key(self, rocket: &impl Facts) -> SortKey {
        let number = |n: u64| {
            let n = i64::try_from(n).expect("messages are numbered and counted below 2^63");
            SortKey::Number(n)
        };
        match self.field {
            Field::Id => SortKey::Nothing,
            Field::LaunchTime => SortKey::Time(rocket.launch_time()),
            Field::LastUpdateTime => SortKey::Time(rocket.last_update_time()),
            Field::LastMessageNumber => number(rocket.last_message_number()),
            Field::Speed => SortKey::Number(rocket.speed()),
            Field::RocketType => SortKey::Text(rocket.rocket_type().clone()),
            Field::Mission => SortKey::Text(rocket.mission().clone()),
            Field::Status => SortKey::Number(rocket.status() as i64),
            Field::ExplosionReason => {
                rocket.explosion_reason().cloned().map_or(SortKey::Nothing, SortKey::Text)
            }
            Field::BufferedMessages => number(rocket.buffered_messages() as u64),
        }
    }
}
