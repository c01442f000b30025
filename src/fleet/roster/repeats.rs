//! What becomes of a message whose number is known. Does not own what is remembered
//! of earlier ones (`conflicts`).

use super::slot::Slot;
use super::{Admission, Roster};
use crate::telemetry::Report;

impl Roster {
    /// From now on repeats are compared with what they repeat.
    pub fn compare_repeats(&mut self) {
        self.conflicts.begin();
    }

    /// Which kind of repeat it is.
    pub(super) fn repeated(&mut self, slot: Slot, report: &Report) -> Admission {
        let reorder = &self.rockets.get(slot).reorder;
        if reorder.is_lost(report.number) {
            return Admission::Late;
        }
        let conflicting = if let Some(first) = reorder.waiting_event(report.number) {
            self.conflicts.differs(slot, first, &report.event)
        } else {
            let note = self.conflicts.note(slot, report);
            self.conflicts.contradicts(slot, note)
        };
        if conflicting { Admission::Conflicting(slot) } else { Admission::Known }
    }
}
