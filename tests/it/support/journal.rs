//! A journal that keeps every batch waiting until it is told what became of
//! it, oldest first.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, mpsc};

use downlink::journal::ended::{Ending, ending};
use downlink::journal::memory::MemoryJournal;
use downlink::journal::{
    AppendError, Commit, CommitResult, Journal, JournalSource, OpenError, OpenedJournal, Position,
    Progress, Record, Recovered, RocketSnapshot, RunningJournal,
};
use tokio::sync::oneshot;

/// What tells messages apart: channel and number; 0 for one that is forgotten.
pub type Key = (String, u64);

#[derive(Default)]
pub struct HeldJournal(Mutex<State>);

#[derive(Default)]
struct State {
    held: VecDeque<Held>,
    released: bool,
}

struct Held {
    keys: Vec<Key>,
    reply: oneshot::Sender<CommitResult>,
}

impl HeldJournal {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How many batches wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().unwrap().held.len()
    }

    /// Makes the oldest batch durable, and tells what it held; `None` if no
    /// batch waits.
    pub fn commit_oldest(&self) -> Option<Vec<Key>> {
        let Held { keys, reply } = self.0.lock().unwrap().held.pop_front()?;
        reply.send(Ok(())).unwrap();
        Some(keys)
    }

    /// Loses the oldest batch.
    pub fn fail(&self, reason: &str) {
        let held = self.0.lock().unwrap().held.pop_front().expect("a batch waits");
        held.reply.send(Err(AppendError::Failed(reason.to_owned()))).unwrap();
    }

    /// Refuses the oldest batch for now.
    pub fn refuse(&self, reason: &str) {
        let held = self.0.lock().unwrap().held.pop_front().expect("a batch waits");
        held.reply.send(Err(AppendError::Refused(reason.to_owned()))).unwrap();
    }

    /// Forgets the oldest batch without a word.
    pub fn forget(&self) {
        self.0.lock().unwrap().held.pop_front().expect("a batch waits");
    }

    /// Makes everything durable at once from now on.
    pub fn release(&self) {
        let mut state = self.0.lock().unwrap();
        state.released = true;
        for Held { reply, .. } in state.held.drain(..) {
            // The fleet may be gone already.
            let _ = reply.send(Ok(()));
        }
    }
}

impl Journal for HeldJournal {
    fn append(&self, records: &mut dyn Iterator<Item = Record<'_>>) -> Commit {
        let keys = records
            .map(|record| match record {
                Record::Message(message) => (message.channel.to_string(), message.report.number),
                Record::Skip(skip) => (skip.channel.to_string(), skip.awaited),
                Record::Forget(forget) => (forget.channel.to_string(), 0),
            })
            .collect();
        let (reply, pending) = oneshot::channel();
        let mut state = self.0.lock().unwrap();
        if state.released {
            reply.send(Ok(())).unwrap();
        } else {
            state.held.push_back(Held { keys, reply });
        }
        Commit::Pending(pending)
    }

    fn store(&self, _rockets: Vec<RocketSnapshot>) -> Commit {
        Commit::Durable
    }

    fn discard(&self, _rows: Vec<u32>) -> Commit {
        Commit::Durable
    }

    fn progress(&self) -> Progress {
        MemoryJournal::default().progress()
    }

    fn trim(&self, _position: Position) -> Commit {
        Commit::Durable
    }
}

/// A journal of a test's own that holds nothing yet.
pub struct EmptyJournal(pub Arc<dyn Journal>);

impl JournalSource for EmptyJournal {
    fn open(self: Box<Self>) -> Result<Box<dyn OpenedJournal>, OpenError> {
        Ok(self)
    }
}

impl OpenedJournal for EmptyJournal {
    fn recover(
        &self,
        _sink: &mut dyn FnMut(Recovered) -> ControlFlow<()>,
    ) -> Result<(), OpenError> {
        Ok(())
    }

    fn start(self: Box<Self>) -> Result<RunningJournal, OpenError> {
        let (ending, ended) = ending();
        let journal = Arc::new(Handle { journal: self.0, ending: Some(ending) });
        Ok(RunningJournal { journal, ended, still_there: None })
    }
}

/// Another journal, which is opened once the sender of the gate says so or is
/// dropped.
pub struct Gated(pub mpsc::Receiver<()>, pub Box<dyn JournalSource>);

impl JournalSource for Gated {
    fn open(self: Box<Self>) -> Result<Box<dyn OpenedJournal>, OpenError> {
        let _ = self.0.recv();
        self.1.open()
    }
}

/// A journal that takes for ever to be read.
pub struct EndlessJournal;

impl JournalSource for EndlessJournal {
    fn open(self: Box<Self>) -> Result<Box<dyn OpenedJournal>, OpenError> {
        Ok(self)
    }
}

impl OpenedJournal for EndlessJournal {
    fn recover(&self, sink: &mut dyn FnMut(Recovered) -> ControlFlow<()>) -> Result<(), OpenError> {
        let launch = super::fleet::parse(&super::messages::launch("a"));
        while sink(Recovered::Message(launch.clone())).is_continue() {}
        Err(OpenError::Interrupted)
    }

    fn start(self: Box<Self>) -> Result<RunningJournal, OpenError> {
        unreachable!("it is never read to its end")
    }
}

/// The service's handle on a journal that the test has one on too.
struct Handle {
    journal: Arc<dyn Journal>,
    ending: Option<Ending>,
}

impl Journal for Handle {
    fn append(&self, records: &mut dyn Iterator<Item = Record<'_>>) -> Commit {
        self.journal.append(records)
    }

    fn store(&self, rockets: Vec<RocketSnapshot>) -> Commit {
        self.journal.store(rockets)
    }

    fn discard(&self, rows: Vec<u32>) -> Commit {
        self.journal.discard(rows)
    }

    fn progress(&self) -> Progress {
        self.journal.progress()
    }

    fn trim(&self, position: Position) -> Commit {
        self.journal.trim(position)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.ending.take().expect("dropped once").ended();
    }
}
