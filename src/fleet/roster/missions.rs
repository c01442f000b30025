//! What a roster knows of missions: which there are, and what is known of their
//! rockets. Does not own how either is kept (`telemetry/missions`).

use std::sync::Arc;

use super::Roster;
use super::slot::Slot;
use crate::fleet::query::{Figures, MissionRow};
use crate::telemetry::Caseless;
use crate::telemetry::mission_figures::{Repair, Summary};

impl Roster {
    /// Missions of launched rockets behind `after`, or from the first on, each
    /// once, sorted; at most `limit`.
    #[must_use]
    pub fn missions(&self, after: Option<&str>, limit: usize) -> Vec<Arc<str>> {
        self.vocabulary.missions.after(after).take(limit).cloned().collect()
    }

    /// The mission that launched rockets are on, as they spell it; of several
    /// spellings the one that sorts first.
    #[must_use]
    pub fn mission(&self, wanted: &Caseless) -> Option<Arc<str>> {
        self.vocabulary.missions.find(wanted).cloned()
    }

    /// Begins a walk over all slots that finds out which speeds of missions are the
    /// lowest and the highest; `None` if all of them are known.
    pub fn begin_repair(&mut self) -> Option<Repair> {
        self.vocabulary.missions.begin_repair()
    }

    /// The walk comes by a slot.
    pub fn see_speed(&mut self, slot: Slot) {
        if let Some(flight) = &self.rockets.get(slot).rocket.flight {
            self.vocabulary.missions.see(&flight.mission, flight.speed());
        }
    }

    /// What is known of the rockets on a mission, after the walk if there was one.
    pub fn mission_row(&mut self, mission: Arc<str>, repair: Option<&Repair>) -> MissionRow {
        let summary = self.vocabulary.missions.summary(&mission, repair);
        let (rockets, Summary { exploded, sum, lowest, highest }) =
            summary.expect("it was just found among those in use");
        let (rockets, exploded) = (rockets.into(), exploded.into());
        let figures = Figures { rockets, exploded, sum, lowest, highest };
        MissionRow { mission, figures }
    }

    /// The walk is over, and so is what it was for.
    pub fn end_repair(&mut self, repair: &Repair) {
        self.vocabulary.missions.end_repair(repair);
    }
}
