//! One rocket's state, and what each message makes of it.
//!
//! | message | before launch | launched | exploded |
//! |---|---|---|---|
//! | launched | becomes launched | anomaly, no change | anomaly, no change |
//! | speed changed | anomaly, no change | speed ± by | speed ± by, anomaly |
//! | mission changed | anomaly, no change | new mission | new mission, anomaly |
//! | exploded | anomaly, no change | becomes exploded | anomaly, first reason stays |
//!
//! Every message that is applied moves the rocket's clock, anomalies too: they
//! must never leave a gap that stalls the rocket.

use std::sync::Arc;

use super::interner::{Interner, Symbol};
use super::missions::Missions;
use super::{Event, Report, Timestamp};

/// The texts that rockets refer to. Missions are those of launched rockets.
#[derive(Default)]
pub struct Vocabulary {
    /// Rocket types.
    pub types: Interner,
    /// Missions that a rocket is on now.
    pub missions: Missions,
    /// Why rockets exploded.
    pub reasons: Interner,
}

/// One rocket, as far as its messages were applied.
#[derive(Debug, Default)]
pub struct Rocket {
    /// Time of the last message that was applied; `None` before the first.
    pub last_update_time: Option<Timestamp>,
    /// `None` until the launch is applied.
    pub flight: Option<Flight>,
}

/// What is known of a rocket once it was launched.
#[derive(Debug)]
pub struct Flight {
    /// The time of its launch message.
    pub launch_time: Timestamp,
    /// An `i64` without its alignment, which would cost each rocket eight bytes.
    speed: [u8; 8],
    /// Among [`Vocabulary::types`].
    pub rocket_type: Symbol,
    /// Among [`Vocabulary::missions`]; the last that it was given.
    pub mission: Symbol,
    /// Why the rocket exploded; `None` while it has not.
    pub explosion: Option<Symbol>,
}

/// A [`Flight`] that stands for itself: with its texts, apart from any
/// [`Vocabulary`]. What readers see and a checkpoint stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightSnapshot {
    /// The time of its launch message.
    pub launch_time: Timestamp,
    /// As [`Flight::speed`].
    pub speed: i64,
    /// As its launch message had it.
    pub rocket_type: Arc<str>,
    /// The last that it was given.
    pub mission: Arc<str>,
    /// Why it exploded; `None` while it has not.
    pub explosion_reason: Option<Arc<str>>,
}

/// What applying a message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The rocket came into being.
    Launched,
    /// The rocket changed as expected.
    Updated,
    /// The message made no sense; the table above says what it did all the same.
    Anomaly(Anomaly),
}

/// Why a message made no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// It came before the launch in the order of numbers, and was not a launch.
    BeforeLaunch,
    /// It launches what was launched already.
    LaunchedAgain,
    /// It is about what has exploded.
    AfterExplosion,
    /// The speed left the range of 64 bits and stays at its end.
    SpeedSaturated,
}

impl Rocket {
    /// Applies the rocket's next message.
    pub fn apply(&mut self, report: Report, vocabulary: &mut Vocabulary) -> Effect {
        self.last_update_time = Some(report.time);
        match (report.event, &mut self.flight) {
            (Event::Launched { rocket_type, speed, mission }, flight @ None) => {
                *flight = Some(Flight {
                    launch_time: report.time,
                    speed: speed.to_ne_bytes(),
                    rocket_type: vocabulary.types.acquire(&rocket_type),
                    mission: vocabulary.missions.join(&mission, speed, false),
                    explosion: None,
                });
                Effect::Launched
            }
            (Event::Launched { .. }, Some(_)) => Effect::Anomaly(Anomaly::LaunchedAgain),
            (_, None) => Effect::Anomaly(Anomaly::BeforeLaunch),
            (event, Some(flight)) => flight.apply(event, vocabulary),
        }
    }
}

impl Flight {
    /// In the sender's unit. May be negative: what the rocket reports is what
    /// is shown.
    #[must_use]
    pub fn speed(&self) -> i64 {
        i64::from_ne_bytes(self.speed)
    }

    /// A copy with its texts. Cheap: they are shared.
    #[must_use]
    pub fn snapshot(&self, vocabulary: &Vocabulary) -> FlightSnapshot {
        let Self { launch_time, speed: _, rocket_type, mission, explosion } = self;
        FlightSnapshot {
            launch_time: *launch_time,
            speed: self.speed(),
            rocket_type: vocabulary.types.get(rocket_type).clone(),
            mission: vocabulary.missions.get(mission).clone(),
            explosion_reason: explosion.as_ref().map(|text| vocabulary.reasons.get(text).clone()),
        }
    }

    /// The flight that a snapshot was made of, in this vocabulary.
    #[must_use]
    pub fn restore(snapshot: &FlightSnapshot, vocabulary: &mut Vocabulary) -> Self {
        let FlightSnapshot { launch_time, speed, rocket_type, mission, explosion_reason } =
            snapshot;
        Self {
            launch_time: *launch_time,
            speed: speed.to_ne_bytes(),
            rocket_type: vocabulary.types.acquire(rocket_type),
            mission: vocabulary.missions.join(mission, *speed, explosion_reason.is_some()),
            explosion: explosion_reason.as_ref().map(|text| vocabulary.reasons.acquire(text)),
        }
    }

    /// Gives back the texts of a flight that is gone, to the vocabulary that it had
    /// them from.
    pub fn release(self, vocabulary: &mut Vocabulary) {
        let speed = self.speed();
        vocabulary.types.release(self.rocket_type);
        vocabulary.missions.leave(self.mission, speed, self.explosion.is_some());
        if let Some(reason) = self.explosion {
            vocabulary.reasons.release(reason);
        }
    }

    fn apply(&mut self, event: Event, vocabulary: &mut Vocabulary) -> Effect {
        let (speed, exploded) = (self.speed(), self.explosion.is_some());
        let missions = &mut vocabulary.missions;
        let in_range = match event {
            Event::SpeedIncreased { by } => {
                self.change_speed(speed.checked_add(by), i64::MAX, missions)
            }
            Event::SpeedDecreased { by } => {
                self.change_speed(speed.checked_sub(by), i64::MIN, missions)
            }
            Event::MissionChanged { mission } => {
                let mission = missions.join(&mission, speed, exploded);
                let before = std::mem::replace(&mut self.mission, mission);
                missions.leave(before, speed, exploded);
                true
            }
            Event::Exploded { reason } => {
                if !exploded {
                    missions.explode(&self.mission);
                    self.explosion = Some(vocabulary.reasons.acquire(&reason));
                }
                true
            }
            Event::Launched { .. } => unreachable!("a rocket deals with launches itself"),
        };
        match (exploded, in_range) {
            (true, _) => Effect::Anomaly(Anomaly::AfterExplosion),
            (false, false) => Effect::Anomaly(Anomaly::SpeedSaturated),
            (false, true) => Effect::Updated,
        }
    }

    /// Sets the speed; `limit` takes the place of one that is out of range.
    fn change_speed(&mut self, speed: Option<i64>, limit: i64, missions: &mut Missions) -> bool {
        let (from, to) = (self.speed(), speed.unwrap_or(limit));
        self.speed = to.to_ne_bytes();
        missions.change_speed(&self.mission, from, to);
        speed.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u32) -> Timestamp {
        Timestamp::from_unix(i64::from(second), 0).unwrap()
    }

    fn launch() -> Event {
        Event::Launched { rocket_type: "Falcon-9".into(), speed: 500, mission: "ARTEMIS".into() }
    }

    fn mission(text: &str) -> Event {
        Event::MissionChanged { mission: text.into() }
    }

    fn exploded(reason: &str) -> Event {
        Event::Exploded { reason: reason.into() }
    }

    /// The fold of `events`, one a second: the last effect, then speed,
    /// mission and reason of the rocket.
    fn fold(events: Vec<Event>) -> (Effect, Option<(i64, String, Option<String>)>) {
        let mut vocabulary = Vocabulary::default();
        let mut rocket = Rocket::default();
        let mut effect = Effect::Updated;
        for (second, event) in (1..).zip(events) {
            let report = Report { number: u64::from(second), time: at(second), event };
            effect = rocket.apply(report, &mut vocabulary);
            assert_eq!(rocket.last_update_time, Some(at(second)));
        }
        let state = rocket.flight.map(|flight| {
            let speed = flight.speed();
            let mission = vocabulary.missions.get(&flight.mission).to_string();
            let reason = flight.explosion.map(|reason| vocabulary.reasons.get(&reason).to_string());
            (speed, mission, reason)
        });
        (effect, state)
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with what `fold` returns")]
    fn state(
        speed: i64,
        mission: &str,
        reason: Option<&str>,
    ) -> Option<(i64, String, Option<String>)> {
        Some((speed, mission.to_owned(), reason.map(ToOwned::to_owned)))
    }

    #[test]
    fn before_the_launch_everything_else_is_an_anomaly_without_effect() {
        for event in [
            Event::SpeedIncreased { by: 1 },
            Event::SpeedDecreased { by: 1 },
            mission("X"),
            exploded("X"),
        ] {
            assert_eq!(fold(vec![event.clone()]), (Effect::Anomaly(Anomaly::BeforeLaunch), None));
            assert_eq!(
                fold(vec![event, launch()]),
                (Effect::Launched, state(500, "ARTEMIS", None))
            );
        }
    }

    #[test]
    fn a_launched_rocket_changes_as_it_reports() {
        let updated = Effect::Updated;
        assert_eq!(fold(vec![launch()]), (Effect::Launched, state(500, "ARTEMIS", None)));
        assert_eq!(
            fold(vec![launch(), Event::SpeedIncreased { by: 7 }]),
            (updated, state(507, "ARTEMIS", None))
        );
        assert_eq!(
            fold(vec![launch(), Event::SpeedDecreased { by: 700 }]),
            (updated, state(-200, "ARTEMIS", None))
        );
        assert_eq!(fold(vec![launch(), mission("APOLLO")]), (updated, state(500, "APOLLO", None)));
        assert_eq!(
            fold(vec![launch(), exploded("O")]),
            (updated, state(500, "ARTEMIS", Some("O")))
        );
        let again = Event::Launched { rocket_type: "X".into(), speed: 9, mission: "X".into() };
        assert_eq!(
            fold(vec![launch(), again]),
            (Effect::Anomaly(Anomaly::LaunchedAgain), state(500, "ARTEMIS", None))
        );
    }

    #[test]
    fn after_an_explosion_changes_still_count_but_are_anomalies() {
        let after = Effect::Anomaly(Anomaly::AfterExplosion);
        let start = || vec![launch(), exploded("FIRST")];
        let with = |event| fold(start().into_iter().chain([event]).collect());
        assert_eq!(
            with(Event::SpeedIncreased { by: 7 }),
            (after, state(507, "ARTEMIS", Some("FIRST")))
        );
        assert_eq!(
            with(Event::SpeedDecreased { by: 7 }),
            (after, state(493, "ARTEMIS", Some("FIRST")))
        );
        assert_eq!(with(mission("APOLLO")), (after, state(500, "APOLLO", Some("FIRST"))));
        assert_eq!(with(exploded("SECOND")), (after, state(500, "ARTEMIS", Some("FIRST"))));
        assert_eq!(
            with(launch()),
            (Effect::Anomaly(Anomaly::LaunchedAgain), state(500, "ARTEMIS", Some("FIRST")))
        );
    }

    #[test]
    fn speed_saturates_at_both_ends() {
        let saturated = Effect::Anomaly(Anomaly::SpeedSaturated);
        let most = || Event::SpeedIncreased { by: i64::MAX };
        let least = || Event::SpeedDecreased { by: i64::MAX };
        assert_eq!(fold(vec![launch(), most()]), (saturated, state(i64::MAX, "ARTEMIS", None)));
        assert_eq!(
            fold(vec![launch(), least(), least()]),
            (saturated, state(i64::MIN, "ARTEMIS", None))
        );
    }
}
