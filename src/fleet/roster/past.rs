//! The recent past of a rocket, as a reader gets it. Does not own what is kept of it
//! (`history`).

use super::Roster;
use crate::fleet::query::{History, Span};
use crate::fleet::view::Lookup;
use crate::telemetry::Channel;
use crate::telemetry::past::{FlightState, State};

impl Roster {
    /// The recent past of one rocket, as far as it is asked for.
    #[must_use]
    pub fn history(&self, channel: &Channel, span: &Span) -> History {
        let rocket = self.lookup(channel);
        let kept = self.history.as_ref().map(super::history::History::per_rocket);
        let mut entries = Vec::new();
        if let (Some(history), Lookup::Found(_)) = (&self.history, &rocket) {
            let slot = self.find(channel).expect("it was just found");
            let tracked = self.rockets.get(slot);
            let flight = tracked.rocket.flight.as_ref().map(|flight| FlightState {
                speed: flight.speed(),
                mission: self.vocabulary.missions.get(&flight.mission).clone(),
                explosion: flight
                    .explosion
                    .as_ref()
                    .map(|it| self.vocabulary.reasons.get(it).clone()),
            });
            let time = tracked.rocket.last_update_time.expect("its launch was applied");
            let after = State { number: tracked.reorder.next() - 1, time, flight };
            entries = history.entries(slot, after);
            span.apply(&mut entries);
        }
        History { rocket, kept, entries }
    }
}
