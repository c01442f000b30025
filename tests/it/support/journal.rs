//! A journal that keeps every batch waiting until it is told what became of
//! it, oldest first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use downlink::journal::{AppendError, Commit, Journal, Progress, Record, RocketSnapshot};
use tokio::sync::oneshot;

/// What tells messages apart: channel and number.
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
    fate: oneshot::Sender<Result<(), AppendError>>,
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
    pub fn settle(&self) -> Option<Vec<Key>> {
        let Held { keys, fate } = self.0.lock().unwrap().held.pop_front()?;
        fate.send(Ok(())).unwrap();
        Some(keys)
    }

    /// Loses the oldest batch.
    pub fn fail(&self, reason: &str) {
        let held = self.0.lock().unwrap().held.pop_front().expect("a batch waits");
        held.fate.send(Err(AppendError(reason.to_owned()))).unwrap();
    }

    /// Forgets the oldest batch without a word.
    pub fn forget(&self) {
        self.0.lock().unwrap().held.pop_front().expect("a batch waits");
    }

    /// Makes everything durable at once from now on.
    pub fn release(&self) {
        let mut state = self.0.lock().unwrap();
        state.released = true;
        for Held { fate, .. } in state.held.drain(..) {
            // The fleet may be gone already.
            let _ = fate.send(Ok(()));
        }
    }
}

impl Journal for HeldJournal {
    fn append(&self, records: &mut dyn Iterator<Item = Record<'_>>) -> Commit {
        let keys = records
            .map(|record| match record {
                Record::Message(message) => (message.channel.to_string(), message.report.number),
            })
            .collect();
        let (fate, pending) = oneshot::channel();
        let mut state = self.0.lock().unwrap();
        if state.released {
            fate.send(Ok(())).unwrap();
        } else {
            state.held.push_back(Held { keys, fate });
        }
        Commit::Pending(pending)
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
