//! A walk over the rockets that wait, those that wait longest first, for
//! conditions that the index does not know. Ends with those that waited when it
//! began, so that new ones cannot keep it going.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::fleet::query::{GapPart, GapSelection};
use crate::fleet::roster::{GapKey, Roster};

/// Rockets visited before messages get their turn again: some 0.2 ms of work,
/// for they are all over the memory.
const SLICE: usize = 512;

/// A walk in progress.
pub(super) struct GapWalk {
    selection: Arc<GapSelection>,
    reply: oneshot::Sender<GapPart>,
    /// Visited last.
    at: Option<GapKey>,
    /// To be visited last; `None` before the walk began.
    end: Option<GapKey>,
    part: GapPart,
}

impl GapWalk {
    #[must_use]
    pub fn new(selection: Arc<GapSelection>, reply: oneshot::Sender<GapPart>) -> Self {
        Self { selection, reply, at: None, end: None, part: GapPart::default() }
    }

    /// Visits the next slice. Returns the walk unless it is done: because all
    /// were seen and the part was sent, or because nobody waits for it.
    #[must_use]
    pub fn step(mut self, roster: &Roster) -> Option<Self> {
        if self.reply.is_closed() {
            return None;
        }
        self.end = self.end.or_else(|| roster.last_gap());
        let end = self.end;
        let mut visited = 0;
        for key in roster.gaps_after(self.at).take_while(|&key| Some(key) <= end).take(SLICE) {
            visited += 1;
            self.at = Some(key);
            if let Some(gap) = roster.gap_if(key, &self.selection) {
                self.part.total += 1;
                self.part.add(gap, &self.selection);
            }
        }
        if visited == SLICE {
            return Some(self);
        }
        // Whoever asked may be gone by now, and needs no answer then.
        let _ = self.reply.send(self.part);
        None
    }
}
