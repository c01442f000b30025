//! A journal that keeps everything at once, but for what a test has it do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use downlink::journal::memory::MemoryJournal;
use downlink::journal::{AppendError, Commit, Journal, Position, Progress, Record, RocketSnapshot};
use tokio::sync::oneshot;

/// What a call does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Does {
    #[default]
    Well,
    /// It says that it failed.
    Fails,
    Panics,
}

/// The switch for one kind of calls.
#[derive(Default)]
pub struct Switch {
    does: Mutex<Does>,
}

impl Switch {
    pub fn set(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn commit(&self) -> Commit {
        let does = *self.does.lock().unwrap();
        let (sender, pending) = oneshot::channel();
        match does {
            Does::Panics => panic!("the test wants it so"),
            Does::Fails => sender.send(Err(AppendError::Failed("injected".to_owned()))).unwrap(),
            Does::Well => return Commit::Durable,
        }
        Commit::Pending(pending)
    }
}

#[derive(Default)]
pub struct OddJournal {
    pub append: Switch,
    pub store: Switch,
    pub trim: Switch,
    records: AtomicU64,
    trims: AtomicU64,
}

impl OddJournal {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How often it was to be trimmed.
    pub fn trims(&self) -> u64 {
        self.trims.load(Ordering::Relaxed)
    }
}

impl Journal for OddJournal {
    fn append(&self, records: &mut dyn Iterator<Item = Record<'_>>) -> Commit {
        self.records.fetch_add(records.count() as u64, Ordering::Relaxed);
        self.append.commit()
    }

    fn store(&self, _rockets: Vec<RocketSnapshot>) -> Commit {
        self.store.commit()
    }

    fn progress(&self) -> Progress {
        let records = self.records.load(Ordering::Relaxed);
        Progress { records, ..MemoryJournal::default().progress() }
    }

    fn trim(&self, _position: Position) -> Commit {
        self.trims.fetch_add(1, Ordering::Relaxed);
        self.trim.commit()
    }
}
