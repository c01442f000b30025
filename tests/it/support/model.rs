//! A journal in memory that does what a durable one does, one step at a time,
//! and survives a crash of its fleet.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use downlink::journal::{
    AppendError, Commit, CommitResult, Journal, LogId, Position, Progress, Record, Recovered,
    RocketSnapshot, record,
};
use tokio::sync::oneshot;

/// What would be on the disk.
#[derive(Clone, Default)]
pub struct Disk {
    rockets: BTreeMap<u32, RocketSnapshot>,
    /// Blocks of records, by position.
    journal: BTreeMap<u64, Vec<u8>>,
    /// All that ever were.
    history: BTreeMap<u64, Vec<u8>>,
    last: u64,
}

impl Disk {
    /// Everything, as a restart gets it.
    pub fn read(&self, sink: &mut dyn FnMut(Recovered) -> ControlFlow<()>) -> Result<(), String> {
        for rocket in self.rockets.values() {
            let _ = sink(Recovered::Rocket(rocket.clone()));
        }
        for (position, block) in &self.journal {
            record::read_records(*position, block, |record| {
                let _ = sink(record);
            })
            .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Every record that was ever committed, trimmed or not, in order.
    pub fn history(&self) -> Vec<Recovered> {
        let mut records = Vec::new();
        for (position, block) in &self.history {
            record::read_records(*position, block, |record| records.push(record)).unwrap();
        }
        records
    }

    pub fn journal_rows(&self) -> usize {
        self.journal.len()
    }
}

/// A journal over a [`Disk`] on which nothing happens until a test says so.
pub struct ModelJournal {
    log: LogId,
    state: Mutex<State>,
}

struct State {
    disk: Disk,
    waiting: VecDeque<(Work, oneshot::Sender<CommitResult>)>,
    records: u64,
}

enum Work {
    Append(Vec<u8>, u64),
    Store(Vec<RocketSnapshot>),
    Discard(Vec<u32>),
    Trim(u64),
}

impl ModelJournal {
    pub fn over(disk: Disk) -> Arc<Self> {
        let state = State { disk, waiting: VecDeque::new(), records: 0 };
        Arc::new(Self { log: LogId::new(), state: Mutex::new(state) })
    }

    /// Makes up to `jobs` of what waits durable, as one transaction. Returns
    /// whether anything waited.
    pub fn commit(&self, jobs: usize) -> bool {
        let mut state = self.state.lock().unwrap();
        let jobs = jobs.min(state.waiting.len());
        let mut entries: Vec<Vec<u8>> = Vec::new();
        let mut done = Vec::new();
        for (work, reply) in state.waiting.drain(..jobs).collect::<Vec<_>>() {
            match work {
                Work::Append(part, records) => {
                    entries.push(part);
                    state.records += records;
                }
                Work::Store(rockets) => {
                    state
                        .disk
                        .rockets
                        .extend(rockets.into_iter().map(|rocket| (rocket.row_id, rocket)));
                }
                Work::Discard(rows) => {
                    state.disk.rockets.retain(|row, _| !rows.contains(row));
                }
                Work::Trim(position) => state.disk.journal.retain(|&row, _| row > position),
            }
            done.push(reply);
        }
        if !entries.is_empty() {
            state.disk.last += 1;
            let row = state.disk.last;
            let parts: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
            state.disk.history.insert(row, record::block(row, &parts));
            state.disk.journal.insert(row, record::block(row, &parts));
        }
        drop(state);
        for reply in done {
            let _ = reply.send(Ok(()));
        }
        jobs > 0
    }

    /// Refuses up to `jobs` of what waits for now, as one transaction.
    pub fn refuse(&self, jobs: usize) {
        let mut state = self.state.lock().unwrap();
        let jobs = jobs.min(state.waiting.len());
        let refused: Vec<_> = state.waiting.drain(..jobs).collect();
        drop(state);
        for (_, reply) in refused {
            let _ = reply.send(Err(AppendError::Refused("the model has no room".to_owned())));
        }
    }

    /// What a crash at this moment leaves.
    pub fn disk(&self) -> Disk {
        self.state.lock().unwrap().disk.clone()
    }

    fn hand_over(&self, work: Work) -> Commit {
        let (reply, pending) = oneshot::channel();
        self.state.lock().unwrap().waiting.push_back((work, reply));
        Commit::Pending(pending)
    }
}

impl Journal for ModelJournal {
    fn append(&self, records: &mut dyn Iterator<Item = Record<'_>>) -> Commit {
        let mut count = 0;
        let entries = records.fold(Vec::new(), |entries, record| {
            count += 1;
            record::push_record(record, entries)
        });
        self.hand_over(Work::Append(entries, count))
    }

    fn store(&self, rockets: Vec<RocketSnapshot>) -> Commit {
        self.hand_over(Work::Store(rockets))
    }

    fn discard(&self, rows: Vec<u32>) -> Commit {
        self.hand_over(Work::Discard(rows))
    }

    fn progress(&self) -> Progress {
        let state = self.state.lock().unwrap();
        Progress { position: self.log.position(state.disk.last), records: state.records }
    }

    fn trim(&self, position: Position) -> Commit {
        self.hand_over(Work::Trim(self.log.index(position)))
    }
}
