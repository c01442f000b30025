//! Which rockets of a partition have changed, for the feed: its worker's side. An
//! observer that marks them while somebody listens, and gives them out, a slice at
//! a time, when the feed asks. Does not own what is told of them, nor to whom.
//!
//! A rocket is marked once however often it changes, and is looked at when it is
//! given out: of many changes the latest is told.

use std::collections::VecDeque;
use std::sync::Arc;

use super::changed::{Changed, Changes, Lane};
use super::listening::Listening;
use crate::fleet::observer::{Folded, Observer};
use crate::fleet::outcome::{Outcome, Skipped};
use crate::fleet::roster::Roster;
use crate::fleet::roster::slot::Slot;
use crate::fleet::view::Status;
use crate::telemetry::Channel;
use crate::telemetry::message::Kind;
use crate::telemetry::rocket::Effect;

/// Most rockets that are looked at before messages get their turn again: some
/// 0.05 ms of work.
pub const SLICE: usize = 256;

/// Most explosions that wait to be told, for each lane; beyond it whoever listens
/// has to list again.
const MOST_URGENT: usize = 1 << 16;

/// See the module.
#[derive(Debug)]
pub struct Marks {
    listening: Arc<Listening>,
    lanes: [Marked; Lane::EVERY.len()],
}

/// What has changed and was not given out, for one lane.
#[derive(Debug, Default)]
struct Marked {
    /// A bit for each slot.
    bits: Vec<u64>,
    /// Slots in the order in which they were marked; those whose bit is gone do not
    /// count.
    queue: VecDeque<Slot>,
    /// What goes first.
    urgent: VecDeque<Urgent>,
    overrun: bool,
}

#[derive(Debug)]
enum Urgent {
    Exploded(Slot),
}

impl Marks {
    /// None yet.
    #[must_use]
    pub fn new(listening: Arc<Listening>) -> Self {
        Self { listening, lanes: Default::default() }
    }

    #[cold]
    fn mark(&mut self, slot: Slot, channel: Option<&Channel>, exploded: bool) {
        for lane in Lane::EVERY {
            let is_wanted = self.listening.has(lane)
                && (lane != Lane::Named
                    || channel.is_none_or(|channel| self.listening.may_be_named(channel)));
            if is_wanted {
                self.lanes[lane as usize].mark(slot, exploded);
            }
        }
    }

    /// Gives out some of what has changed, at most `limit`; explosions first. If
    /// nobody listens any more, forgets all of it.
    pub fn take(&mut self, lane: Lane, limit: usize, roster: &Roster) -> Changes {
        let marked = &mut self.lanes[lane as usize];
        if !self.listening.has(lane) {
            // What is marked from when somebody listens again on comes after this.
            *marked = Marked::default();
            return Changes::default();
        }
        marked.take(limit.min(SLICE), roster)
    }
}

impl Marked {
    fn mark(&mut self, slot: Slot, exploded: bool) {
        if exploded {
            if self.urgent.len() < MOST_URGENT {
                self.urgent.push_back(Urgent::Exploded(slot));
            } else {
                self.overrun = true;
            }
            return;
        }
        let (word, bit) = place(slot);
        if word >= self.bits.len() {
            self.bits.resize((word + 1).next_power_of_two(), 0);
        }
        if self.bits[word] & bit == 0 {
            self.bits[word] |= bit;
            self.queue.push_back(slot);
        }
    }

    /// Takes the mark away. Whether there was one.
    fn unmark(&mut self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        let Some(bits) = self.bits.get_mut(word) else { return false };
        let was_marked = *bits & bit != 0;
        *bits &= !bit;
        was_marked
    }

    fn take(&mut self, limit: usize, roster: &Roster) -> Changes {
        let mut changed = Vec::new();
        while changed.len() < limit
            && let Some(Urgent::Exploded(slot)) = self.urgent.pop_front()
        {
            self.unmark(slot);
            changed.extend(roster.view(slot).map(|rocket| match rocket.status {
                Status::Exploded => Changed::Exploded(rocket),
                Status::Launched => Changed::Rocket(rocket),
            }));
        }
        let mut visited = 0;
        while changed.len() < limit
            && visited < SLICE
            && let Some(slot) = self.queue.pop_front()
        {
            visited += 1;
            if self.unmark(slot) {
                // What was not launched yet is not shown.
                changed.extend(roster.view(slot).map(Changed::Rocket));
            }
        }
        let more = !(self.urgent.is_empty() && self.queue.is_empty());
        Changes { changed, more, overrun: std::mem::take(&mut self.overrun) }
    }
}

fn place(slot: Slot) -> (usize, u64) {
    (slot as usize / 64, 1 << (slot % 64))
}

impl Observer for Marks {
    fn folded(&mut self, folded: &Folded<'_>) {
        if self.listening.lanes() != 0 {
            let has_exploded =
                || folded.rocket.flight.as_ref().is_some_and(|flight| flight.explosion.is_some());
            let exploded = folded.effect == Effect::Updated && has_exploded();
            self.mark(folded.slot, Some(folded.channel), exploded);
        }
    }

    fn taken(&mut self, slot: Slot, _: Kind, outcome: Outcome) {
        // What was applied was folded.
        if outcome == Outcome::Buffered && self.listening.lanes() != 0 {
            self.mark(slot, None, false);
        }
    }

    fn lost(&mut self, slot: Slot, channel: &Channel, _: Skipped) {
        if self.listening.lanes() != 0 {
            self.mark(slot, Some(channel), false);
        }
    }
}
