//! A roster's way to the journal's store and back: what changed since the last
//! checkpoint, and building a roster from what a restart recovered.
//!
//! What was accepted once is kept, so the bounds are counted here and not
//! enforced: a fleet that was recovered under smaller bounds is over them until
//! it shrinks.

use super::roster::{Roster, Slot, Ticket, Tracked};
use crate::journal::{StoredFlight, StoredRocket};
use crate::telemetry::Message;
use crate::telemetry::reorder::Reorder;
use crate::telemetry::rocket::{Flight, Rocket};

/// Most rockets stored at once, so that a commit which rides along need not
/// wait for long: some 0.5 ms.
const SLICE: usize = 128;

/// Most buffered messages stored at once, for the same reason; one rocket may
/// have more.
const SLICE_MESSAGES: usize = 4096;

/// Most rockets looked at before messages get their turn again.
const MAX_VISITED: Slot = 8192;

impl Roster {
    /// The rockets that changed, from slot `from` on: a slice of them, and the
    /// slot to go on with. They count as unchanged from now on.
    pub fn take_changed(&mut self, from: Slot) -> (Vec<StoredRocket>, Slot) {
        let end = self.slots().min(from.saturating_add(MAX_VISITED));
        let mut slice = Vec::new();
        let mut messages = 0;
        for slot in from..end {
            if slice.len() == SLICE || messages >= SLICE_MESSAGES {
                return (slice, slot);
            }
            let tracked = self.rockets.get_mut(slot);
            if std::mem::take(&mut tracked.changed) {
                messages += tracked.reorder.buffered();
                slice.push(self.stored(slot));
            }
        }
        (slice, end)
    }

    fn stored(&self, slot: Slot) -> StoredRocket {
        let Tracked { channel, reorder, rocket, key, .. } = self.rockets.get(slot);
        let vocabulary = &self.vocabulary;
        StoredRocket {
            key: *key,
            channel: channel.clone(),
            last_message_number: reorder.next() - 1,
            last_update_time: rocket.last_update_time,
            flight: rocket.flight.as_ref().map(|flight| StoredFlight {
                launch_time: flight.launch_time,
                speed: flight.speed,
                rocket_type: vocabulary.types.get(&flight.rocket_type).clone(),
                mission: vocabulary.missions.get(&flight.mission).clone(),
                explosion_reason: flight
                    .explosion
                    .as_ref()
                    .map(|reason| vocabulary.reasons.get(reason).clone()),
            }),
            buffered: reorder.waiting().cloned().collect(),
        }
    }

    /// Adds a rocket as it was stored. Its channel must not be there yet, and
    /// its key must be reserved.
    pub fn restore(&mut self, stored: StoredRocket) {
        self.quotas.rockets.take(1);
        let mut reorder = Reorder::resume(stored.last_message_number + 1);
        self.quotas.buffered.take(stored.buffered.len());
        for report in stored.buffered {
            // Stored while it waited, so nothing passes here.
            reorder.offer(report, drop);
        }
        let launched = stored.flight.is_some();
        let vocabulary = &mut self.vocabulary;
        let flight = stored.flight.map(|flight| Flight {
            launch_time: flight.launch_time,
            speed: flight.speed,
            rocket_type: vocabulary.types.acquire(&flight.rocket_type),
            mission: vocabulary.missions.acquire(&flight.mission),
            explosion: flight.explosion_reason.map(|reason| vocabulary.reasons.acquire(&reason)),
        });
        let slot = self.push(Tracked {
            channel: stored.channel,
            reorder,
            rocket: Rocket { last_update_time: stored.last_update_time, flight },
            key: stored.key,
            changed: false,
        });
        if launched {
            self.put_in_launch_order(slot);
        }
    }

    /// Applies a message that the journal kept, unless it is part of a stored
    /// rocket already.
    pub fn replay(&mut self, message: Message) {
        let slot = self.find(&message.channel).unwrap_or_else(|| {
            self.quotas.rockets.take(1);
            let key = self.quotas.keys.give();
            self.push(Tracked::new(message.channel, key))
        });
        // Anomalies were counted and logged when the message came.
        self.apply(Ticket::unreserved(slot), message.report, |_, _, _| {});
    }
}
