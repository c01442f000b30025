//! What was told of one partition to one lane, in order: of each rocket the latest,
//! within a bound of bytes. Subscribers read on from a place of their own, so that
//! one that is slow, or comes back, holds nothing up and costs no copy. Does not
//! own how it is written to them (`http/events`).

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;

use super::event::{Event, Name};
use crate::telemetry::Channel;

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
    /// What has to be told even if more is to be told of the rocket since: explosions,
    /// what has turned, and what was forgotten.
    Urgent,
    /// Rockets, of each the latest.
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

    /// Adds an event, in the place of an older one about the same rocket, unless that
    /// one has to be told all the same.
    pub fn add(&mut self, event: Event) {
        self.last += 1;
        if let Some(older) = self.by_rocket.remove(event.id())
            && let Some(older) = self.rest.remove(&older)
        {
            self.bytes -= older.bytes();
        }
        self.bytes += event.bytes();
        if event.name == Name::Rocket && !event.has_turned() {
            self.by_rocket.insert(event.id().clone(), self.last);
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
            self.by_rocket.remove(event.id());
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
    /// given. The rest goes no further than what is urgent was read: what has come
    /// since may be a rocket that is there again, and is told after its end.
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
        let (events, from, to) = match part {
            Part::Urgent => (&self.urgent, &mut place.urgent, self.last),
            Part::Rest => (&self.rest, &mut place.rest, place.urgent),
        };
        for (count, event) in events.range(*from + 1..).take_while(|(count, _)| **count <= to) {
            if !take(event) {
                return Ok(());
            }
            *from = *count;
        }
        *from = to;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::feed::changed::{Changed, Turned};
    use crate::fleet::feed::event::{Conditions, rocket};
    use crate::fleet::query::Filter;
    use crate::fleet::view::{RocketView, Status};
    use crate::telemetry::Caseless;

    fn event(id: &str, speed: i64) -> Event {
        let rocket = rocket(id, speed);
        Event::of(Changed::Rocket { rocket, exploded: false, turned: Turned::default() })
    }

    fn read(log: &Log, place: &mut Place, most: usize) -> Result<Vec<String>, Overrun> {
        let mut read = Vec::new();
        for part in [Part::Urgent, Part::Rest] {
            log.read(part, place, |event| {
                let has_room = read.len() < most;
                if has_room {
                    read.push(format!("{} {}", event.name.text(), event.id().text()));
                }
                has_room
            })?;
        }
        Ok(read)
    }

    #[test]
    fn of_each_rocket_the_latest_is_read_and_explosions_first() {
        let mut log = Log::new(1 << 20);
        let mut place = log.end();
        log.add(event("a", 1));
        log.add(event("b", 1));
        log.add(event("a", 2));
        let rocket = rocket("c", 1);
        let turned = Turned::default();
        log.add(Event::of(Changed::Rocket { rocket, exploded: true, turned }));
        assert_eq!(read(&log, &mut place, 2).unwrap(), ["explosion c", "rocket b"]);
        // Not further than what was not read.
        assert_eq!(place.count(), 2);
        let mut again = Place::at(place.count());
        assert_eq!(read(&log, &mut place, 9).unwrap(), ["rocket a"]);
        assert_eq!(read(&log, &mut again, 9).unwrap(), ["explosion c", "rocket a"]);
        assert_eq!((place.count(), again.count()), (4, 4));
        assert_eq!(read(&log, &mut place, 9).unwrap(), [""; 0]);
    }

    #[test]
    fn a_rocket_that_is_forgotten_is_not_told_of_after_that() {
        let mut log = Log::new(1 << 20);
        let mut place = log.end();
        log.add(event("a", 1));
        log.add(Event::of(Changed::Forgotten(Channel::parse("a").unwrap())));
        assert_eq!(read(&log, &mut place, 9).unwrap(), ["forgotten a"]);
        log.add(event("a", 1));
        assert_eq!(read(&log, &mut place, 9).unwrap(), ["rocket a"]);
    }

    #[test]
    fn a_rocket_that_comes_again_between_two_reads_is_told_after_its_end() {
        let mut log = Log::new(1 << 20);
        let mut place = log.end();
        let mut told = Vec::new();
        let mut hear = |event: &Arc<Event>| {
            told.push(event.name);
            true
        };
        log.read(Part::Urgent, &mut place, &mut hear).unwrap();
        log.add(Event::of(Changed::Forgotten(Channel::parse("a").unwrap())));
        log.add(event("a", 1));
        log.read(Part::Rest, &mut place, &mut hear).unwrap();
        for part in [Part::Urgent, Part::Rest] {
            log.read(part, &mut place, &mut hear).unwrap();
        }
        assert_eq!(told, [Name::Forgotten, Name::Rocket]);
        assert_eq!(place, log.end());
    }

    #[test]
    fn what_is_beyond_the_bound_goes_and_is_missed() {
        let mut log = Log::new(20 * event("a", 1).bytes());
        let mut place = log.end();
        for round in 0..100 {
            log.add(event("always the same", round));
        }
        assert_eq!(read(&log, &mut place, 9).unwrap(), ["rocket always the same"]);
        let (mut behind, mut before) = (place, Place::at(0));
        (0..100).for_each(|n| log.add(event(&n.to_string(), 1)));
        assert!(log.bytes <= log.most_bytes && log.rest.len() >= 19);
        assert_eq!(log.by_rocket.len(), log.rest.len());
        assert_eq!(read(&log, &mut behind, 9), Err(Overrun));
        assert_eq!(read(&log, &mut before, 9), Err(Overrun));
        let mut end = log.end();
        log.begin_anew();
        assert_eq!(read(&log, &mut end, 9), Err(Overrun));
        assert_eq!(read(&log, &mut log.end(), 9).unwrap(), [""; 0]);
        // A place that is still to come is none.
        assert!(!log.has(Place::at(log.last + 1)));
    }

    #[test]
    fn who_filters_hears_of_what_has_ceased_to_match() {
        let apollo = Filter {
            missions: vec![Caseless::new("apollo")],
            status: Some(Status::Launched),
            ..Filter::default()
        };
        let conditions = Conditions::new(&apollo);
        let told = |exploded, moved, mission: &str, status| {
            let rocket = RocketView { mission: mission.into(), status, ..rocket("a", 1) };
            let turned = Turned { moved, waits: false };
            Event::of(Changed::Rocket { rocket, exploded, turned }).passes(&conditions)
        };
        assert!(told(false, false, "Apollo", Status::Launched));
        assert!(!told(false, false, "ARTEMIS", Status::Launched));
        assert!(told(false, true, "ARTEMIS", Status::Launched));
        assert!(!told(false, false, "Apollo", Status::Exploded));
        assert!(told(true, false, "Apollo", Status::Exploded));
        assert!(!told(true, false, "ARTEMIS", Status::Exploded));
        // Whatever comes after it, and once.
        let mut log = Log::new(1 << 20);
        let mut place = log.end();
        log.add(event("a", 1));
        let turned = Turned { moved: true, waits: false };
        let changed = Changed::Rocket { rocket: rocket("a", 2), exploded: false, turned };
        log.add(Event::of(changed));
        log.add(event("a", 3));
        assert_eq!(read(&log, &mut place, 9).unwrap(), ["rocket a", "rocket a"]);
        assert!(log.urgent.values().all(|event| event.passes(&conditions)));
        assert!(!log.rest.values().any(|event| event.passes(&conditions)));
    }

    #[test]
    fn what_waits_or_does_not_is_told_whatever_comes_after_it() {
        let mut log = Log::new(1 << 20);
        let mut place = log.end();
        let turned = Turned { moved: false, waits: true };
        log.add(Event::of(Changed::Rocket { rocket: rocket("a", 1), exploded: false, turned }));
        log.add(event("a", 2));
        assert_eq!(read(&log, &mut place, 9).unwrap(), ["rocket a", "rocket a"]);
    }
}
