//! Rockets that are forgotten: in two steps, as messages are taken in, with the
//! journal in between. [`Roster::may_forget`] says whether there is something to
//! forget and changes nothing; [`Roster::forget`] does it. Does not own why
//! (`fleet/retention.rs`, or somebody who asks for it).
//!
//! What comes of its channel afterwards begins anew at number 1, as if nothing had
//! ever been. Messages that are in flight meanwhile are behind it in the journal, so
//! they are what begins anew.

use super::Roster;
use super::census::Standing;
use super::slot::Slot;
use super::tracked::{Row, Tracked};
use crate::fleet::observer::Observer;
use crate::fleet::outcome::{Cause, ForgetRefusal};
use crate::fleet::view::{Seen, Silent};
use crate::journal::Forget;
use crate::telemetry::{Channel, Timestamp};

impl Roster {
    /// Whether there is something to forget; and if it must be as it was `seen`,
    /// whether it is, and nothing is in flight.
    ///
    /// # Errors
    /// [`ForgetRefusal`] says why not.
    pub fn may_forget(&self, channel: &Channel, seen: Option<Seen>) -> Result<(), ForgetRefusal> {
        let slot = self.find(channel).ok_or(ForgetRefusal::Unknown)?;
        let tracked = self.rockets.get(slot);
        if tracked.is_blank() {
            return Err(ForgetRefusal::Unknown);
        }
        let reorder = &tracked.reorder;
        let is_as_seen = |seen: Seen| {
            seen.last == reorder.next() - 1
                && seen.buffered as usize == reorder.buffered()
                && !self.admitted.contains_key(&slot)
        };
        if seen.is_none_or(is_as_seen) { Ok(()) } else { Err(ForgetRefusal::HeardOf) }
    }

    /// Forgets everything about a channel. Whether there was anything. `observer`
    /// hears of it.
    pub fn forget(
        &mut self,
        channel: &Channel,
        cause: Cause,
        observer: &mut impl Observer,
    ) -> bool {
        let Some(slot) = self.clear(channel) else { return false };
        self.census.forgotten(cause);
        observer.forgotten(slot, channel);
        true
    }

    /// Does what the journal kept. What of it is part of the stored rockets already
    /// makes no difference: everything behind it is replayed, too.
    pub fn replay_forget(&mut self, forget: &Forget) {
        // It was reported when it was done.
        let _ = self.clear(&forget.channel);
    }

    fn clear(&mut self, channel: &Channel) -> Option<Slot> {
        let slot = self.find(channel).filter(|&slot| !self.rockets.get(slot).is_blank())?;
        let tracked = self.rockets.get(slot);
        let before = Standing::of(tracked);
        let worth = self.digest.before(tracked, &self.vocabulary);
        if let Some(since) = tracked.reorder.waiting_since() {
            self.gaps.end(slot, since);
            self.census.waits_since(self.gaps.oldest());
            self.quotas.buffered.give_back(tracked.reorder.buffered());
        }
        if before.launched {
            self.listed.remove(&self.rockets, slot);
        }
        if let Some(history) = &mut self.history {
            history.forget(slot);
        }
        self.quiet.leave(slot);
        self.conflicts.leave(slot);
        self.census.moved(before, Standing::BLANK);
        let blank = Tracked::new(channel.clone(), Row::NONE);
        self.digest.moved(worth, &blank, &self.vocabulary);
        let left = std::mem::replace(self.rockets.get_mut(slot), blank);
        if let Some(admitted) = self.admitted.get_mut(&slot) {
            // Whatever is on its way will find that nothing is there any more.
            admitted.next = 1;
            self.give_row_back(&left);
            self.rockets.get_mut(slot).row = self.free_row();
        } else {
            self.rockets.get_mut(slot).row = left.row;
            self.vacate(slot);
        }
        if let Some(flight) = left.rocket.flight {
            flight.release(&mut self.vocabulary);
        }
        Some(slot)
    }

    /// Exploded rockets of which nothing was heard since `before`, the longest
    /// first; at most `limit`.
    #[must_use]
    pub fn silent(&self, before: Timestamp, limit: usize) -> Vec<Silent> {
        let overdue = self.quiet.since(before).take(limit);
        let shown = |(since, slot): (Timestamp, Slot)| {
            let rocket = self.view(slot).expect("only exploded rockets are followed");
            Silent { rocket, since }
        };
        overdue.map(shown).collect()
    }
}
