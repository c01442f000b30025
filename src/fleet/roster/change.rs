//! What follows for a roster once a rocket has changed, whatever changed it: a message,
//! or numbers that were declared lost. Owns that whoever follows rockets hears of every
//! change; does not own who that is, nor the change itself (`mod`, `skips`).

use super::Roster;
use super::census::Standing;
use super::digest;
use super::slot::Slot;
use super::tracked::Tracked;
use crate::fleet::observer::Observer;
use crate::telemetry::Timestamp;
use crate::telemetry::reorder::Place;

/// What a rocket was before a change; to be handed back after it.
pub(super) struct Before {
    standing: Standing,
    worth: digest::Before,
    waited: Option<Timestamp>,
}

impl Roster {
    /// The rocket at `slot` may change.
    pub(super) fn before(&mut self, slot: Slot) -> Before {
        let tracked = self.rockets.get(slot);
        Before {
            standing: Standing::of(tracked),
            worth: self.digest.before(tracked, &self.vocabulary),
            waited: tracked.reorder.waiting_since(),
        }
    }

    /// It has changed, by something that stood at `place`, and maybe `launched` by that.
    pub(super) fn has_changed(
        &mut self,
        slot: Slot,
        Before { standing, worth, waited }: Before,
        (place, launched): (Place, bool),
        observer: &mut impl Observer,
    ) {
        let tracked = self.rockets.get_mut(slot);
        tracked.row.outdate();
        self.digest.moved(worth, tracked, &self.vocabulary);
        let after = Standing::of(tracked);
        self.census.moved(standing, after);
        if after.exploded {
            self.quiet.heard_of(slot);
        }
        if launched {
            self.listed.insert(&self.rockets, slot);
        }
        if waited.is_some() || place == Place::Early {
            self.follow_gap(slot, waited, place);
            let Tracked { channel, reorder, .. } = self.rockets.get(slot);
            if waited.is_some() != (reorder.buffered() > 0) {
                observer.turned(slot, channel);
            }
        }
    }
}
