//! Queries that no index answers, so that their rockets are walked over, a slice
//! at a time with messages in between. Does not own what a slice is.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::gap_walk::GapWalk;
use super::scan::Scan;
use crate::fleet::query::{GapPart, GapSelection, Part, Selection};
use crate::fleet::roster::Roster;

/// A walk in progress.
pub(super) enum Walk {
    Rockets(Scan),
    Gaps(GapWalk),
}

impl Walk {
    pub fn over_rockets(selection: Arc<Selection>, reply: oneshot::Sender<Part>) -> Self {
        Self::Rockets(Scan::new(selection, reply))
    }

    pub fn over_gaps(selection: Arc<GapSelection>, reply: oneshot::Sender<GapPart>) -> Self {
        Self::Gaps(GapWalk::new(selection, reply))
    }

    /// Visits the next slice. Returns the walk unless it is done.
    #[must_use]
    pub fn step(self, roster: &Roster) -> Option<Self> {
        match self {
            Self::Rockets(scan) => scan.step(roster).map(Self::Rockets),
            Self::Gaps(walk) => walk.step(roster).map(Self::Gaps),
        }
    }
}
