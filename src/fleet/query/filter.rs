//! Conditions on rockets, for listings of whatever order.

use super::facts::Traits;
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

    /// Whether a rocket that waits and was not launched meets every condition but that
    /// of its whole ID: there is none that only a launched one can meet.
    #[must_use]
    pub fn admits_unlaunched(&self, id: &Channel) -> bool {
        let Self { id: _, id_prefix: _, missions, rocket_type, status, waiting } = self;
        let by_text = missions.is_empty() && rocket_type.is_none();
        by_text && status.is_none() && *waiting != Some(false) && self.admits_id(id)
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

    /// Whether a rocket meets every condition but that of its whole ID, by which it was
    /// found. What is looked up for it is looked at last.
    #[must_use]
    pub fn admits(&self, rocket: &impl Traits) -> bool {
        let Self { id: _, id_prefix: _, missions, rocket_type, status, waiting } = self;
        waiting.is_none_or(|wanted| wanted == rocket.waits())
            && status.is_none_or(|wanted| wanted == rocket.status())
            && self.admits_id(rocket.id())
            && rocket_type.as_ref().is_none_or(|wanted| wanted.matches(rocket.rocket_type()))
            && missions.iter().all(|wanted| wanted.matches(rocket.mission()))
    }
}
