//! Owns what the fleet says: which rocket speaks next and what happened to it,
//! the same for the same seed. Does not own how a message looks on the wire
//! (`message`), nor in which order or how often it is sent (`schedule`).
//!
//! State is 16 bytes a rocket plus 4 for those still flying, so a million
//! rockets fit in 20 MB, and nothing grows with the number of messages.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// The rocket types that the challenge's launcher is known to use.
pub const ROCKET_TYPES: [&str; 20] = [
    "Atlas-H",
    "Titan-IV",
    "Scout",
    "Thor-Agena",
    "Thor-Delta",
    "New-Shepard",
    "Falcon-1",
    "Conestoga",
    "Thor-Able",
    "PGM-19-Jupiter",
    "Electron",
    "Saturn-I",
    "Juno-I",
    "Delta-5000",
    "Antares",
    "Juno-II",
    "Athena",
    "Pegasus",
    "Falcon-9",
    "Titan-IIID",
];

/// The missions that the challenge's launcher is known to use.
pub const MISSIONS: [&str; 7] =
    ["ARTEMIS", "APOLLO", "APOLLO_SOYUZ", "GEMINI", "MERCURY", "SKYLAB", "SHUTTLE_MIR"];

/// The reasons for an explosion that the challenge's launcher is known to use.
pub const REASONS: [&str; 4] =
    ["PRESSURE_VESSEL_FAILURE", "FROZEN_O_RINGS", "UNKNOWN_OBJECT_COLLISION", "SYSTEM_MALFUNCTION"];

/// Every speed and every change of speed is a multiple of this.
pub const SPEED_STEP: u32 = 500;

const LAUNCH_STEPS: u32 = 20;
const CHANGE_STEPS: u32 = 6;
/// Out of 100 messages of a flying rocket; the rest change its mission.
const INCREASES: u32 = 42;
const DECREASES: u32 = 42;

/// What a message says, with the numbers and texts that go on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Launched { rocket_type: &'static str, speed: u32, mission: &'static str },
    SpeedIncreased { by: u32 },
    SpeedDecreased { by: u32 },
    MissionChanged { mission: &'static str },
    Exploded { reason: &'static str },
}

/// One message of one rocket. Small and `Copy`, because thousands may wait to
/// be sent late, again, or once more after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The rocket, counted from 0 in launch order; its channel follows from it.
    pub rocket: u32,
    /// Counted from 1 for each rocket, without gaps.
    pub number: u32,
    /// Nanoseconds since 1970, later than every message generated before.
    pub at: i64,
    pub event: Event,
}

struct Rocket {
    number: u32,
    /// In units of [`SPEED_STEP`], never below 1.
    speed: u32,
    /// The number of the message that ends it; 0 for a rocket that survives.
    explodes_at: u32,
    mission: u8,
}

/// The whole fleet; yields messages in their true order.
pub struct Fleet {
    random: Xoshiro256PlusPlus,
    rockets: Vec<Rocket>,
    flying: Vec<u32>,
    to_launch: u32,
    /// How many of those still to launch are to explode.
    to_explode: u32,
    remaining: u32,
    /// The last message number at which a doomed rocket may explode.
    latest_explosion: u32,
    last_at: i64,
}

impl Fleet {
    /// A fleet of `rockets` that speaks `messages` times in all. When there are
    /// fewer messages than rockets, just that many rockets launch. At least one
    /// of each.
    pub fn new(seed: u64, rockets: u32, messages: u32) -> Self {
        let rockets = rockets.min(messages);
        assert!(rockets > 0, "a fleet has a rocket and a message");
        // Doomed rockets stay below the mean share, so that about as many as
        // planned live long enough to explode.
        let share = u64::from(messages / rockets) * 9 / 10;
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            rockets: Vec::with_capacity(rockets as usize),
            flying: Vec::with_capacity(rockets as usize),
            to_launch: rockets,
            // Six of twenty. Rounded down, so that at least one survives and
            // there is always a rocket left to speak.
            to_explode: u32::try_from(u64::from(rockets) * 3 / 10).expect("a part of a u32"),
            remaining: messages,
            latest_explosion: u32::try_from(share).expect("a part of a u32").max(2),
            last_at: i64::MIN,
        }
    }

    /// Messages still to come.
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// Rockets launched so far.
    pub fn launched(&self) -> u32 {
        u32::try_from(self.rockets.len()).expect("as many as asked for, which is a u32")
    }

    /// The next message, stamped with `now` (nanoseconds since 1970) or just
    /// after the one before, should the clock stand still or step back.
    pub fn next(&mut self, now: i64) -> Option<Message> {
        if self.remaining == 0 {
            return None;
        }
        let next = self.last_at.checked_add(1).expect("the time is before 2262");
        let at = now.max(next);
        self.last_at = at;
        let (rocket, number, event) =
            if self.launch_is_next() { self.launch() } else { self.fly() };
        self.remaining -= 1;
        Some(Message { rocket, number, at, event })
    }

    /// Launches are mixed with flight, one in two, or more often where the
    /// messages left would otherwise not suffice for all to launch.
    fn launch_is_next(&mut self) -> bool {
        if self.to_launch == 0 {
            return false;
        }
        if self.flying.is_empty() {
            return true;
        }
        let odds = self.to_launch.max(self.remaining / 2);
        self.below(self.remaining) < odds
    }

    fn launch(&mut self) -> (u32, u32, Event) {
        let doomed = self.below(self.to_launch) < self.to_explode;
        self.to_launch -= 1;
        let mut explodes_at = 0;
        if doomed {
            self.to_explode -= 1;
            explodes_at = 2 + self.below(self.latest_explosion - 1);
        }
        let rocket_type = ROCKET_TYPES[self.index(ROCKET_TYPES.len())];
        let mission = self.index(MISSIONS.len());
        let speed = 1 + self.below(LAUNCH_STEPS);
        let index = self.launched();
        self.rockets.push(Rocket {
            number: 1,
            speed,
            explodes_at,
            mission: u8::try_from(mission).expect("there are seven"),
        });
        self.flying.push(index);
        let event =
            Event::Launched { rocket_type, speed: in_units(speed), mission: MISSIONS[mission] };
        (index, 1, event)
    }

    fn fly(&mut self) -> (u32, u32, Event) {
        let place = self.index(self.flying.len());
        let index = self.flying[place];
        let draw = self.below(100);
        let size = self.random.next_u32();
        let rocket = &mut self.rockets[index as usize];
        rocket.number += 1;
        let number = rocket.number;
        let event = if number == rocket.explodes_at {
            self.flying.swap_remove(place);
            Event::Exploded { reason: REASONS[scale(size, 4) as usize] }
        } else if draw >= INCREASES + DECREASES {
            // A change: one of the six others.
            let count = MISSIONS.len();
            let step = 1 + scale(size, 6) as usize;
            let mission = (usize::from(rocket.mission) + step) % count;
            rocket.mission = u8::try_from(mission).expect("there are seven");
            Event::MissionChanged { mission: MISSIONS[mission] }
        } else if draw < DECREASES && rocket.speed > 1 {
            // Never below one step, so never below 500.
            let by = 1 + scale(size, CHANGE_STEPS.min(rocket.speed - 1));
            rocket.speed -= by;
            Event::SpeedDecreased { by: in_units(by) }
        } else {
            let by = 1 + scale(size, CHANGE_STEPS);
            // Up and down are equally likely, so 2^32 messages do not suffice.
            rocket.speed = rocket.speed.checked_add(by).expect("speeds stay far below");
            Event::SpeedIncreased { by: in_units(by) }
        };
        (index, number, event)
    }

    fn below(&mut self, bound: u32) -> u32 {
        scale(self.random.next_u32(), bound)
    }

    fn index(&mut self, len: usize) -> usize {
        self.below(u32::try_from(len).expect("no more than rockets, a u32")) as usize
    }
}

/// Maps 32 random bits to `0..bound`. Our own, not a library's, because a
/// library may change how it does this, and a seed must keep its meaning.
pub(super) fn scale(bits: u32, bound: u32) -> u32 {
    // The product's upper half is below `bound`, so it fits.
    ((u64::from(bits) * u64::from(bound)) >> 32) as u32
}

fn in_units(steps: u32) -> u32 {
    steps * SPEED_STEP
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn all(seed: u64, rockets: u32, messages: u32) -> Vec<Message> {
        let mut fleet = Fleet::new(seed, rockets, messages);
        let mut clock = 0;
        std::iter::from_fn(|| {
            clock += 10;
            fleet.next(clock)
        })
        .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_messages_and_another_seed_others() {
        assert_eq!(all(444, 20, 5_000), all(444, 20, 5_000));
        assert_ne!(all(444, 20, 5_000), all(445, 20, 5_000));
    }

    #[test]
    fn a_seed_keeps_its_meaning_between_versions() {
        let launched =
            Event::Launched { rocket_type: "Falcon-9", speed: 8500, mission: "SHUTTLE_MIR" };
        let slower = Event::SpeedDecreased { by: 1000 };
        let first: Vec<Event> = all(444, 20, 100).iter().map(|m| m.event).take(2).collect();
        assert_eq!(first, [launched, slower]);
    }

    #[test]
    fn each_rocket_starts_with_its_launch_counts_without_gaps_and_ends_with_its_explosion() {
        for seed in 0..20 {
            let mut last: HashMap<u32, (u32, i64, bool)> = HashMap::new();
            for message in all(seed, 20, 20_000) {
                let launch = matches!(message.event, Event::Launched { .. });
                let exploded = matches!(message.event, Event::Exploded { .. });
                let before = last.insert(message.rocket, (message.number, message.at, exploded));
                let (number, at, over) = before.unwrap_or((0, 0, false));
                assert_eq!(message.number, number + 1);
                assert_eq!(launch, message.number == 1);
                assert!(message.at > at);
                assert!(!over, "nothing follows an explosion");
            }
            assert_eq!(last.len(), 20);
            let exploded = last.values().filter(|(.., over)| *over).count();
            assert_eq!(exploded, 6, "seed {seed}");
        }
    }

    #[test]
    fn speeds_are_multiples_of_500_and_never_below_it() {
        for seed in 0..20 {
            let mut speeds: HashMap<u32, i64> = HashMap::new();
            for message in all(seed, 20, 20_000) {
                let speed = speeds.entry(message.rocket).or_default();
                match message.event {
                    Event::Launched { speed: first, .. } => *speed = i64::from(first),
                    Event::SpeedIncreased { by } => *speed += i64::from(by),
                    Event::SpeedDecreased { by } => *speed -= i64::from(by),
                    _ => {}
                }
                assert!(*speed >= 500);
                assert_eq!(*speed % 500, 0);
            }
        }
    }

    #[test]
    fn a_changed_mission_is_another_one() {
        let mut missions: HashMap<u32, &str> = HashMap::new();
        for message in all(7, 20, 20_000) {
            if let Event::Launched { mission, .. } | Event::MissionChanged { mission } =
                message.event
            {
                assert_ne!(missions.insert(message.rocket, mission), Some(mission));
            }
        }
    }

    #[test]
    fn shares_are_uneven_and_every_rocket_launches() {
        let mut counts = [0_u32; 20];
        for message in all(444, 20, 100_000) {
            counts[message.rocket as usize] += 1;
        }
        let most = counts.iter().max().unwrap();
        let least = counts.iter().min().unwrap();
        assert!((5_500..7_500).contains(most), "{counts:?}");
        assert!(*least < 4_500, "{counts:?}");
    }

    #[test]
    fn all_launch_even_when_messages_are_scarce() {
        for (rockets, messages) in [(1, 1), (1, 50), (5, 3), (100, 100), (1000, 1100), (3, 400)] {
            let messages_seen = all(1, rockets, messages);
            assert_eq!(messages_seen.len(), messages as usize);
            let launched = messages_seen.iter().filter(|m| m.number == 1).count();
            assert_eq!(launched, rockets.min(messages) as usize);
        }
    }

    #[test]
    fn times_go_on_when_the_clock_does_not() {
        let mut fleet = Fleet::new(1, 2, 3);
        let times: Vec<i64> = [100, 100, 50]
            .into_iter()
            .filter_map(|now| fleet.next(now))
            .map(|message| message.at)
            .collect();
        assert_eq!(times, [100, 101, 102]);
    }
}
