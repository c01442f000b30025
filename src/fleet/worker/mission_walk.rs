//! A walk for the figures of all missions: first over the rockets, if it is not
//! known anyway which speeds are the lowest and the highest, and then over the
//! missions.
//!
//! It goes on slice by slice, so that the worker can take messages in between. A
//! lowest or highest speed is one that a rocket had while the walk went on, and
//! exact if nothing moved. Does not own the merge (`query/mission_figures`).

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::fleet::query::{MissionRow, Slices};
use crate::fleet::roster::Roster;
use crate::fleet::roster::slot::Slot;
use crate::telemetry::mission_figures::Repair;

/// Rockets visited before messages get their turn again.
const ROCKETS: Slot = 1024;

/// Missions likewise; each is looked up by its text.
const MISSIONS: usize = 256;

/// A walk in progress.
pub(super) struct MissionWalk {
    reply: oneshot::Sender<Slices<MissionRow>>,
    stage: Stage,
    repair: Option<Repair>,
    rows: Slices<MissionRow>,
}

enum Stage {
    /// Nothing was done yet.
    New,
    /// At this rocket.
    Rockets(Slot),
    /// Behind this mission.
    Missions(Option<Arc<str>>),
}

impl MissionWalk {
    pub fn new(reply: oneshot::Sender<Slices<MissionRow>>) -> Self {
        Self { reply, stage: Stage::New, repair: None, rows: Slices::default() }
    }

    /// Visits the next slice. Returns the walk unless it is done: because all was
    /// seen and the part was sent, or because nobody waits for it.
    #[must_use]
    pub fn step(mut self, roster: &mut Roster) -> Option<Self> {
        if self.reply.is_closed() {
            self.end(roster);
            return None;
        }
        self.stage = match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::New => {
                self.repair = roster.begin_repair();
                if self.repair.is_some() { Stage::Rockets(0) } else { Stage::Missions(None) }
            }
            Stage::Rockets(from) => {
                let end = roster.slots().min(from.saturating_add(ROCKETS));
                (from..end).for_each(|slot| roster.see_speed(slot));
                if end < roster.slots() { Stage::Rockets(end) } else { Stage::Missions(None) }
            }
            Stage::Missions(after) => {
                let missions = roster.missions(after.as_deref(), MISSIONS);
                let last = missions.last().cloned();
                let is_done = missions.len() < MISSIONS;
                for mission in missions {
                    self.rows.push(roster.mission_row(mission, self.repair.as_ref()));
                }
                if is_done {
                    self.end(roster);
                    // Whoever asked may be gone by now, and needs no answer then.
                    let _ = self.reply.send(self.rows);
                    return None;
                }
                Stage::Missions(last)
            }
        };
        Some(self)
    }

    fn end(&self, roster: &mut Roster) {
        if let Some(repair) = &self.repair {
            roster.end_repair(repair);
        }
    }
}
