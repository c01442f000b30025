//! Which rockets of a roster wait for a missing message, and for how long: keeps
//! the order of waits (`gaps`) true, and answers from it.

use super::Roster;
use super::gaps::GapKey;
use super::slot::Slot;
use super::tracked::Tracked;
use crate::fleet::query::{GapPart, GapSelection};
use crate::fleet::view::GapView;
use crate::telemetry::Timestamp;
use crate::telemetry::reorder::Place;

impl Roster {
    /// Keeps track of the wait of the rocket at `slot`, which has waited since
    /// `waited` when a message came that stood at `place`.
    pub(super) fn follow_gap(&mut self, slot: Slot, waited: Option<Timestamp>, place: Place) {
        if let Some(since) = waited {
            if place != Place::Next {
                return;
            }
            self.gaps.end(slot, since);
        }
        let reorder = &mut self.rockets.get_mut(slot).reorder;
        if reorder.buffered() > 0 {
            reorder.wait_since(self.gaps.begin(slot));
        }
        self.census.waits_since(self.gaps.oldest());
    }

    /// Has the rocket at `slot`, if it waits, wait since when it was stored to, or
    /// from now on if that is not known.
    pub(super) fn restore_gap(&mut self, slot: Slot, since: Option<Timestamp>) {
        let Some(since) = since else { return self.follow_gap(slot, None, Place::Early) };
        let reorder = &mut self.rockets.get_mut(slot).reorder;
        reorder.wait_since(self.gaps.resume(slot, since));
        self.census.waits_since(self.gaps.oldest());
    }

    /// Slots of all that wait, if they are no more than `most`.
    #[must_use]
    pub fn few_waiting(&self, most: usize) -> Option<Vec<Slot>> {
        (self.gaps.len() <= most).then(|| self.gaps.after(None).map(|key| key.slot).collect())
    }

    /// How many rockets wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.gaps.len()
    }

    /// The place of the rocket that began to wait last.
    #[must_use]
    pub fn last_gap(&self) -> Option<GapKey> {
        self.gaps.last()
    }

    /// Places of rockets that began to wait after the one at `key`, or all, in
    /// order.
    pub fn gaps_after(&self, key: Option<GapKey>) -> impl Iterator<Item = GapKey> {
        self.gaps.after(key)
    }

    /// What a rocket waits for, unless conditions leave it out.
    #[must_use]
    pub fn gap_if(&self, key: GapKey, selection: &GapSelection) -> Option<GapView> {
        self.gap_at(key.slot, selection)
    }

    fn gap_at(&self, slot: Slot, selection: &GapSelection) -> Option<GapView> {
        let Tracked { channel, reorder, .. } = self.rockets.get(slot);
        let gap = GapView::of(channel, reorder)?;
        if selection.launch_missing.is_some_and(|wanted| wanted != gap.launch_missing) {
            return None;
        }
        let filter = &selection.filter;
        let admitted = match self.candidate(slot) {
            Some(launched) => filter.admits(&launched),
            None => filter.admits_unlaunched(channel),
        };
        admitted.then_some(gap)
    }

    /// A page that takes no walk: of the one with some ID, or of all, in
    /// O(limit). `selection` must be [indexed](GapSelection::is_indexed).
    #[must_use]
    pub fn gaps_by_index(&self, selection: &GapSelection) -> GapPart {
        let mut part = GapPart::default();
        if let Some(id) = &selection.filter.id {
            let found = self.find(id).and_then(|slot| self.gap_at(slot, selection));
            part.total = usize::from(found.is_some());
            if let Some(gap) = found {
                part.add(gap, selection);
            }
            return part;
        }
        part.total = self.waiting();
        for key in self.gaps.from(selection.after.as_ref().map(|after| after.since)) {
            if part.more {
                break;
            }
            let gap = self.gap_at(key.slot, selection).expect("all that wait are in the order");
            part.add(gap, selection);
        }
        part
    }
}
