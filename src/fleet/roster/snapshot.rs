//! Snapshots of a roster's rockets: of what changed since the last checkpoint,
//! and back into a roster when a restart recovered them.
//!
//! What was accepted once is kept, so the bounds are counted here and not
//! enforced: a fleet that was recovered under smaller bounds is over them until
//! it shrinks.

use super::history::History;
use super::slot::Slot;
use super::tracked::{Row, Tracked};
use super::{Roster, Ticket};
use crate::fleet::observer::Observer;
use crate::journal::RocketSnapshot;
use crate::telemetry::Message;
use crate::telemetry::reorder::{Place, Reorder};
use crate::telemetry::rocket::{Flight, Rocket};

/// Most rockets stored at once, so that a commit which rides along need not
/// wait for long: some 0.5 ms.
const SLICE: usize = 128;

/// Most buffered messages stored at once, for the same reason; one rocket may
/// have more.
const SLICE_MESSAGES: usize = 4096;

/// Most rows emptied at once, for the same reason.
const SLICE_DISCARDED: usize = 1024;
/// Bytes of what is kept of the recent past that are stored in the time of one such
/// message.
const HISTORY_BYTES: usize = 100;

/// Most rockets looked at before messages get their turn again.
const MAX_VISITED: Slot = 8192;

/// What is stored at once.
pub struct Slice {
    /// As they are to be stored.
    pub rockets: Vec<RocketSnapshot>,
    /// Where they are.
    pub slots: Vec<Slot>,
    /// Rows to be emptied; then nothing is to be stored.
    pub discarded: Vec<u32>,
    /// Where the next slice begins.
    pub next: Slot,
}

impl Roster {
    /// The rockets that changed, from slot `from` on: a slice of them. They count
    /// as unchanged from now on. But first come the rows of those that are gone: a
    /// rocket that is new on the channel of one must not be stored beside it.
    pub fn take_changed(&mut self, from: Slot) -> Slice {
        let mut slice =
            Slice { rockets: Vec::new(), slots: Vec::new(), discarded: Vec::new(), next: from };
        if !self.gone.is_empty() {
            slice.discarded = self.gone.split_off(self.gone.len().saturating_sub(SLICE_DISCARDED));
            return slice;
        }
        let end = self.slots().min(from.saturating_add(MAX_VISITED));
        slice.next = end;
        let mut messages = 0;
        for slot in from..end {
            if slice.slots.len() == SLICE || messages >= SLICE_MESSAGES {
                slice.next = slot;
                break;
            }
            let tracked = self.rockets.get_mut(slot);
            if tracked.row.renew() {
                messages += tracked.reorder.buffered();
                let snapshot = self.snapshot(slot);
                messages += snapshot.history.len() / HISTORY_BYTES;
                slice.rockets.push(snapshot);
                slice.slots.push(slot);
            }
        }
        slice
    }

    /// Has the rockets at `slots`, of a slice that was not stored, count as
    /// changed again; some may be gone meanwhile, and others in their places.
    pub fn put_back(&mut self, slots: &[Slot]) {
        for &slot in slots {
            let tracked = self.rockets.get_mut(slot);
            if !tracked.is_blank() {
                tracked.row.outdate();
            }
        }
    }

    /// Has the rows of a slice that did not become durable be emptied again.
    pub fn put_rows_back(&mut self, discarded: Vec<u32>) {
        self.gone.extend(discarded);
    }

    /// Rows hold nothing any more.
    pub fn rows_are_free(&mut self, discarded: Vec<u32>) {
        self.free_rows.extend(discarded);
    }

    /// The rocket at `slot`, if there is one.
    #[must_use]
    pub fn kept(&self, slot: Slot) -> Option<RocketSnapshot> {
        (!self.rockets.get(slot).is_blank()).then(|| self.snapshot(slot))
    }

    fn snapshot(&self, slot: Slot) -> RocketSnapshot {
        let Tracked { channel, reorder, rocket, row } = self.rockets.get(slot);
        let flight = rocket.flight.as_ref();
        let (last_message_number, is_launched) = (reorder.next() - 1, flight.is_some());
        let stored = |history: &History| history.stored(slot, (last_message_number, is_launched));
        RocketSnapshot {
            row_id: row.id(),
            channel: channel.clone(),
            last_message_number,
            last_update_time: rocket.last_update_time,
            flight: flight.map(|flight| flight.snapshot(&self.vocabulary)),
            buffered: reorder.waiting().collect(),
            waiting_since: reorder.waiting_since(),
            lost: reorder.lost().cloned().unwrap_or_default(),
            quiet_since: self.quiet.of(slot),
            history: self.history.as_ref().map_or_else(Vec::new, stored),
        }
    }

    /// Adds a rocket as it was stored. Its channel must not be there yet, and
    /// its row ID must be reserved.
    pub fn restore(&mut self, snapshot: RocketSnapshot) {
        self.quotas.rockets.take(1);
        let mut reorder = Reorder::resume(snapshot.last_message_number + 1, snapshot.lost);
        self.quotas.buffered.take(snapshot.buffered.len());
        for report in snapshot.buffered {
            let place = reorder.offer(report, |_| unreachable!("it was stored while it waited"));
            assert_eq!(place, Place::Early, "a message waits once");
        }
        let launched = snapshot.flight.is_some();
        let exploded = snapshot.flight.as_ref().is_some_and(|it| it.explosion_reason.is_some());
        let flight = snapshot.flight.map(|flight| Flight::restore(&flight, &mut self.vocabulary));
        let slot = self.settle(Tracked {
            channel: snapshot.channel,
            reorder,
            rocket: Rocket { last_update_time: snapshot.last_update_time, flight },
            row: Row::filled(snapshot.row_id),
        });
        if launched {
            self.listed.insert(&self.rockets, slot);
        }
        if let Some(history) = &mut self.history {
            history.restore(slot, &snapshot.history, (snapshot.last_message_number, launched));
        }
        self.restore_gap(slot, snapshot.waiting_since);
        if exploded && self.quiet.resume(slot, snapshot.quiet_since) {
            // So that the next start knows.
            self.rockets.get_mut(slot).row.outdate();
        }
    }

    /// Applies a message that the journal kept, unless it is part of a stored
    /// rocket already.
    pub fn replay(&mut self, message: Message) {
        // It was reported when the message came.
        self.deliver(message, &mut ());
    }

    /// Applies a message that was accepted elsewhere, or in another run. It counts
    /// whatever the bounds are. `observer` hears of it.
    pub fn deliver(&mut self, message: Message, observer: &mut impl Observer) {
        let slot = self.find(&message.channel).unwrap_or_else(|| {
            self.quotas.rockets.take(1);
            let row = self.free_row();
            self.settle(Tracked::new(message.channel, row))
        });
        // It has no room taken.
        let Message { report, .. } = message;
        self.fold(Ticket { slot, early: false }, report, observer);
    }
}
