//! All that a journal kept, for who reads it and serves nothing: every rocket as a
//! checkpoint would store it now. Owns that it is what a start would find; does not
//! own how that is found (`restore`).

use std::ops::ControlFlow;
use std::sync::Arc;

use super::limits::{Limits, Quotas};
use super::restore::{Restored, restore};
use super::roster::Roster;
use super::routing::Router;
use crate::journal::{Recovered, RocketSnapshot};

/// What a start would find, in memory.
pub struct Kept {
    roster: Roster,
    /// How much was read for it.
    pub restored: Restored,
}

impl Kept {
    /// Reads it all. `read` hands everything that was kept to the function it gets;
    /// `progress` hears how far that is.
    ///
    /// # Errors
    /// Those of `read`.
    ///
    /// # Panics
    /// When the thread that builds the rockets does.
    pub fn read<E>(
        read: impl FnOnce(&mut dyn FnMut(Recovered) -> ControlFlow<()>) -> Result<(), E>,
        mut progress: impl FnMut(Restored),
    ) -> Result<Self, E> {
        // What was accepted once comes back whatever the limits are; one partition
        // keeps the order of the row IDs.
        let limits = Limits { buffered_per_rocket: 0, buffered: 0, rockets: 0 };
        let (mut rosters, restored) =
            restore(&Router::new(1), &Arc::new(Quotas::new(limits)), read, |restored| {
                progress(restored);
                ControlFlow::Continue(())
            })?;
        let roster = rosters.pop().expect("one partition has one roster");
        Ok(Self { roster, restored })
    }

    /// Every rocket, one after the other, in the order in which they appeared.
    pub fn rockets(&self) -> impl Iterator<Item = RocketSnapshot> {
        (0..self.roster.slots()).filter_map(|slot| self.roster.kept(slot))
    }
}
