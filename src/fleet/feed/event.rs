//! What is told of one rocket, encoded once for all who get it, and who gets it. Does
//! not own in which order it is kept (`log`).

use std::sync::Arc;

use bytes::Bytes;

use super::changed::{Changed, Turned};
use crate::fleet::query::{Filter, Traits};
use crate::fleet::view::{RocketView, Status};
use crate::telemetry::Channel;

/// What an entry takes beside its JSON, about.
const OVERHEAD: usize = 250;

/// Which event it is, with its name in the HTTP contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// A rocket as it is now.
    Rocket,
    /// The same, when it exploded.
    Explosion,
    /// A rocket that is not there any more.
    Forgotten,
}

impl Name {
    /// As the contract has it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Rocket => "rocket",
            Self::Explosion => "explosion",
            Self::Forgotten => "forgotten",
        }
    }
}

/// One event, encoded once for all who get it.
#[derive(Debug)]
pub struct Event {
    /// Which one.
    pub name: Name,
    /// Its JSON.
    pub json: Bytes,
    id: Channel,
    turned: Turned,
    /// What filters ask for; none of a rocket that is not there.
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    mission: Arc<str>,
    rocket_type: Arc<str>,
    status: Status,
    waits: bool,
}

/// An event about a rocket that is there.
struct Present<'a> {
    id: &'a Channel,
    known: &'a Known,
}

impl Traits for Present<'_> {
    fn id(&self) -> &Channel {
        self.id
    }

    fn rocket_type(&self) -> &Arc<str> {
        &self.known.rocket_type
    }

    fn mission(&self) -> &Arc<str> {
        &self.known.mission
    }

    fn status(&self) -> Status {
        self.known.status
    }

    fn waits(&self) -> bool {
        self.known.waits
    }
}

impl Event {
    /// The event that tells of this change.
    #[must_use]
    pub fn of(changed: Changed) -> Self {
        match changed {
            Changed::Rocket { rocket, exploded, turned } => {
                let name = if exploded { Name::Explosion } else { Name::Rocket };
                Self { turned, ..Self::about(name, rocket) }
            }
            Changed::Forgotten(id) => {
                let json = serde_json::json!({ "id": &*id.text() }).to_string();
                let turned = Turned::default();
                Self { name: Name::Forgotten, json: json.into(), id, turned, known: None }
            }
        }
    }

    fn about(name: Name, rocket: RocketView) -> Self {
        let version = rocket.version();
        let mut json = serde_json::to_string(&rocket)
            .expect("a rocket is texts, numbers and times, which always serialise");
        json.pop();
        json.push_str(",\"version\":");
        json.push_str(&version.to_string());
        json.push('}');
        let waits = rocket.waits();
        let RocketView { id, mission, rocket_type, status, .. } = rocket;
        let known = Some(Known { mission, rocket_type, status, waits });
        Self { name, json: json.into(), id, turned: Turned::default(), known }
    }

    /// Which rocket it is about.
    #[must_use]
    pub fn id(&self) -> &Channel {
        &self.id
    }

    /// Whether conditions but that of the whole ID let it through.
    #[must_use]
    pub fn passes(&self, conditions: &Conditions) -> bool {
        let filter = conditions.of(self.turned, self.name == Name::Explosion);
        match &self.known {
            Some(known) => filter.admits(&Present { id: &self.id, known }),
            // Whatever it was like before.
            None => filter.admits_id(&self.id),
        }
    }

    /// Whether it may have ceased to match, and so has to be told whatever comes after.
    #[must_use]
    pub fn has_turned(&self) -> bool {
        self.turned.any()
    }

    /// What it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.json.len() + OVERHEAD
    }
}

/// What a subscriber asks of rockets. One that has ceased to meet it with this very
/// change is told of all the same.
#[derive(Debug)]
pub struct Conditions([Filter; 8]);

impl Conditions {
    /// Those of a filter, whose whole ID does not count.
    #[must_use]
    pub fn new(filter: &Filter) -> Self {
        Self(std::array::from_fn(|at| {
            let (moved, waits, exploded) = (at & 1 > 0, at & 2 > 0, at & 4 > 0);
            let mut filter = Filter { id: None, ..filter.clone() };
            if moved {
                filter.missions.clear();
            }
            if waits {
                filter.waiting = None;
            }
            if exploded {
                filter.status = filter.status.filter(|status| *status == Status::Exploded);
            }
            filter
        }))
    }

    fn of(&self, turned: Turned, exploded: bool) -> &Filter {
        let Turned { moved, waits } = turned;
        &self.0[usize::from(moved) + 2 * usize::from(waits) + 4 * usize::from(exploded)]
    }
}

/// A rocket that flies.
#[cfg(test)]
pub(super) fn rocket(id: &str, speed: i64) -> RocketView {
    RocketView {
        id: Channel::parse(id).unwrap(),
        launch_time: crate::telemetry::Timestamp::EPOCH,
        last_update_time: crate::telemetry::Timestamp::EPOCH,
        last_message_number: 3,
        speed,
        rocket_type: "Falcon-9".into(),
        mission: "ARTEMIS".into(),
        status: Status::Launched,
        explosion_reason: None,
        buffered_messages: 2,
        lost_messages: 0,
        conflicts: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_filters_by_what_waits_hears_of_what_has_ceased_to() {
        let told = |waiting, buffered_messages, waits| {
            let filter = Filter {
                waiting: Some(waiting),
                id_prefix: Some(Channel::parse("ab").unwrap()),
                ..Filter::default()
            };
            ["abc", "b"].map(|id| {
                let rocket = RocketView { buffered_messages, ..rocket(id, 1) };
                let turned = Turned { moved: false, waits };
                let event = Event::of(Changed::Rocket { rocket, exploded: false, turned });
                event.passes(&Conditions::new(&filter))
            })
        };
        assert_eq!([told(true, 1, false), told(true, 0, false)], [[true, false], [false; 2]]);
        assert_eq!([told(false, 1, false), told(false, 0, false)], [[false; 2], [true, false]]);
        assert_eq!([told(true, 0, true), told(false, 1, true)], [[true, false]; 2]);
        let filter = Filter { id_prefix: Some(Channel::parse("a").unwrap()), ..Filter::default() };
        let forgotten = |id| Event::of(Changed::Forgotten(Channel::parse(id).unwrap()));
        let passes = ["a", "ab", "b"].map(|id| forgotten(id).passes(&Conditions::new(&filter)));
        assert_eq!(passes, [true, true, false]);
    }

    #[test]
    fn the_version_stands_beside_the_rocket() {
        let rocket = rocket("a", 1);
        let event =
            Event::of(Changed::Rocket { rocket, exploded: false, turned: Turned::default() });
        let json: serde_json::Value = serde_json::from_slice(&event.json).unwrap();
        assert_eq!((&json["version"], &json["id"]), (&5.into(), &"a".into()));
    }
}
