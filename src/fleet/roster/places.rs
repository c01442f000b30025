//! Who has a place in a roster, and who leaves it. A place is a slot, a channel's
//! entry in the index, and a row of the journal's store; they are given on to the
//! next. Does not own what else is known of a rocket.

use super::census::Standing;
use super::digest::Before;
use super::slot::Slot;
use super::tracked::{Row, Tracked};
use super::{Roster, Ticket, piece};
use crate::telemetry::Channel;

impl Roster {
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
            self.vacate(ticket.slot);
        }
    }

    /// Makes room for a new channel; `None` when the fleet is full.
    pub(super) fn insert(&mut self, channel: Channel) -> Option<Slot> {
        if !self.quotas.rockets.try_take() {
            return None;
        }
        let row = self.free_row();
        Some(self.settle(Tracked::new(channel, row)))
    }

    /// A row of the store that holds nothing.
    pub(super) fn free_row(&mut self) -> Row {
        Row::empty(self.free_rows.pop().unwrap_or_else(|| self.quotas.row_ids.give()))
    }

    /// Gives a rocket its place. Its channel must not have one.
    pub(super) fn settle(&mut self, tracked: Tracked) -> Slot {
        self.census.appear();
        self.census.moved(Standing::BLANK, Standing::of(&tracked));
        self.digest.moved(Before::NOTHING, &tracked, &self.vocabulary);
        let slot = if let Some(slot) = self.vacant.pop() {
            *self.rockets.get_mut(slot) = tracked;
            slot
        } else {
            self.rockets.push(tracked)
        };
        let hash = self.hasher.hash_one(&self.rockets.get(slot).channel);
        let hash_of = |&slot: &Slot| self.hasher.hash_one(&self.rockets.get(slot).channel);
        self.by_channel[piece(hash)].insert_unique(hash, slot, hash_of);
        slot
    }

    /// Takes its place from a rocket of which nothing is known, nor in flight.
    pub(super) fn vacate(&mut self, slot: Slot) {
        let hash = self.hasher.hash_one(&self.rockets.get(slot).channel);
        let found = self.by_channel[piece(hash)].find_entry(hash, |&other| other == slot);
        found.expect("every channel that has a place is in the index").remove();
        let vacant = Tracked::new(Channel::from_uuid([0; 16]), Row::NONE);
        let left = std::mem::replace(self.rockets.get_mut(slot), vacant);
        self.give_row_back(&left);
        self.vacant.push(slot);
        self.quotas.rockets.give_back(1);
        self.census.disappear();
    }

    /// A rocket needs its row no longer; it is free once it holds nothing.
    pub(super) fn give_row_back(&mut self, left: &Tracked) {
        if left.row.is_filled() {
            self.gone.push(left.row.id());
        } else {
            self.free_rows.push(left.row.id());
        }
    }
}
