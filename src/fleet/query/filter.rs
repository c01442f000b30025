//! Conditions on rockets, for listings of whatever order.

use crate::fleet::view::Status;
use crate::telemetry::{Caseless, Channel};

/// Conditions that all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The rocket has exactly this ID.
    pub id: Option<Channel>,
    /// The rocket is on all of these, so two different ones match none.
    pub missions: Vec<Caseless>,
    /// The rocket is of this type.
    pub rocket_type: Option<Caseless>,
    /// The rocket has this status.
    pub status: Option<Status>,
}

impl Filter {
    /// Whether every rocket passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether there is no condition that only a launched rocket can meet.
    #[must_use]
    pub fn asks_for_id_at_most(&self) -> bool {
        let Self { id: _, missions, rocket_type, status } = self;
        missions.is_empty() && rocket_type.is_none() && status.is_none()
    }

    /// Whether a rocket meets every condition but that of its ID, by which it was
    /// found.
    #[must_use]
    pub fn admits(&self, rocket_type: &str, mission: &str, status: Status) -> bool {
        self.status.is_none_or(|wanted| wanted == status)
            && self.rocket_type.as_ref().is_none_or(|wanted| wanted.matches(rocket_type))
            && self.missions.iter().all(|wanted| wanted.matches(mission))
    }
}
