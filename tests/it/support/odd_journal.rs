//! A journal that keeps everything at once, but for what a test has it do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use downlink::journal::memory::MemoryJournal;
use downlink::journal::{
    AppendError, Commit, CommitResult, Journal, Position, Progress, Record, RocketSnapshot,
};
use tokio::sync::oneshot;

/// What a call does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Does {
    #[default]
    Well,
    /// It says that it failed.
    Fails,
    Panics,
    /// It does not return until it does something else, and keeps its thread.
    Hangs,
    /// It returns, and is done once it does something else.
    Waits,
}

/// The switch for one kind of calls.
#[derive(Default)]
pub struct Switch {
    does: Mutex<Does>,
    changed: Condvar,
    waiting: Mutex<Vec<oneshot::Sender<CommitResult>>>,
}

impl Switch {
    pub fn set(&self, does: Does) {
        *self.does.lock().unwrap() = does;
        self.changed.notify_all();
        for sender in self.waiting.lock().unwrap().drain(..) {
            // The fleet may be gone already.
            let _ = sender.send(Ok(()));
        }
    }

    fn commit(&self) -> Commit {
        let does = self.does.lock().unwrap();
        let does = *self.changed.wait_while(does, |does| *does == Does::Hangs).unwrap();
        let (sender, pending) = oneshot::channel();
        match does {
            Does::Panics => panic!("the test wants it so"),
            Does::Fails => sender.send(Err(AppendError::Failed("injected".to_owned()))).unwrap(),
            Does::Waits => self.waiting.lock().unwrap().push(sender),
            Does::Well | Does::Hangs => return Commit::Durable,
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

    fn discard(&self, _rows: Vec<u32>) -> Commit {
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
