//! Conditions on rockets, for listings of whatever order.

use crate::fleet::view::Status;
use crate::telemetry::{Caseless, Channel};

/// Conditions that all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The rocket has exactly this ID.
    pub id: Option<Channel>,
    /// The rocket's ID begins with this text.
    pub id_prefix: Option<Channel>,
    /// The rocket is on all of these, so two different ones match none.
    pub missions: Vec<Caseless>,
    /// The rocket is of this type.
    pub rocket_type: Option<Caseless>,
    /// The rocket has this status.
    pub status: Option<Status>,
    /// Whether messages of the rocket wait for an earlier one.
    pub waiting: Option<bool>,
}

impl Filter {
    /// Whether every rocket passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether there is no condition that only a launched rocket can meet.
    #[must_use]
    pub fn admits_unlaunched(&self) -> bool {
        let Self { id: _, id_prefix: _, missions, rocket_type, status, waiting: _ } = self;
        missions.is_empty() && rocket_type.is_none() && status.is_none()
    }

    /// Whether there is no condition but one on how the ID begins.
    #[must_use]
    pub fn asks_for_prefix_at_most(&self) -> bool {
        let Self { id, id_prefix: _, missions, rocket_type, status, waiting } = self;
        let by_text = missions.is_empty() && rocket_type.is_none();
        id.is_none() && by_text && status.is_none() && waiting.is_none()
    }

    /// Whether a rocket's ID begins as it must.
    #[must_use]
    pub fn admits_id(&self, id: &Channel) -> bool {
        self.id_prefix.as_ref().is_none_or(|prefix| id.begins_with(prefix))
    }

    /// Whether a rocket that waits, or does not, may be among them.
    #[must_use]
    pub fn admits_wait(&self, waits: bool) -> bool {
        self.waiting.is_none_or(|wanted| wanted == waits)
    }

    /// Whether a rocket meets every other condition; by its whole ID it was found.
    #[must_use]
    pub fn admits(&self, rocket_type: &str, mission: &str, status: Status) -> bool {
        self.status.is_none_or(|wanted| wanted == status)
            && self.rocket_type.as_ref().is_none_or(|wanted| wanted.matches(rocket_type))
            && self.missions.iter().all(|wanted| wanted.matches(mission))
    }
}
