//! What the last messages of each rocket changed, for those who ask: bounded for
//! each rocket, and in bytes for the fleet.
//!
//! Owns whose entries are kept and which go. Does not own their form
//! (`telemetry/past`), nor how a reader gets them (`past`). It is part of the roster and no observer, because an entry
//! is made of what was before its message too, and because a checkpoint stores it
//! with the rocket, and a restart replays into both.
//!
//! A rocket's entries stand in one piece of memory, the oldest first. Beyond the
//! bound of a rocket its oldest go. When the memory of all is nearly used up, room
//! is made by age, for which time is cut into *generations*: the present one ends
//! when a sixteenth of what is held was written in it. A hand goes round over the
//! rockets, a few for each message, and cuts off what is of the oldest generation
//! that there is; once it was round, of the next. So an entry goes before another
//! only if it is older, or younger by no more than one generation. Where that does
//! not make room in time, the rocket whose message it is loses its entries instead:
//! the bound holds in any case.
//!
//! Of a rocket that was launched by its first message nothing is kept before the
//! second one: its state says it all, and the entry is the same for all of them. It
//! is written with the second one, and as old as that.

use std::sync::Arc;

use super::chunked::Chunked;
use super::slot::Slot;
use crate::fleet::limits::Quotas;
use crate::telemetry::Report;
use crate::telemetry::message::Kind;
use crate::telemetry::past::{self, Entry, LAUNCH, State, Step, Undo};
use crate::telemetry::rocket::{Effect, Rocket, Vocabulary};

/// Rockets that the hand comes by for each message while room is short.
const VISITS: usize = 16;

/// Of what is held, written in each generation; the same of the bound is kept free.
const SHARES: usize = 16;

/// Least bytes written in a generation.
const LEAST_GENERATION: usize = 4096;

/// Why what was written here can be read.
const WRITTEN: &str = "entries are read as they were written";

/// See the module.
pub(super) struct History {
    quotas: Arc<Quotas>,
    places: Places,
    pasts: Chunked<Past>,
    /// Pasts that nobody has.
    vacant: Vec<u32>,
    /// The present one.
    generation: u32,
    /// Bytes written in it.
    written: usize,
    /// Bytes held by all entries of this partition.
    held: usize,
    hand: u32,
    /// What is of this generation or an older one goes when the hand comes by.
    going: u32,
    /// The oldest generation that the hand left anything of since it began this
    /// round.
    left: u32,
    /// An entry, before it is known whether there is room.
    scratch: Vec<u8>,
}

/// One rocket's entries.
#[derive(Default)]
struct Past {
    bytes: Vec<u8>,
    entries: u32,
    /// The generations of the first and the last entry. Those between are told by
    /// marks: the difference to the one before.
    oldest: u32,
    newest: u32,
    slot: Slot,
}

/// Applies a rocket's next message, and keeps what it changed. `slot` is the
/// rocket's, and `last` the number of the message before.
pub(super) fn apply(
    history: &mut Option<History>,
    (slot, last): (Slot, u64),
    rocket: &mut Rocket,
    report: Report,
    vocabulary: &mut Vocabulary,
) -> Effect {
    let Some(history) = history else { return rocket.apply(report, vocabulary) };
    let (number, time, kind) = (report.number, report.time, report.event.kind());
    let (number_before, time_before) = (last, rocket.last_update_time);
    let before = rocket.flight.as_ref().map(|flight| (flight.speed(), flight.explosion.is_some()));
    let mission = match (kind, &rocket.flight) {
        (Kind::MissionChanged, Some(flight)) => {
            Some(vocabulary.missions.get(&flight.mission).clone())
        }
        _ => None,
    };
    let effect = rocket.apply(report, vocabulary);
    let undo = match (kind, before, &rocket.flight) {
        (Kind::SpeedIncreased | Kind::SpeedDecreased, Some((speed, _)), Some(after)) => {
            Undo::Speed(speed, after.speed())
        }
        (Kind::Launched, None, Some(_)) => Undo::Launched,
        (Kind::Exploded, Some((_, false)), _) => Undo::Exploded,
        _ => mission.as_deref().map_or(Undo::Nothing, Undo::Mission),
    };
    let step = Step { number_before, number, time_before, time, undo, mark: 0 };
    history.record(slot, step, before.is_some());
    effect
}

/// The size of the piece of memory that holds so many bytes: allocators have four
/// sizes from one power of two to the next, and none that 16 does not divide.
fn piece(bytes: usize) -> usize {
    bytes.next_multiple_of((bytes.next_power_of_two() / 8).max(16))
}

impl History {
    /// None if its bound is 0.
    pub fn bounded(quotas: &Arc<Quotas>) -> Option<Self> {
        (quotas.history.per_rocket > 0).then(|| Self {
            quotas: quotas.clone(),
            places: Places::default(),
            pasts: Chunked::default(),
            vacant: Vec::new(),
            generation: 1,
            written: 0,
            held: 0,
            hand: 0,
            going: 0,
            left: 1,
            scratch: Vec::new(),
        })
    }

    /// The rocket at `slot` is gone, or begins anew.
    pub fn forget(&mut self, slot: Slot) {
        if let Some(place) = self.places.get(slot) {
            self.empty(place);
        }
    }

    fn record(&mut self, slot: Slot, step: Step<'_>, was_launched: bool) {
        let place = match self.places.get(slot) {
            Some(place) => place,
            None => match self.begin_with(slot, &step, was_launched) {
                Some(place) => place,
                None => return,
            },
        };
        let past = self.pasts.get(place);
        let mark = if past.entries > 0 { self.generation - past.newest } else { 0 };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        Step { mark, ..step }.write(&mut scratch);
        self.append(place, &scratch);
        self.scratch = scratch;
    }

    /// Gives a slot a past that this goes into; `None` if it is not to be written.
    fn begin_with(&mut self, slot: Slot, step: &Step<'_>, was_launched: bool) -> Option<u32> {
        if is_alone(step.number, step.undo == Undo::Launched) {
            return None;
        }
        let is_second = is_alone(step.number_before, was_launched);
        let begun = self.begin(slot);
        if is_second && let Some(place) = begun {
            self.append(place, &LAUNCH);
        }
        // That may have found no room.
        let place = self.places.get(slot);
        if place.is_none() {
            // Nor has this one, then; that of the launch is counted if it was begun.
            let lost = 1 + u64::from(is_second && begun.is_none());
            self.quotas.history.dropped_for_memory.add(lost);
        }
        place
    }

    /// Gives a slot a past.
    fn begin(&mut self, slot: Slot) -> Option<u32> {
        if !self.places.have(slot) {
            if !self.make_room(Places::BYTES, None) {
                return None;
            }
            self.places.appear(slot);
        }
        let place = match self.vacant.pop() {
            Some(place) => place,
            None if self.make_room(size_of::<Past>(), None) => self.pasts.push(Past::default()),
            None => return None,
        };
        self.pasts.get_mut(place).slot = slot;
        self.places.set(slot, Some(place));
        Some(place)
    }

    fn append(&mut self, place: u32, entry: &[u8]) {
        let past = self.pasts.get(place);
        let (length, has) = (past.bytes.len() + entry.len(), past.bytes.capacity());
        if length > has {
            if !self.make_room(piece(length) - has, Some(place)) {
                // What is kept must go on to the last message, so all of it goes.
                self.quotas.history.dropped_for_memory.add(1);
                return self.lose(place);
            }
            let past = self.pasts.get_mut(place);
            past.bytes.reserve_exact(piece(length) - past.bytes.len());
            let grown = past.bytes.capacity() - has;
            self.account(piece(length) - has, grown);
        }
        let most = self.quotas.history.per_rocket;
        let generation = self.generation;
        let past = self.pasts.get_mut(place);
        if past.entries == 0 {
            past.oldest = generation;
        }
        past.newest = generation;
        past.bytes.extend_from_slice(entry);
        past.entries += 1;
        // Not one at a time, for what is left is moved.
        if past.entries as usize > most + most / 8 {
            let surplus = past.entries - u32::try_from(most).expect("it is below that");
            past.cut(|past| past.entries as usize > most);
            self.quotas.history.dropped_of_rocket.add(surplus.into());
        }
        self.written += entry.len();
        if self.written >= LEAST_GENERATION.max(self.held / SHARES) {
            self.written = 0;
            self.generation += 1;
        }
    }

    /// Takes so many bytes for the past at `own`, or a new one; `false` if there is
    /// no room for them.
    fn make_room(&mut self, bytes: usize, own: Option<u32>) -> bool {
        let quotas = self.quotas.clone();
        let quota = &quotas.history.bytes;
        let soft = quota.limit() - quota.limit() / SHARES;
        if quota.taken() + bytes > soft {
            self.go_round(own, || quota.taken() + bytes > soft);
        }
        let taken = quota.try_take_some(bytes);
        if taken < bytes {
            quota.give_back(taken);
            return false;
        }
        self.held += bytes;
        true
    }

    /// What was taken for a piece of memory is what it has.
    fn account(&mut self, taken: usize, has: usize) {
        let quota = &self.quotas.history.bytes;
        self.held = self.held + has - taken;
        quota.take(has);
        quota.give_back(taken);
    }

    /// Cuts off what is oldest, at the rockets that the hand comes by, while it
    /// `is_needed`; not at `own`, to which something is being added.
    fn go_round(&mut self, own: Option<u32>, is_needed: impl Fn() -> bool) {
        for _ in 0..VISITS.min(self.pasts.len() as usize) {
            if self.hand == self.pasts.len() {
                self.hand = 0;
                self.going = self.left;
                self.left = self.generation;
            }
            let (place, going) = (self.hand, self.going);
            self.hand += 1;
            let past = self.pasts.get_mut(place);
            if past.entries == 0 {
                continue;
            }
            let is_own = own == Some(place);
            let dropped = past.cut(|past| past.oldest <= going && !is_own);
            if past.entries > 0 {
                self.left = self.left.min(past.oldest);
            }
            if dropped > 0 {
                self.quotas.history.dropped_for_memory.add(dropped.into());
                self.shrink(place);
                if !is_needed() {
                    return;
                }
            }
        }
    }

    /// Gives back the memory that a past does not need any more.
    fn shrink(&mut self, place: u32) {
        let past = self.pasts.get_mut(place);
        if past.entries == 0 {
            return self.empty(place);
        }
        let before = past.bytes.capacity();
        past.bytes.shrink_to(piece(past.bytes.len()));
        let less = before - past.bytes.capacity();
        self.account(less, 0);
    }

    /// Drops all that a past has, for want of room.
    fn lose(&mut self, place: u32) {
        let entries = self.pasts.get(place).entries;
        self.quotas.history.dropped_for_memory.add(entries.into());
        self.empty(place);
    }

    fn empty(&mut self, place: u32) {
        let Past { bytes, slot, .. } = std::mem::take(self.pasts.get_mut(place));
        self.account(bytes.capacity(), 0);
        self.places.set(slot, None);
        self.vacant.push(place);
    }

    /// What is kept of a rocket, as a checkpoint stores it. So many messages of it
    /// were applied or lost, and it may be launched.
    pub fn stored(&self, slot: Slot, (number, is_launched): (u64, bool)) -> Vec<u8> {
        let Some(place) = self.places.get(slot) else {
            return if is_alone(number, is_launched) { LAUNCH.into() } else { Vec::new() };
        };
        let Past { bytes, entries, .. } = self.pasts.get(place);
        let surplus = (*entries as usize).saturating_sub(self.quotas.history.per_rocket);
        let skipped = (0..surplus).fold(0, |at, _| at + first(&bytes[at..]).0);
        past::unmarked(&bytes[skipped..]).expect(WRITTEN).0
    }

    /// Takes back what a checkpoint [stored](Self::stored), as far as there is room
    /// for it.
    pub fn restore(&mut self, slot: Slot, stored: &[u8], (number, is_launched): (u64, bool)) {
        if is_alone(number, is_launched) {
            return;
        }
        let (bytes, entries) = past::unmarked(stored).expect("it was checked when it was read");
        let surplus = entries.saturating_sub(self.quotas.history.per_rocket);
        let mut at = (0..surplus).fold(0, |at, _| at + first(&bytes[at..]).0);
        self.quotas.history.dropped_of_rocket.add(surplus as u64);
        if at == bytes.len() {
            return;
        }
        let Some(place) = self.begin(slot) else {
            return self.quotas.history.dropped_for_memory.add((entries - surplus) as u64);
        };
        while at < bytes.len() && self.places.get(slot).is_some() {
            let (length, _) = first(&bytes[at..]);
            // All of one rocket is of one generation, for nothing tells them apart.
            let (generation, written) = (self.generation, self.written);
            self.append(place, &bytes[at..at + length]);
            if at + length < bytes.len() {
                (self.generation, self.written) = (generation, written + length);
            }
            at += length;
        }
        if self.places.get(slot).is_none() {
            let rest = past::unmarked(&bytes[at..]).expect(WRITTEN).1;
            self.quotas.history.dropped_for_memory.add(rest as u64);
        }
    }

    /// Most messages that are kept of a rocket.
    pub fn per_rocket(&self) -> usize {
        self.quotas.history.per_rocket
    }

    /// What is kept of a rocket that is in the state `after` it.
    pub fn entries(&self, slot: Slot, after: State) -> Vec<Entry> {
        let bytes = match self.places.get(slot) {
            Some(place) => &*self.pasts.get(place).bytes,
            None if is_alone(after.number, after.flight.is_some()) => &LAUNCH,
            None => return Vec::new(),
        };
        let mut entries = past::read(bytes, after).expect(WRITTEN);
        entries.drain(..entries.len().saturating_sub(self.quotas.history.per_rocket));
        entries
    }
}

/// Whether all that a rocket has sent is the message that launched it.
fn is_alone(number: u64, is_launched: bool) -> bool {
    number == 1 && is_launched
}

/// Where the past of each slot is, if it has one. Where none of some slots has, as in
/// a fleet that was just launched, it takes next to no room.
#[derive(Default)]
struct Places(Vec<Option<Box<[u32; Self::CHUNK]>>>);

impl Places {
    const CHUNK: usize = 32;

    /// What is taken where any has one.
    const BYTES: usize = size_of::<[u32; Self::CHUNK]>();

    fn get(&self, slot: Slot) -> Option<u32> {
        let chunk = self.0.get(slot as usize / Self::CHUNK)?.as_ref()?;
        // From 1; 0 is none.
        chunk[slot as usize % Self::CHUNK].checked_sub(1)
    }

    /// Whether there is room for that of a slot.
    fn have(&self, slot: Slot) -> bool {
        self.0.get(slot as usize / Self::CHUNK).is_some_and(Option::is_some)
    }

    fn appear(&mut self, slot: Slot) {
        let at = slot as usize / Self::CHUNK;
        if at >= self.0.len() {
            self.0.resize_with(at + 1, || None);
        }
        self.0[at] = Some(Box::new([0; Self::CHUNK]));
    }

    fn set(&mut self, slot: Slot, place: Option<u32>) {
        if let Some(Some(chunk)) = self.0.get_mut(slot as usize / Self::CHUNK) {
            chunk[slot as usize % Self::CHUNK] = place.map_or(0, |place| place + 1);
        }
    }
}

impl Past {
    /// Cuts entries off, the oldest first, while there are any and `goes` says so;
    /// returns how many.
    fn cut(&mut self, goes: impl Fn(&Self) -> bool) -> u32 {
        let (entries, mut at) = (self.entries, 0);
        let mut next = None;
        while self.entries > 0 && goes(self) {
            at += next.unwrap_or_else(|| first(&self.bytes[at..]).0);
            self.entries -= 1;
            if self.entries > 0 {
                let (length, mark) = first(&self.bytes[at..]);
                self.oldest += mark;
                next = Some(length);
            }
        }
        if at > 0 {
            self.bytes.drain(..at);
        }
        entries - self.entries
    }
}

/// The length and the mark of the first entry.
fn first(bytes: &[u8]) -> (usize, u32) {
    past::first(bytes).expect(WRITTEN).expect("as many entries are there as are counted")
}
