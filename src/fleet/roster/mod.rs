//! The rockets of one partition: their state, their order, their bounds.
//!
//! Synchronous, and owned by one worker. A message goes through in two steps,
//! with the journal in between: [`Roster::admit`] decides whether it is
//! accepted and changes nothing that a reader sees; [`Roster::apply`] folds it
//! in. Several batches may be between the two, so what is admitted and not yet
//! applied is counted, and the bounds hold for both together.
//!
//! * [`slot`]: where a rocket stands; `chunked`: the list of slots; `tracked`: one rocket.
//! * `admission`: what becomes of a message before it is applied.
//! * [`census`]: how many rockets are in which state.
//! * `listed`: launched rockets in the orders that listings have; `sorted`: one order;
//!   `by_index`: what is answered from them.
//! * `gaps`: the order of those that wait; `waits`: keeps it; `skips`: what is given up.
//! * `snapshot`: what a checkpoint stores, and back.

mod admission;
mod by_index;
pub mod census;
mod chunked;
mod gaps;
mod history;
mod listed;
mod missions;
mod past;
mod skips;
pub mod slot;
mod snapshot;
mod sorted;
mod tracked;
mod waits;

use std::sync::Arc;

use ahash::{AHashMap, RandomState};
use hashbrown::HashTable;

use self::admission::Admitted;
pub use self::admission::{Admission, Ticket};
use self::census::{Census, Standing};
use self::chunked::Chunked;
pub use self::gaps::GapKey;
use self::gaps::Gaps;
use self::history::History;
use self::listed::Listed;
use self::slot::Slot;
pub use self::snapshot::Slice;
use self::tracked::Tracked;
use super::limits::Quotas;
use super::observer::{Folded, Observer};
use super::outcome::{Outcome, Refusal};
use super::query::Filter;
use super::view::{Lookup, RocketView, Status};
use crate::telemetry::lost::Lost;
use crate::telemetry::reorder::Place;
use crate::telemetry::rocket::{Effect, Vocabulary};
use crate::telemetry::{Channel, Message, Report};

/// See the module.
pub struct Roster {
    rockets: Chunked<Tracked>,
    /// Slots, found by channel.
    by_channel: Vec<HashTable<Slot>>,
    /// Launched rockets.
    listed: Listed,
    /// Those that wait for a missing message.
    gaps: Gaps,
    vocabulary: Vocabulary,
    /// Rockets with messages between admission and application.
    admitted: AHashMap<Slot, Admitted>,
    /// Slots of which no channel is known any more, for the next new ones.
    vacant: Vec<Slot>,
    /// `None` if nothing of it is kept.
    history: Option<History>,
    quotas: Arc<Quotas>,
    census: Census,
    hasher: RandomState,
}

/// The channel index grows in so many pieces, so that none of them holds the
/// worker up for long when it does.
const INDEX_PIECES: usize = 256;

impl Roster {
    /// A partition without rockets, which counts what it takes against `quotas`.
    #[must_use]
    pub fn new(quotas: Arc<Quotas>) -> Self {
        Self {
            rockets: Chunked::default(),
            by_channel: (0..INDEX_PIECES).map(|_| HashTable::new()).collect(),
            listed: Listed::default(),
            gaps: Gaps::default(),
            vocabulary: Vocabulary::default(),
            admitted: AHashMap::new(),
            vacant: Vec::new(),
            history: History::bounded(&quotas),
            quotas,
            census: Census::default(),
            hasher: RandomState::new(),
        }
    }

    /// How many rockets are in which state, now and later.
    #[must_use]
    pub fn census(&self) -> &Census {
        &self.census
    }

    /// Whether a message was applied or buffered before.
    #[must_use]
    pub fn knows(&self, message: &Message) -> bool {
        self.find(&message.channel).is_some_and(|slot| {
            self.rockets.get(slot).reorder.place(message.report.number) == Place::Known
        })
    }

    /// Decides whether a message is accepted. Nothing that a reader sees
    /// changes. An accepted message must be applied, in the order of admission.
    pub fn admit(&mut self, message: &Message) -> Admission {
        let number = message.report.number;
        let slot = self.find(&message.channel);
        let (place, next) = match slot {
            Some(slot) => {
                let reorder = &self.rockets.get(slot).reorder;
                let place = reorder.place(number);
                match self.admitted.get(&slot) {
                    Some(admitted) if place != Place::Known => {
                        // Behind what is applied after a withdrawal.
                        let next = admitted.next.max(reorder.next());
                        let place = if number > next { Place::Early } else { Place::Next };
                        (place, next)
                    }
                    _ => (place, reorder.next()),
                }
            }
            None if number == 1 => (Place::Next, 1),
            None => (Place::Early, 1),
        };
        if place == Place::Known {
            let late = slot.is_some_and(|slot| self.rockets.get(slot).reorder.is_lost(number));
            return if late { Admission::Late } else { Admission::Known };
        }
        let early = place == Place::Early;
        if early && let Err(refusal) = self.reserve_buffer(slot) {
            return Admission::Refused(refusal);
        }
        let Some(slot) = slot.or_else(|| self.insert(message.channel.clone())) else {
            if early {
                self.quotas.buffered.give_back(1);
            }
            return Admission::Refused(Refusal::FleetFull { limit: self.quotas.rockets.limit() });
        };
        let admitted =
            self.admitted.entry(slot).or_insert(Admitted { messages: 0, next, early: 0 });
        admitted.messages += 1;
        admitted.early += usize::from(early);
        admitted.next = next;
        // A repeat of what is still in flight is below `next`, and leaves it.
        admitted.next += u64::from(number == admitted.next);
        Admission::Accepted(Ticket { slot, early })
    }

    /// Takes room for one early message of the rocket at `slot`.
    fn reserve_buffer(&self, slot: Option<Slot>) -> Result<(), Refusal> {
        let waiting = slot.map_or(0, |slot| {
            let in_flight = self.admitted.get(&slot).map_or(0, |admitted| admitted.early);
            self.rockets.get(slot).reorder.buffered() + in_flight
        });
        let limit = self.quotas.buffered_per_rocket;
        if waiting >= limit {
            return Err(Refusal::RocketBufferFull { limit });
        }
        if !self.quotas.buffered.try_take() {
            return Err(Refusal::FleetBufferFull { limit: self.quotas.buffered.limit() });
        }
        Ok(())
    }

    /// Folds an admitted message in, with every message that waited for it.
    /// `observer` hears of all of it.
    pub fn apply(
        &mut self,
        ticket: Ticket,
        report: Report,
        observer: &mut impl Observer,
    ) -> Outcome {
        self.count_out(ticket);
        let Ticket { slot, .. } = ticket;
        let kind = report.event.kind();
        let tracked = self.rockets.get_mut(slot);
        let before = Standing::of(tracked);
        let Tracked { channel, reorder, rocket, changed, .. } = tracked;
        let (mut passed, mut launched) = (0, false);
        let (number, waited) = (report.number, reorder.waiting_since());
        let mut last = reorder.next() - 1;
        let place = reorder.offer(report, |report| {
            passed += 1;
            let Report { number, time, .. } = report;
            let effect = history::apply(
                &mut self.history,
                (slot, last),
                rocket,
                report,
                &mut self.vocabulary,
            );
            last = number;
            launched |= effect == Effect::Launched;
            let vocabulary = &self.vocabulary;
            observer.folded(&Folded { slot, channel, number, time, effect, rocket, vocabulary });
        });
        *changed |= place != Place::Known;
        if place == Place::Known && reorder.is_lost(number) {
            observer.late(channel, number);
        }
        self.census.moved(before, Standing::of(tracked));
        if launched {
            self.listed.insert(&self.rockets, slot);
        }
        if waited.is_some() || place == Place::Early {
            self.follow_gap(slot, waited, place);
        }
        // Room in the buffers that is free now: that of the messages which
        // waited until now, and that of this one if it need not wait.
        let released = match place {
            Place::Next => passed - 1 + usize::from(ticket.early),
            Place::Early => {
                if !ticket.early {
                    self.quotas.buffered.take(1);
                }
                0
            }
            Place::Known => usize::from(ticket.early),
        };
        if released > 0 {
            self.quotas.buffered.give_back(released);
        }
        let outcome = match place {
            Place::Next => Outcome::Applied,
            Place::Early => Outcome::Buffered,
            Place::Known => Outcome::Duplicate,
        };
        observer.taken(slot, kind, outcome);
        outcome
    }

    /// Takes back the admission of the message with this number: it could not be
    /// kept, and nothing becomes of it. Those behind it go on.
    pub fn withdraw(&mut self, ticket: Ticket, number: u64) {
        self.count_out(ticket);
        if ticket.early {
            self.quotas.buffered.give_back(1);
        } else if let Some(admitted) = self.admitted.get_mut(&ticket.slot) {
            // It is awaited again, unless a repeat of it is in flight too. What
            // was admitted as its successor is early by now: `apply` finds that.
            admitted.next = admitted.next.min(number);
        }
        if !self.admitted.contains_key(&ticket.slot) && self.rockets.get(ticket.slot).is_blank() {
            self.forget(ticket.slot);
        }
    }

    /// Forgets a channel that nothing was kept of, and gives its place back.
    fn forget(&mut self, slot: Slot) {
        let hash = self.hasher.hash_one(&self.rockets.get(slot).channel);
        let found = self.by_channel[piece(hash)].find_entry(hash, |&other| other == slot);
        found.expect("every channel that is not forgotten is in the index").remove();
        if let Some(history) = &mut self.history {
            history.forget(slot);
        }
        self.vacant.push(slot);
        self.quotas.rockets.give_back(1);
        self.census.disappear();
    }

    /// Counts a message out of what is in flight.
    fn count_out(&mut self, ticket: Ticket) {
        // What is replayed was admitted in an earlier run.
        if let Some(admitted) = self.admitted.get_mut(&ticket.slot) {
            admitted.messages -= 1;
            admitted.early -= usize::from(ticket.early);
            if admitted.messages == 0 {
                self.admitted.remove(&ticket.slot);
            }
        }
    }

    fn find(&self, channel: &Channel) -> Option<Slot> {
        let hash = self.hasher.hash_one(channel);
        let is_it = |&slot: &Slot| self.rockets.get(slot).channel == *channel;
        self.by_channel[piece(hash)].find(hash, is_it).copied()
    }

    /// Makes room for a new channel; `None` when the fleet is full.
    fn insert(&mut self, channel: Channel) -> Option<Slot> {
        if !self.quotas.rockets.try_take() {
            return None;
        }
        let Some(slot) = self.vacant.pop() else {
            let row_id = self.quotas.row_ids.give();
            return Some(self.push(Tracked::new(channel, row_id)));
        };
        // Its row was never written, for nothing of it was kept.
        let vacant = self.rockets.get_mut(slot);
        *vacant = Tracked::new(channel, vacant.row_id);
        self.index(slot);
        self.census.appear();
        Some(slot)
    }

    fn push(&mut self, tracked: Tracked) -> Slot {
        self.census.appear();
        self.census.moved(Standing::BLANK, Standing::of(&tracked));
        let slot = self.rockets.push(tracked);
        if let Some(history) = &mut self.history {
            history.appear(slot);
        }
        self.index(slot);
        slot
    }

    /// Has the rocket at `slot` be found by its channel.
    fn index(&mut self, slot: Slot) {
        let hash = self.hasher.hash_one(&self.rockets.get(slot).channel);
        let hash_of = |&slot: &Slot| self.hasher.hash_one(&self.rockets.get(slot).channel);
        self.by_channel[piece(hash)].insert_unique(hash, slot, hash_of);
    }

    /// What is known of one channel.
    #[must_use]
    pub fn lookup(&self, channel: &Channel) -> Lookup {
        let Some(slot) = self.find(channel) else { return Lookup::Unknown };
        match (self.view(slot), self.rockets.get(slot)) {
            (Some(view), _) => Lookup::Found(Box::new(view)),
            // Admitted, but nothing of it is durable yet.
            (None, tracked) if tracked.is_blank() => Lookup::Unknown,
            (None, tracked) => {
                let reorder = &tracked.reorder;
                let lost_messages = reorder.lost().map_or(0, Lost::count);
                Lookup::NotLaunched { buffered_messages: reorder.buffered(), lost_messages }
            }
        }
    }

    /// The number of launched rockets.
    #[must_use]
    pub fn launched(&self) -> usize {
        self.listed.len()
    }

    /// The number of slots; each below it holds a rocket, launched or not, or what
    /// is left of one of which nothing was kept.
    #[must_use]
    pub fn slots(&self) -> Slot {
        self.rockets.len()
    }

    /// The rocket at `slot` as a reader sees it; `None` before its launch.
    #[must_use]
    pub fn view(&self, slot: Slot) -> Option<RocketView> {
        self.view_if(slot, &Filter::default())
    }

    /// As [`Roster::view`], but only of a rocket that `filter` admits.
    #[must_use]
    pub fn view_if(&self, slot: Slot, filter: &Filter) -> Option<RocketView> {
        let Tracked { channel, reorder, rocket, .. } = self.rockets.get(slot);
        let flight = rocket.flight.as_ref()?;
        if !filter.admits_wait(reorder.buffered() > 0) || !filter.admits_id(channel) {
            return None;
        }
        let rocket_type = self.vocabulary.types.get(&flight.rocket_type);
        let mission = self.vocabulary.missions.get(&flight.mission);
        filter
            .admits(rocket_type, mission, Status::of(flight))
            .then(|| RocketView::of(channel, reorder, rocket, &self.vocabulary))
            .flatten()
    }
}

/// The piece of the channel index that a hash belongs to. The table within
/// uses the lowest and the highest bits, so this takes some between.
fn piece(hash: u64) -> usize {
    (hash >> 40) as usize % INDEX_PIECES
}
