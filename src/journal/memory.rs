//! The journal that keeps nothing: an acknowledged message lives as long as
//! the process does.

use std::future::pending;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::ended::{self, Ending};
use super::error::OpenError;
use super::position::{LogId, Position};
use super::{
    Commit, Journal, JournalSource, OpenedJournal, Progress, Record, Recovered, RocketSnapshot,
    RunningJournal,
};

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    /// Told when this is dropped, if somebody waits for that.
    ending: Option<Ending>,
}

impl JournalSource for MemoryJournal {
    fn open(self: Box<Self>) -> Result<Box<dyn OpenedJournal>, OpenError> {
        Ok(self)
    }
}

impl OpenedJournal for MemoryJournal {
    fn recover(
        &self,
        _sink: &mut dyn FnMut(Recovered) -> ControlFlow<()>,
    ) -> Result<(), OpenError> {
        Ok(())
    }

    fn start(self: Box<Self>) -> Result<RunningJournal, OpenError> {
        let (ending, ended) = ended::ending();
        let journal = Arc::new(Self { ending: Some(ending) });
        Ok(RunningJournal { journal, ended, still_there: None })
    }
}

impl Journal for MemoryJournal {
    fn append(&self, _records: &mut dyn Iterator<Item = Record<'_>>) -> Commit {
        Commit::Durable
    }

    fn store(&self, _rockets: Vec<RocketSnapshot>) -> Commit {
        Commit::Durable
    }

    fn discard(&self, _rows: Vec<u32>) -> Commit {
        Commit::Durable
    }

    fn progress(&self) -> Progress {
        Progress { position: LogId::NOWHERE.position(0), records: 0 }
    }

    fn appended(&self) -> BoxFuture<'_, ()> {
        // What it does not keep needs no checkpoint.
        Box::pin(pending())
    }

    fn trim(&self, position: Position) -> Commit {
        assert_eq!(LogId::NOWHERE.index(position), 0, "there is one place in this journal");
        Commit::Durable
    }
}

impl Drop for MemoryJournal {
    fn drop(&mut self) {
        if let Some(ending) = self.ending.take() {
            ending.ended();
        }
    }
}
