//! Group commit: one thread that commits for all partitions together.
//!
//! Whatever is handed over goes into the pending transaction. The thread takes
//! it as it is, writes it, syncs once, and answers all of it. What rides along
//! is bounded by whoever hands it over: a partition waits for what it has in
//! flight. How long it waits for more before it begins is not decided here but
//! in `commit_delay`, and whether it may begin at all in `standing`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, oneshot};

use super::commit_delay::{CommitDelay, LastCommit};
use super::database::{JournalRange, Storage, StorageError, Transaction};
use super::lock::DirectoryLock;
use super::standing::Standing;
use crate::journal::figures::Figures;
use crate::journal::{
    self, Commit, CommitResult, Journal, LogId, Mark, OpenError, Position, Progress, Record,
    RocketSnapshot, RunningJournal, ended, record,
};

/// Rows of the journal forgotten in one transaction: a commit that rides along
/// must not wait for long.
const TRIMMED_AT_ONCE: u64 = 64;

/// The journal, as partitions see it. The thread ends once this is dropped.
#[derive(Debug)]
struct GroupCommit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told when there is what the thread waits for.
    wake: Condvar,
    log: LogId,
    /// The last row that is durable.
    last: AtomicU64,
    records: AtomicU64,
    standing: journal::Standing,
    /// Told when there are more records.
    appended: Notify,
    /// Written by the thread alone.
    figures: Arc<Figures>,
}

#[derive(Debug, Default)]
struct State {
    pending: PendingTransaction,
    /// The records that the thread waits for; `None` while it does not wait.
    awaited: Option<u64>,
    /// Nothing will come any more, or nobody is there to take it.
    closed: bool,
}

/// The transaction that is being filled.
#[derive(Debug, Default)]
struct PendingTransaction {
    entries: Vec<u8>,
    records: u64,
    rockets: Vec<RocketSnapshot>,
    /// Rows of rockets, emptied before those are stored.
    discarded: Vec<u32>,
    /// The last rows to be forgotten.
    trims: Vec<(u64, Reply)>,
    mark: Option<Mark>,
    /// For what was appended and stored.
    replies: Vec<Reply>,
}

type Reply = oneshot::Sender<CommitResult>;

impl PendingTransaction {
    fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.trims.is_empty()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock panics halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the pending transaction.
    fn add(&self, add: impl FnOnce(&mut PendingTransaction, Reply)) -> Commit {
        let (reply, result) = oneshot::channel();
        let mut state = self.lock();
        // Only a thread that died closes it while there is somebody to add: the
        // reply is dropped, which says so.
        if !state.closed {
            add(&mut state.pending, reply);
        }
        let records = state.pending.records;
        // Once for all that it waits for, and not for each part of it.
        if state.awaited.is_some_and(|awaited| records >= awaited || records == 0) {
            state.awaited = None;
            self.wake.notify_one();
        }
        Commit::Pending(result)
    }
}

impl Journal for GroupCommit {
    fn append(&self, records: &mut dyn Iterator<Item = Record<'_>>) -> Commit {
        let mut count = 0;
        let entries = records.fold(Vec::new(), |entries, record| {
            count += 1;
            record::push_record(record, entries)
        });
        self.0.add(|pending, reply| {
            pending.entries.extend_from_slice(&entries);
            pending.records += count;
            pending.replies.push(reply);
        })
    }

    fn store(&self, rockets: Vec<RocketSnapshot>) -> Commit {
        self.0.add(|pending, reply| {
            pending.rockets.extend(rockets);
            pending.replies.push(reply);
        })
    }

    fn discard(&self, rows: Vec<u32>) -> Commit {
        self.0.add(|pending, reply| {
            pending.rockets.retain(|rocket| !rows.contains(&rocket.row_id));
            pending.discarded.extend(rows);
            pending.replies.push(reply);
        })
    }

    fn mark(&self, mark: Mark) -> Commit {
        self.0.add(|pending, reply| {
            pending.mark = Some(mark);
            pending.replies.push(reply);
        })
    }

    fn progress(&self) -> Progress {
        Progress {
            position: self.0.log.position(self.0.last.load(Ordering::Acquire)),
            records: self.0.records.load(Ordering::Acquire),
        }
    }

    fn appended(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.appended.notified())
    }

    fn trim(&self, position: Position) -> Commit {
        let last = self.0.log.index(position);
        assert!(last <= self.0.last.load(Ordering::Acquire), "{position:?} is not durable yet");
        self.0.add(|pending, reply| pending.trims.push((last, reply)))
    }

    fn standing(&self) -> Option<journal::Standing> {
        Some(self.0.standing.clone())
    }

    fn figures(&self) -> Option<Arc<Figures>> {
        Some(self.0.figures.clone())
    }
}

impl Drop for GroupCommit {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_one();
    }
}

/// Starts the thread over `storage`, whose journal holds `range` and which was
/// `prepared` for more, in a directory that is locked.
pub(super) fn start(
    storage: impl Storage,
    range: JournalRange,
    prepared: Result<(), StorageError>,
    delay: CommitDelay,
    (lock, figures): (DirectoryLock, Figures),
) -> Result<RunningJournal, OpenError> {
    let (standing, told) = Standing::after(prepared);
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        wake: Condvar::new(),
        log: LogId::new(),
        last: AtomicU64::new(range.next - 1),
        records: AtomicU64::new(0),
        standing: told,
        appended: Notify::new(),
        figures: Arc::new(figures),
    });
    let mut commit_loop = CommitLoop {
        storage,
        shared: shared.clone(),
        range,
        trims: VecDeque::new(),
        standing,
        delay,
        last: LastCommit::default(),
    };
    let (ending, ended) = ended::ending();
    thread::Builder::new()
        .name("committer".to_owned())
        .spawn(move || {
            commit_loop.run();
            // The database is closed before the directory is let go, and that is
            // told last.
            drop(commit_loop);
            drop(lock);
            ending.ended();
        })
        .map_err(OpenError::Thread)?;
    Ok(RunningJournal { journal: Arc::new(GroupCommit(shared)), ended, still_there: None })
}

/// What the thread does.
struct CommitLoop<S> {
    storage: S,
    shared: Arc<Shared>,
    range: JournalRange,
    /// Rows up to which the journal is to be forgotten, as they came.
    trims: VecDeque<(u64, Reply)>,
    standing: Standing,
    delay: CommitDelay,
    last: LastCommit,
}

impl<S: Storage> CommitLoop<S> {
    fn run(&mut self) {
        while let Some(pending) = self.next() {
            self.trims.extend(pending.trims);
            let transaction = Transaction {
                seq: self.range.next,
                records: pending.entries,
                rockets: pending.rockets,
                discarded: pending.discarded,
                trim: self.next_trim(),
                mark: pending.mark,
            };
            let begun = Instant::now();
            let result = self.commit(&transaction, pending.records);
            let (records, took) = (pending.records, begun.elapsed());
            self.shared.figures.committed(records, took, result.is_ok());
            self.last = LastCommit { records, took };
            for reply in pending.replies.into_iter().chain(self.trims_done(&result)) {
                // A partition that is gone has nobody left to acknowledge to.
                let _ = reply.send(result.clone());
            }
        }
    }

    /// Waits for something to commit and takes it; `None` once nothing will
    /// come any more. Tries meanwhile whether what is refused can be written.
    fn next(&mut self) -> Option<PendingTransaction> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        while state.pending.is_empty() && self.trims.is_empty() {
            if state.closed {
                return None;
            }
            state.awaited = Some(1);
            let Some(left) = self.standing.tries_in() else {
                state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if left.is_zero() {
                drop(state);
                // Whoever waits for the end of this hears of it.
                let _ = self.standing.settle(self.storage.probe());
                state = shared.lock();
            } else {
                let waited = shared.wake.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        state = self.wait_for_siblings(state);
        state.awaited = None;
        Some(std::mem::take(&mut state.pending))
    }

    /// Waits a little for senders that were answered by the last commit.
    fn wait_for_siblings<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let Some(delay) = self.delay.before(state.pending.records, self.last) else { return state };
        let deadline = Instant::now() + delay.at_most;
        while state.pending.records < delay.records && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.awaited = Some(delay.records);
            let waited = self.shared.wake.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// How far to trim in the next transaction.
    fn next_trim(&self) -> Option<u64> {
        let (last, _) = self.trims.front()?;
        let last = (*last).min(self.range.first + TRIMMED_AT_ONCE - 1);
        (last >= self.range.first).then_some(last)
    }

    fn commit(&mut self, transaction: &Transaction, records: u64) -> CommitResult {
        self.standing.may_try()?;
        self.standing.settle(self.storage.commit(transaction))?;
        if let Some(last) = transaction.trim {
            self.range.first = last + 1;
        }
        if !transaction.records.is_empty() {
            self.range.next += 1;
            self.shared.records.fetch_add(records, Ordering::Release);
            self.shared.last.store(transaction.seq, Ordering::Release);
            self.shared.appended.notify_one();
        }
        assert!(self.range.first <= self.range.next, "only rows that are there are trimmed");
        Ok(())
    }

    /// The trims that need no further transaction, after one that ended with
    /// `result`: what it did not trim is for whoever asks for it again.
    fn trims_done(&mut self, result: &CommitResult) -> Vec<Reply> {
        let mut done = Vec::new();
        while let Some((last, reply)) = self.trims.pop_front() {
            if result.is_ok() && last >= self.range.first {
                self.trims.push_front((last, reply));
                break;
            }
            done.push(reply);
        }
        done
    }
}

/// Also when it panics: then whoever waits, or comes later, hears that the
/// journal is gone.
impl<S> Drop for CommitLoop<S> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.pending = PendingTransaction::default();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::super::database::StorageError;
    use super::*;
    use crate::journal::AppendError;
    use crate::journal::ended::Died;
    use crate::telemetry::wire;

    /// Keeps how far each transaction trimmed the journal.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<Option<u64>>>>);

    impl Storage for Written {
        fn commit(&mut self, transaction: &Transaction) -> Result<(), StorageError> {
            self.0.lock().unwrap().push(transaction.trim);
            Ok(())
        }
    }

    struct Dies;

    impl Storage for Dies {
        fn commit(&mut self, _transaction: &Transaction) -> Result<(), StorageError> {
            panic!("the test wants it so");
        }
    }

    fn start_over(
        storage: impl Storage,
        range: JournalRange,
    ) -> (RunningJournal, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::take(directory.path()).unwrap();
        let delay = CommitDelay::up_to(Duration::ZERO);
        (start(storage, range, Ok(()), delay, (lock, Figures::new(None))).unwrap(), directory)
    }

    fn append(journal: &dyn Journal) -> Commit {
        let message = br#"{"metadata":{"channel":"a","messageNumber":2,"messageTime":
            "2022-02-02T19:39:06.5+01:00","messageType":"RocketSpeedIncreased"},"message":{"by":3}}"#;
        let message = wire::parse(message).unwrap();
        journal.append(&mut std::iter::once(Record::Message(&message)))
    }

    #[tokio::test]
    async fn it_ends_when_its_last_handle_is_dropped_and_the_directory_is_free_then() {
        let written = Written::default();
        let (RunningJournal { journal, mut ended, .. }, directory) =
            start_over(written.clone(), JournalRange { first: 1, next: 1 });
        append(&*journal).durable().await.unwrap();
        let second = journal.clone();
        drop(journal);
        assert_eq!(ended.wait().now_or_never(), None);
        // Without waiting for it: what was handed over is written all the same.
        let last = append(&*second);
        drop(second);
        assert_eq!(ended.wait().await, Ok(()));
        assert_eq!(last.durable().now_or_never(), Some(Ok(())));
        assert_eq!(written.0.lock().unwrap().len(), 2);
        DirectoryLock::take(directory.path()).unwrap();
    }

    #[tokio::test]
    async fn when_it_dies_everybody_hears_of_it() {
        let (RunningJournal { journal, mut ended, .. }, _directory) =
            start_over(Dies, JournalRange { first: 1, next: 1 });
        let gone = Err(AppendError::gone());
        assert_eq!(append(&*journal).durable().await, gone);
        assert_eq!(ended.wait().await, Err(Died));
        assert_eq!(append(&*journal).durable().now_or_never(), Some(gone));
    }

    #[tokio::test]
    async fn a_long_trim_is_made_in_parts() {
        let written = Written::default();
        let (RunningJournal { journal, .. }, _directory) =
            start_over(written.clone(), JournalRange { first: 3, next: 103 });
        journal.trim(journal.progress().position).durable().await.unwrap();
        assert_eq!(*written.0.lock().unwrap(), [Some(66), Some(102)]);
    }

    #[tokio::test]
    #[should_panic(expected = "another log")]
    async fn a_position_of_another_journal_is_not_taken() {
        let range = JournalRange { first: 1, next: 9 };
        let (mine, _directory) = start_over(Written::default(), range);
        let (other, _directory) = start_over(Written::default(), range);
        let _ = mine.journal.trim(other.journal.progress().position);
    }
}
