//! A launched rocket where it stands, for a walk that looks at very many and keeps few:
//! nothing is copied, and its texts are looked up only if they are asked for. Does not
//! own what it is compared with (`query/sort`, `query/filter`).

use std::sync::Arc;

use super::Roster;
use super::slot::Slot;
use super::tracked::Tracked;
use crate::fleet::query::{Facts, Filter, Traits};
use crate::fleet::view::{RocketView, Status};
use crate::telemetry::rocket::{Flight, Vocabulary};
use crate::telemetry::{Channel, Timestamp};

/// See the module.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    slot: Slot,
    tracked: &'a Tracked,
    flight: &'a Flight,
    vocabulary: &'a Vocabulary,
}

impl Roster {
    /// The rocket at `slot`, if it was launched.
    #[must_use]
    pub fn candidate(&self, slot: Slot) -> Option<Candidate<'_>> {
        let tracked = self.rockets.get(slot);
        let flight = tracked.rocket.flight.as_ref()?;
        Some(Candidate { slot, tracked, flight, vocabulary: &self.vocabulary })
    }

    /// What readers see of it.
    #[must_use]
    pub fn view_of(&self, candidate: &Candidate<'_>) -> RocketView {
        let &Candidate { slot, tracked: Tracked { channel, reorder, rocket, .. }, .. } = candidate;
        let view = RocketView::of(channel, reorder, rocket, &self.vocabulary);
        let view = view.expect("a candidate was launched");
        RocketView { conflicts: self.conflicts.of(slot), ..view }
    }

    /// The rocket at `slot` as a reader sees it; `None` before its launch.
    #[must_use]
    pub fn view(&self, slot: Slot) -> Option<RocketView> {
        self.candidate(slot).map(|candidate| self.view_of(&candidate))
    }

    /// As [`Roster::view`], but only of a rocket that `filter` admits.
    #[must_use]
    pub fn view_if(&self, slot: Slot, filter: &Filter) -> Option<RocketView> {
        let candidate = self.candidate(slot).filter(|candidate| filter.admits(candidate))?;
        Some(self.view_of(&candidate))
    }
}

impl Traits for Candidate<'_> {
    fn id(&self) -> &Channel {
        &self.tracked.channel
    }

    fn rocket_type(&self) -> &Arc<str> {
        self.vocabulary.types.get(&self.flight.rocket_type)
    }

    fn mission(&self) -> &Arc<str> {
        self.vocabulary.missions.get(&self.flight.mission)
    }

    fn status(&self) -> Status {
        Status::of(self.flight)
    }

    fn waits(&self) -> bool {
        self.buffered_messages() > 0
    }
}

impl Facts for Candidate<'_> {
    fn launch_time(&self) -> Timestamp {
        self.flight.launch_time
    }

    fn last_update_time(&self) -> Timestamp {
        self.tracked.rocket.last_update_time.expect("its launch was applied")
    }

    fn last_message_number(&self) -> u64 {
        self.tracked.reorder.next() - 1
    }

    fn speed(&self) -> i64 {
        self.flight.speed()
    }

    fn explosion_reason(&self) -> Option<&Arc<str>> {
        self.flight.explosion.as_ref().map(|reason| self.vocabulary.reasons.get(reason))
    }

    fn buffered_messages(&self) -> usize {
        self.tracked.reorder.buffered()
    }
}
