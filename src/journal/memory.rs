//! The journal that keeps nothing: an acknowledged message lives as long as
//! the process does.

use super::{Commit, Journal, Progress, Record, RocketSnapshot};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryJournal;

impl Journal for MemoryJournal {
    fn append(&self, _records: &mut dyn Iterator<Item = Record<'_>>) -> Commit {
        Commit::Settled
    }

    fn store(&self, _rockets: Vec<RocketSnapshot>) -> Commit {
        Commit::Settled
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn trim(&self, _position: u64) -> Commit {
        Commit::Settled
    }
}
