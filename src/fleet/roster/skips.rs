//! Numbers that are declared lost: in two steps, as messages are taken in, with
//! the journal in between. [`Roster::find_gap`] says what there is to skip and
//! changes nothing; [`Roster::skip`] does it, if it is so still.

use super::slot::Slot;
use super::tracked::Tracked;
use super::{Roster, history};
use crate::fleet::observer::{Folded, Observer};
use crate::fleet::outcome::{SkipRefusal, Skipped};
use crate::journal::Skip;
use crate::telemetry::reorder::Place;
use crate::telemetry::rocket::Effect;
use crate::telemetry::{Channel, Timestamp};

impl Roster {
    /// What the rocket on `channel` waits for, if it waits, and if it is `awaited`
    /// where that is given. What is in flight is left out of account: should it
    /// bring what is missing, nothing is skipped.
    ///
    /// # Errors
    /// [`SkipRefusal`] says what is there instead.
    pub fn find_gap(
        &self,
        channel: &Channel,
        awaited: Option<u64>,
    ) -> Result<(Slot, u64), SkipRefusal> {
        let slot = self.find(channel).ok_or(SkipRefusal::Unknown)?;
        let reorder = &self.rockets.get(slot).reorder;
        if reorder.waiting_since().is_none() {
            return Err(SkipRefusal::NothingMissing);
        }
        match reorder.next() {
            next if awaited.is_none_or(|awaited| awaited == next) => Ok((slot, next)),
            next => Err(SkipRefusal::Another { awaited: next }),
        }
    }

    /// Rockets that have waited since `before` or longer, and what for; at most
    /// `limit`, those that wait longest first.
    #[must_use]
    pub fn overdue(&self, before: Timestamp, limit: usize) -> Vec<(Slot, Skip)> {
        let overdue = self.gaps.from(None).take_while(|key| key.since() <= before);
        let skip = |slot| {
            let Tracked { channel, reorder, .. } = self.rockets.get(slot);
            (slot, Skip { channel: channel.clone(), awaited: reorder.next() })
        };
        overdue.take(limit).map(|key| skip(key.slot)).collect()
    }

    /// Declares lost what is missing from `awaited` to the first number that waits,
    /// and folds what waited for it in. `None`, and nothing happens, if another
    /// number is awaited by now. `observer` hears of all of it.
    pub fn skip(
        &mut self,
        slot: Slot,
        awaited: u64,
        observer: &mut impl Observer,
    ) -> Option<Skipped> {
        let before = self.before(slot);
        let Tracked { channel, reorder, rocket, .. } = self.rockets.get_mut(slot);
        let (mut passed, mut launched) = (0, false);
        let mut before_it = reorder.next() - 1;
        let (first, last) = reorder.skip(awaited, |report| {
            passed += 1;
            let (number, time, kind) = (report.number, report.time, report.event.kind());
            let place = (slot, before_it);
            let effect =
                history::apply(&mut self.history, place, rocket, report, &mut self.vocabulary);
            before_it = number;
            launched |= effect == Effect::Launched;
            let vocabulary = &self.vocabulary;
            let folded = Folded { slot, channel, number, time, kind, effect, rocket, vocabulary };
            observer.folded(&folded);
        })?;
        let skipped = Skipped { first, last };
        observer.lost(slot, channel, skipped);
        self.quotas.buffered.give_back(passed);
        self.has_changed(slot, before, (Place::Next, launched), observer);
        Some(skipped)
    }

    /// Does what the journal kept, unless it is part of a stored rocket already.
    pub fn replay_skip(&mut self, skip: &Skip) {
        if let Some(slot) = self.find(&skip.channel) {
            // It was reported when it was done.
            let _ = self.skip(slot, skip.awaited, &mut ());
        }
    }
}
