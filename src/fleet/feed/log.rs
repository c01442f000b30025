//! What was told of one partition to one lane, in order: of each rocket the latest,
//! within a bound of bytes. Subscribers read on from a place of their own, so that
//! one that is slow, or comes back, holds nothing up and costs no copy. Does not
//! own how it is written to them (`http/events`).

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use bytes::Bytes;

use super::changed::Changed;
use crate::fleet::query::Filter;
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
    /// What filters ask for; none of a rocket that is not there.
    traits: Option<Traits>,
}

#[derive(Debug)]
struct Traits {
    mission: Arc<str>,
    rocket_type: Arc<str>,
    status: Status,
}

impl Event {
    /// The event that tells of this change.
    #[must_use]
    pub fn of(changed: Changed) -> Self {
        match changed {
            Changed::Rocket(rocket) => Self::about(Name::Rocket, rocket),
            Changed::Exploded(rocket) => Self::about(Name::Explosion, rocket),
            Changed::Forgotten(id) => {
                let json = serde_json::json!({ "id": &*id.text() }).to_string();
                Self { name: Name::Forgotten, json: json.into(), id, traits: None }
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
        let RocketView { id, mission, rocket_type, status, .. } = rocket;
        let traits = Some(Traits { mission, rocket_type, status });
        Self { name, json: json.into(), id, traits }
    }

    /// Which rocket it is about.
    #[must_use]
    pub fn id(&self) -> &Channel {
        &self.id
    }

    /// Whether conditions but that of the ID let it through.
    #[must_use]
    pub fn passes(&self, filter: &Filter) -> bool {
        self.traits.as_ref().is_none_or(|Traits { mission, rocket_type, status }| {
            filter.admits(rocket_type, mission, *status)
        })
    }

    fn bytes(&self) -> usize {
        self.json.len() + OVERHEAD
    }
}

/// How far a subscriber has read: the last count that it saw, of what goes first
/// and of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    urgent: u64,
    rest: u64,
}

impl Place {
    /// Where everything up to `count` was read.
    #[must_use]
    pub fn at(count: u64) -> Self {
        Self { urgent: count, rest: count }
    }

    /// The count up to which everything was read.
    #[must_use]
    pub fn count(self) -> u64 {
        self.urgent.min(self.rest)
    }
}

/// Something between the place and the log's end is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

/// What of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Explosions, and what was forgotten.
    Urgent,
    /// Rockets.
    Rest,
}

/// See the module.
#[derive(Debug)]
pub struct Log {
    /// Of the last event.
    last: u64,
    /// Of the last event that is not there any more for want of room.
    floor: u64,
    urgent: BTreeMap<u64, Arc<Event>>,
    rest: BTreeMap<u64, Arc<Event>>,
    /// The count of each rocket in `rest`.
    by_rocket: AHashMap<Channel, u64>,
    bytes: usize,
    most_bytes: usize,
}

impl Log {
    /// An empty one, for so many bytes.
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        Self {
            last: 0,
            floor: 0,
            urgent: BTreeMap::new(),
            rest: BTreeMap::new(),
            by_rocket: AHashMap::new(),
            bytes: 0,
            most_bytes,
        }
    }

    /// The end, as it is now.
    #[must_use]
    pub fn end(&self) -> Place {
        Place::at(self.last)
    }

    /// Whether one can read on from a place.
    #[must_use]
    pub fn has(&self, place: Place) -> bool {
        (self.floor..=self.last).contains(&place.count())
    }

    /// Adds an event, in the place of an older one about the same rocket.
    pub fn add(&mut self, event: Event) {
        self.last += 1;
        if let Some(older) = self.by_rocket.remove(&event.id)
            && let Some(older) = self.rest.remove(&older)
        {
            self.bytes -= older.bytes();
        }
        self.bytes += event.bytes();
        if event.name == Name::Rocket {
            self.by_rocket.insert(event.id.clone(), self.last);
            self.rest.insert(self.last, Arc::new(event));
        } else {
            self.urgent.insert(self.last, Arc::new(event));
        }
        while self.bytes > self.most_bytes {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let first = |part: &BTreeMap<u64, _>| part.first_key_value().map(|(count, _)| *count);
        let is_urgent = match (first(&self.urgent), first(&self.rest)) {
            (Some(urgent), Some(rest)) => urgent < rest,
            (urgent, _) => urgent.is_some(),
        };
        let part = if is_urgent { &mut self.urgent } else { &mut self.rest };
        let (count, event) = part.pop_first().expect("what is there takes bytes");
        if !is_urgent {
            self.by_rocket.remove(&event.id);
        }
        self.bytes -= event.bytes();
        self.floor = count;
    }

    /// Forgets everything: nobody can read on from where they were.
    pub fn begin_anew(&mut self) {
        let last = self.last + 1;
        *self = Self { last, floor: last, ..Self::new(self.most_bytes) };
    }

    /// Reads on from `place` and moves it, for as long as `take` takes what it is
    /// given.
    ///
    /// # Errors
    /// When what comes next is not there any more.
    pub fn read(
        &self,
        part: Part,
        place: &mut Place,
        mut take: impl FnMut(&Arc<Event>) -> bool,
    ) -> Result<(), Overrun> {
        if !self.has(*place) {
            return Err(Overrun);
        }
        let (events, from) = match part {
            Part::Urgent => (&self.urgent, &mut place.urgent),
            Part::Rest => (&self.rest, &mut place.rest),
        };
        for (count, event) in events.range(*from + 1..) {
            if !take(event) {
                return Ok(());
            }
            *from = *count;
        }
        *from = self.last;
        Ok(())
    }
}
