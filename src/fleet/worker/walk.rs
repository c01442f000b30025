//! Queries that no index answers, so that their rockets are walked over, a slice
//! at a time with messages in between; and the making of an index, which is such a
//! walk too. Does not own what a slice is.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::gap_walk::GapWalk;
use super::mission_walk::MissionWalk;
use super::scan::Scan;
use crate::fleet::query::{GapPart, GapSelection, MissionRow, Part, Selection, Slices};
use crate::fleet::roster::Roster;

/// A walk in progress.
pub(super) enum Walk {
    Rockets(Scan),
    Gaps(GapWalk),
    /// For queries to come: the order of IDs is made.
    OrderOfIds,
    Missions(MissionWalk),
}

impl Walk {
    pub fn over_rockets(selection: Arc<Selection>, reply: oneshot::Sender<Part>) -> Self {
        Self::Rockets(Scan::new(selection, reply))
    }

    pub fn over_gaps(selection: Arc<GapSelection>, reply: oneshot::Sender<GapPart>) -> Self {
        Self::Gaps(GapWalk::new(selection, reply))
    }

    pub fn over_missions(reply: oneshot::Sender<Slices<MissionRow>>) -> Self {
        Self::Missions(MissionWalk::new(reply))
    }

    /// Whether it ends in an answer, and not only in what later ones are made of.
    #[must_use]
    pub fn has_an_asker(&self) -> bool {
        !matches!(self, Self::OrderOfIds)
    }

    /// Visits the next slice. Returns the walk unless it is done.
    #[must_use]
    pub fn step(self, roster: &mut Roster) -> Option<Self> {
        match self {
            Self::Rockets(scan) => scan.step(roster).map(Self::Rockets),
            Self::Gaps(walk) => walk.step(roster).map(Self::Gaps),
            Self::OrderOfIds => roster.order_ids().then_some(Self::OrderOfIds),
            Self::Missions(walk) => walk.step(roster).map(Self::Missions),
        }
    }
}
