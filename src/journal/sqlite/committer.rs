//! The thread that commits, for all partitions together.
//!
//! It takes whatever was handed over since the last commit, writes it as one
//! transaction, syncs once, and settles all of it. What rides along is bounded
//! by whoever hands it over: a partition waits for what it has in flight.
//!
//! Senders that wait for an answer before they go on come back together, just
//! after a commit. A commit that began with the first of them would leave the
//! rest to the next one, so that everybody waits for two. The thread therefore
//! waits a little for as many messages as there were senders at the last
//! commit: a fraction of what the commit itself takes, which is the most that a
//! wrong guess can cost.
//!
//! A failure is final: what the file holds after it is not known, so nothing
//! more is written, and everything from then on is told the same.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::database::{JournalRange, Storage, Transaction};
use super::lock::DirectoryLock;
use super::{CommitterThread, OpenError};
use crate::journal::{AppendError, Commit, Journal, Progress, Record, StoredRocket, record};

/// Rows of the journal forgotten in one transaction: a commit that rides along
/// must not wait for long.
const TRIMMED_AT_ONCE: u64 = 64;

/// The share of the last commit's time to wait for senders to come back, and
/// the longest wait.
const GATHERING_SHARE: u32 = 4;
const MAX_GATHERING: Duration = Duration::from_micros(300);

/// The journal, as partitions see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Committer {
    jobs: Sender<Job>,
    progress: Arc<SharedProgress>,
}

#[derive(Debug, Default)]
struct SharedProgress {
    position: AtomicU64,
    records: AtomicU64,
}

#[derive(Debug)]
struct Job {
    work: Work,
    reply: Reply,
}

#[derive(Debug)]
enum Work {
    Append { entries: Vec<u8>, records: u64 },
    Store(Vec<StoredRocket>),
    Trim(u64),
}

impl Committer {
    fn hand_over(&self, work: Work) -> Commit {
        let (reply, fate) = oneshot::channel();
        // When the thread has ended, the reply is dropped, which says so.
        let _ = self.jobs.send(Job { work, reply });
        Commit::Pending(fate)
    }
}

impl Journal for Committer {
    fn append(&self, records: &mut dyn Iterator<Item = Record<'_>>) -> Commit {
        let mut count = 0;
        let entries = records.fold(Vec::new(), |entries, record| {
            count += 1;
            record::push_record(record, entries)
        });
        self.hand_over(Work::Append { entries, records: count })
    }

    fn store(&self, rockets: Vec<StoredRocket>) -> Commit {
        self.hand_over(Work::Store(rockets))
    }

    fn progress(&self) -> Progress {
        Progress {
            position: self.progress.position.load(Ordering::Acquire),
            records: self.progress.records.load(Ordering::Acquire),
        }
    }

    fn trim(&self, position: u64) -> Commit {
        self.hand_over(Work::Trim(position))
    }
}

/// Starts the thread over `storage`, whose journal holds `range`.
pub(super) fn start(
    storage: impl Storage,
    range: JournalRange,
    lock: DirectoryLock,
) -> Result<(Committer, CommitterThread), OpenError> {
    let (jobs, inbox) = mpsc::channel();
    let progress = Arc::new(SharedProgress::default());
    progress.position.store(range.next - 1, Ordering::Release);
    let mut thread = Thread {
        storage,
        jobs: inbox,
        progress: progress.clone(),
        range,
        trims: VecDeque::new(),
        failed: None,
        senders: 0,
        commit_time: Duration::ZERO,
    };
    let handle = thread::Builder::new()
        .name("committer".to_owned())
        .spawn(move || {
            thread.run();
            // The database is closed before the directory is let go.
            drop(thread);
            drop(lock);
        })
        .map_err(|error| OpenError::Directory { path: "committer".into(), error })?;
    Ok((Committer { jobs, progress }, handle))
}

struct Thread<S> {
    storage: S,
    jobs: Receiver<Job>,
    progress: Arc<SharedProgress>,
    range: JournalRange,
    /// Positions up to which the journal is to be forgotten, as they came.
    trims: VecDeque<(u64, Reply)>,
    failed: Option<AppendError>,
    /// Messages in the last commit: about as many senders wait to go on.
    senders: u64,
    commit_time: Duration,
}

/// What becomes one transaction.
#[derive(Default)]
struct Group {
    transaction: Transaction,
    records: u64,
    replies: Vec<Reply>,
}

type Reply = oneshot::Sender<Result<(), AppendError>>;

impl Group {
    fn add(&mut self, Job { work, reply }: Job, trims: &mut VecDeque<(u64, Reply)>) {
        match work {
            Work::Append { entries, records } => {
                self.records += records;
                self.transaction.records.push(entries);
            }
            Work::Store(rockets) => self.transaction.rockets.extend(rockets),
            Work::Trim(position) => {
                trims.push_back((position, reply));
                return;
            }
        }
        self.replies.push(reply);
    }
}

impl<S: Storage> Thread<S> {
    fn run(&mut self) {
        while let Some(first) = self.next_job() {
            let mut group = Group::default();
            group.transaction.seq = self.range.next;
            for job in first.into_iter().chain(self.jobs.try_iter()) {
                group.add(job, &mut self.trims);
            }
            self.gather(&mut group);
            group.transaction.trim = self.next_trim();
            let begun = Instant::now();
            let result = self.commit(&group.transaction, group.records);
            self.commit_time = begun.elapsed();
            for reply in group.replies.into_iter().chain(self.trims_done()) {
                // A partition that is gone has nobody left to acknowledge to.
                let _ = reply.send(result.clone());
            }
            self.senders = group.records;
        }
    }

    /// Waits a little for senders that were answered by the last commit.
    fn gather(&mut self, group: &mut Group) {
        // Those that came during the last commit are still to be answered.
        self.senders = self.senders.saturating_add(group.records);
        let deadline = Instant::now() + MAX_GATHERING.min(self.commit_time / GATHERING_SHARE);
        while group.records > 0 && group.records < self.senders {
            let left = deadline.saturating_duration_since(Instant::now());
            // Late, or nobody is left to come.
            let Ok(job) = self.jobs.recv_timeout(left) else { return };
            group.add(job, &mut self.trims);
        }
    }

    /// The next job: `None` inside if there is only trimming to go on with,
    /// `None` outside once every handle is gone.
    fn next_job(&self) -> Option<Option<Job>> {
        if self.trims.is_empty() {
            return self.jobs.recv().ok().map(Some);
        }
        match self.jobs.try_recv() {
            Ok(job) => Some(Some(job)),
            Err(TryRecvError::Empty) => Some(None),
            Err(TryRecvError::Disconnected) => None,
        }
    }

    /// How far to trim in the next transaction.
    fn next_trim(&self) -> Option<u64> {
        let (position, _) = self.trims.front()?;
        let last = (*position).min(self.range.first + TRIMMED_AT_ONCE - 1);
        (last >= self.range.first).then_some(last)
    }

    fn commit(&mut self, transaction: &Transaction, records: u64) -> Result<(), AppendError> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        if let Err(error) = self.storage.commit(transaction) {
            let failure = AppendError(error.to_string());
            self.failed = Some(failure.clone());
            return Err(failure);
        }
        if let Some(last) = transaction.trim {
            self.range.first = last + 1;
        }
        if !transaction.records.is_empty() {
            self.range.next += 1;
            self.progress.records.fetch_add(records, Ordering::Release);
            self.progress.position.store(transaction.seq, Ordering::Release);
        }
        Ok(())
    }

    /// The trims that need no further transaction.
    fn trims_done(&mut self) -> Vec<Reply> {
        let mut done = Vec::new();
        while let Some((position, reply)) = self.trims.pop_front() {
            if self.failed.is_none() && position >= self.range.first {
                self.trims.push_front((position, reply));
                break;
            }
            done.push(reply);
        }
        done
    }
}
