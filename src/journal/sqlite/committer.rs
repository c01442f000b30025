//! The thread that commits, for all partitions together.
//!
//! Whatever is handed over goes into the open transaction. The thread takes it
//! as it is, writes it, syncs once, and settles all of it. What rides along is
//! bounded by whoever hands it over: a partition waits for what it has in
//! flight.
//!
//! Senders that wait for an answer before they go on come back together, just
//! after a commit. A commit that began with the first of them would be a small
//! one, and the rest would wait for two. If it waited for all of them, nobody
//! would have anything to do while it runs. The thread therefore waits a little
//! for a share of those who are about to come. A wrong guess costs one such wait:
//! the next one is for a share of those who came.
//!
//! A failure is final: what the file holds after it is not known, so nothing
//! more is written, and everything from then on is told the same.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::database::{JournalRange, Storage, Transaction};
use super::lock::DirectoryLock;
use super::{CommitterThread, OpenError};
use crate::journal::{AppendError, Commit, Journal, Progress, Record, RocketSnapshot, record};

/// Rows of the journal forgotten in one transaction: a commit that rides along
/// must not wait for long.
const TRIMMED_AT_ONCE: u64 = 64;

/// What a commit waits for: one message in so many of those that are about to
/// come. Of 1 to 4 this was measured to be the best from 3 to 256 senders.
const GATHERED_ONE_IN: u64 = 3;

/// The longest wait for them: so many times what the last commit took, and never
/// more than this. Where a sync takes some 0.1 ms, half of a commit's time cost
/// 8% of the throughput of 64 senders against this, and twice this cost 7%.
const GATHERING_COMMITS: u32 = 4;
const MAX_GATHERING: Duration = Duration::from_micros(500);

/// The journal, as partitions see it. The thread ends once this is dropped.
#[derive(Debug)]
pub struct Committer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    open: Mutex<Open>,
    /// Told when there is what the thread waits for.
    wake: Condvar,
    position: AtomicU64,
    records: AtomicU64,
}

/// The transaction that is being filled.
#[derive(Debug, Default)]
struct Open {
    entries: Vec<u8>,
    records: u64,
    rockets: Vec<RocketSnapshot>,
    trims: Vec<(u64, Reply)>,
    /// For what was appended and stored.
    replies: Vec<Reply>,
    /// The records that the thread waits for; `None` while it does not wait.
    awaited: Option<u64>,
    closed: bool,
}

type Reply = oneshot::Sender<Result<(), AppendError>>;

impl Open {
    fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.trims.is_empty()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing that holds the lock panics halfway.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the open transaction.
    fn add(&self, add: impl FnOnce(&mut Open, Reply)) -> Commit {
        let (reply, fate) = oneshot::channel();
        let mut open = self.lock();
        add(&mut open, reply);
        // Once for all that it waits for, and not for each part of it.
        if open.awaited.is_some_and(|awaited| open.records >= awaited || open.records == 0) {
            open.awaited = None;
            self.wake.notify_one();
        }
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
        self.0.add(|open, reply| {
            open.entries.extend_from_slice(&entries);
            open.records += count;
            open.replies.push(reply);
        })
    }

    fn store(&self, rockets: Vec<RocketSnapshot>) -> Commit {
        self.0.add(|open, reply| {
            open.rockets.extend(rockets);
            open.replies.push(reply);
        })
    }

    fn progress(&self) -> Progress {
        Progress {
            position: self.0.position.load(Ordering::Acquire),
            records: self.0.records.load(Ordering::Acquire),
        }
    }

    fn trim(&self, position: u64) -> Commit {
        self.0.add(|open, reply| open.trims.push((position, reply)))
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_one();
    }
}

/// Starts the thread over `storage`, whose journal holds `range`.
pub(super) fn start(
    storage: impl Storage,
    range: JournalRange,
    lock: DirectoryLock,
) -> Result<(Committer, CommitterThread), OpenError> {
    let shared = Arc::new(Shared::default());
    shared.position.store(range.next - 1, Ordering::Release);
    let mut thread = Thread {
        storage,
        shared: shared.clone(),
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
        .map_err(OpenError::Thread)?;
    Ok((Committer(shared), handle))
}

struct Thread<S> {
    storage: S,
    shared: Arc<Shared>,
    range: JournalRange,
    /// Positions up to which the journal is to be forgotten, as they came.
    trims: VecDeque<(u64, Reply)>,
    failed: Option<AppendError>,
    /// Messages in the last commit: about as many senders wait to go on.
    senders: u64,
    commit_time: Duration,
}

impl<S: Storage> Thread<S> {
    fn run(&mut self) {
        while let Some(open) = self.next() {
            self.trims.extend(open.trims);
            let transaction = Transaction {
                seq: self.range.next,
                records: open.entries,
                rockets: open.rockets,
                trim: self.next_trim(),
            };
            let begun = Instant::now();
            let result = self.commit(&transaction, open.records);
            self.commit_time = begun.elapsed();
            self.senders = open.records;
            for reply in open.replies.into_iter().chain(self.trims_done()) {
                // A partition that is gone has nobody left to acknowledge to.
                let _ = reply.send(result.clone());
            }
        }
    }

    /// Waits for something to commit and takes it; `None` once nothing will
    /// come any more.
    fn next(&self) -> Option<Open> {
        let mut open = self.shared.lock();
        while open.is_empty() && self.trims.is_empty() {
            if open.closed {
                return None;
            }
            open.awaited = Some(1);
            open = self.shared.wake.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        if open.records > 0 {
            open = self.gather(open);
        }
        open.awaited = None;
        let closed = open.closed;
        Some(std::mem::replace(&mut *open, Open { closed, ..Open::default() }))
    }

    /// Waits a little for senders that were answered by the last commit.
    fn gather<'a>(&self, mut open: MutexGuard<'a, Open>) -> MutexGuard<'a, Open> {
        // Those that came during the last commit are there, and are still to be
        // answered.
        let expected = (self.senders + open.records) / GATHERED_ONE_IN;
        let patience = MAX_GATHERING.min(self.commit_time * GATHERING_COMMITS);
        let deadline = Instant::now() + patience;
        while open.records < expected && !open.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            open.awaited = Some(expected);
            let waited = self.shared.wake.wait_timeout(open, left);
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        open
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
            self.shared.records.fetch_add(records, Ordering::Release);
            self.shared.position.store(transaction.seq, Ordering::Release);
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
