//! The rockets of one partition: their state, their order, their bounds.
//!
//! Synchronous, and owned by one worker. A message goes through in two steps,
//! with the journal in between: [`Roster::admit`] decides whether it is
//! accepted and changes nothing that a reader sees; [`Roster::apply`] folds it
//! in. Several batches may be between the two, so what is admitted and not yet
//! applied is counted, and the bounds hold for both together.
//!
//! * [`slot`]: where a rocket stands; `chunked`: the list of slots; `tracked`: one rocket.
//! * `admission`: what becomes of a message before it is applied; `change`: what
//!   follows once a rocket has changed.
//! * [`census`]: how many rockets are in which state.
//! * `digest`: what nodes of a cluster compare of it.
//! * `listed`: launched rockets in the orders that listings have; `sorted`: one order;
//!   `by_index`: what is answered from them; [`Candidate`]: what walks look at.
//! * `gaps`: the order of those that wait; `waits`: keeps it; `skips`: what is given up.
//! * `places`: who has a place; `forget`: who leaves it; `quiet`: who may, by now.
//! * `repeats`: messages whose number is known; `conflicts`: those that say something
//!   else than what they repeat.
//! * `snapshot`: what a checkpoint stores, and back.

mod admission;
mod by_index;
mod candidate;
pub mod census;
mod change;
mod chunked;
mod conflicts;
mod digest;
mod forget;
mod gaps;
mod history;
mod listed;
mod missions;
mod past;
mod places;
mod quiet;
mod repeats;
mod skips;
pub mod slot;
mod snapshot;
mod sorted;
mod tracked;
mod waits;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;

use self::admission::Admitted;
pub use self::admission::{Admission, Ticket};
pub use self::candidate::Candidate;
use self::census::Census;
use self::chunked::Chunked;
use self::conflicts::Conflicts;
use self::digest::Digest;
pub use self::digest::FORM as DIGEST_FORM;
pub use self::gaps::GapKey;
use self::gaps::Gaps;
use self::history::History;
use self::listed::Listed;
use self::quiet::Quiet;
use self::slot::{BySlot, Slot};
pub use self::snapshot::Slice;
use self::tracked::Tracked;
use super::limits::Quotas;
use super::observer::{Folded, Observer};
use super::outcome::{Outcome, Refusal};
use super::view::Lookup;
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
    admitted: HashMap<Slot, Admitted, BySlot>,
    /// Slots of which no channel is known any more, for the next new ones.
    vacant: Vec<Slot>,
    /// Rows of the journal's store that hold nothing, for the next new rockets.
    free_rows: Vec<u32>,
    /// Rows of rockets that are gone, to be emptied by the next checkpoint.
    gone: Vec<u32>,
    conflicts: Conflicts,
    /// Exploded rockets by when something was heard of them last.
    quiet: Quiet,
    /// `None` if nothing of it is kept.
    history: Option<History>,
    quotas: Arc<Quotas>,
    census: Census,
    /// Nothing outside of a cluster.
    digest: Digest,
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
            admitted: HashMap::default(),
            vacant: Vec::new(),
            free_rows: Vec::new(),
            gone: Vec::new(),
            conflicts: Conflicts::default(),
            quiet: Quiet::followed_if(quotas.follows_quiet()),
            history: History::bounded(&quotas),
            digest: Digest::kept_if(quotas.keeps_digests()),
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

    /// The digest of what is folded; 0 if none is kept.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.sum()
    }

    /// The same, made by a walk over all rockets, in O(rockets).
    #[must_use]
    pub fn digest_anew(&self) -> u64 {
        let rockets = (0..self.slots()).map(|slot| self.rockets.get(slot));
        Digest::anew(rockets, &self.vocabulary)
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
            return slot.map_or(Admission::Known, |slot| self.repeated(slot, &message.report));
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
        self.fold(ticket, report, observer)
    }

    /// The same of what was not admitted here.
    fn fold(&mut self, ticket: Ticket, report: Report, observer: &mut impl Observer) -> Outcome {
        let Ticket { slot, .. } = ticket;
        let kind = report.event.kind();
        let note = self.conflicts.note(slot, &report);
        let before = self.before(slot);
        let Tracked { channel, reorder, rocket, .. } = self.rockets.get_mut(slot);
        let (mut passed, mut launched) = (0, false);
        let number = report.number;
        let mut last = reorder.next() - 1;
        let place = reorder.offer(report, |report| {
            passed += 1;
            let (number, time, kind) = (report.number, report.time, report.event.kind());
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
            let folded = Folded { slot, channel, number, time, kind, effect, rocket, vocabulary };
            observer.folded(&folded);
        });
        if place == Place::Known {
            if reorder.is_lost(number) {
                observer.late(channel, number);
            } else if self.conflicts.contradicts(slot, note) {
                observer.conflicting(slot, channel, number);
            }
        } else {
            self.conflicts.keep(note);
            self.has_changed(slot, before, (place, launched), observer);
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

    /// Counts a message out of what is in flight.
    fn count_out(&mut self, ticket: Ticket) {
        // What is replayed was admitted in an earlier run.
        if let Entry::Occupied(mut entry) = self.admitted.entry(ticket.slot) {
            let admitted = entry.get_mut();
            admitted.messages -= 1;
            admitted.early -= usize::from(ticket.early);
            if admitted.messages == 0 {
                entry.remove();
            }
        }
    }

    fn find(&self, channel: &Channel) -> Option<Slot> {
        let hash = self.hasher.hash_one(channel);
        let is_it = |&slot: &Slot| self.rockets.get(slot).channel == *channel;
        self.by_channel[piece(hash)].find(hash, is_it).copied()
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
}

/// The piece of the channel index that a hash belongs to. The table within
/// uses the lowest and the highest bits, so this takes some between.
fn piece(hash: u64) -> usize {
    (hash >> 40) as usize % INDEX_PIECES
}
