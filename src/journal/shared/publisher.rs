//! Hands what the partitions of this node accepted over to the shared log: what all of
//! them have waiting becomes one entry.
//!
//! Owns which entry holds whose records, how many are on their way, and what becomes
//! of an append whose fate is unknown: it is made again, until the tail has shown the
//! entry. Does not own the tail, which tells [`Publisher::settle`] what it has seen, nor
//! what becomes of records after that.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ahash::AHashMap;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep};

use super::entry::{self, HEADER, OLDEST};
use super::gathering::{Gathering, over};
use super::{Entry, EntryId, LogError, MAX_ENTRY, SharedLog};
use crate::journal::{AppendError, CommitResult, Record, Standing};
use crate::telemetry::tally::{Count, nanos};

/// Most entries on their way at once.
const MOST_IN_FLIGHT: usize = 8;

/// From how many bytes on an entry follows another that is on its way; a shorter one
/// waits for that and gathers more: what an entry costs the engine hardly depends on
/// its length.
const LONG: usize = 64 * 1024;

/// How long appends may go on failing before new records are refused at once: an
/// engine that elects a leader anew is not away.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// The wait before an append is made again; twice as long after every further failure,
/// up to the last.
const RETRY: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];

/// Most refusals that wait to be told.
const MOST_REFUSALS: usize = 64;

/// How often to look whether the log is there again, while nothing is on its way.
const PROBE: Duration = Duration::from_millis(500);

/// A batch that a partition handed over, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// Records of one batch that stand in one entry: from which to which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Whose it is.
    pub partition: usize,
    /// Of which batch.
    pub batch: BatchId,
    /// Which of its records.
    pub records: Range<usize>,
}

/// Records that are certain not to be in the log or, once it cannot be read on, whose
/// fate will not be known.
#[derive(Debug)]
pub struct Refusal {
    /// Which.
    pub pieces: Vec<Piece>,
    /// Why.
    pub reason: String,
}

/// What is counted of it.
#[derive(Debug, Default)]
pub struct Figures {
    /// Entries that were appended, by this node's account.
    pub appended: Count,
    /// Appends that were made again.
    pub repeated: Count,
    /// Nanoseconds of all those that were told to have been appended.
    pub took: Count,
}

/// The way to the log, for the partitions. See the module.
#[derive(Clone, Debug)]
pub struct Publisher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    log: Arc<dyn SharedLog>,
    node: Arc<str>,
    incarnation: u64,
    /// Of records.
    format: AtomicU32,
    state: Mutex<State>,
    /// Told when there is something to append, or room for more on the way.
    wake: Notify,
    standing: watch::Sender<CommitResult>,
    figures: Figures,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Vec<u8>, Piece)>,
    batches: u64,
    entries: u64,
    /// By their numbers.
    in_flight: BTreeMap<u64, Vec<Piece>>,
    gathering: Gathering,
    /// Since when appends fail, if they do.
    failing_since: Option<Instant>,
    /// Why nothing may be appended, beside that.
    full: Option<String>,
    /// Nobody reads the log any more.
    ended: bool,
}

impl Piece {
    fn len(&self) -> usize {
        self.records.len()
    }
}

impl State {
    /// How many records wait.
    fn records(&self) -> usize {
        self.waiting.iter().map(|(_, piece)| piece.len()).sum()
    }
}

impl Publisher {
    /// A publisher of `node` in this run, which is known by `incarnation`, and what runs
    /// for it: that tells what was refused, to `refused`. `gathering` says how
    /// long a short entry waits.
    pub fn new(
        log: Arc<dyn SharedLog>,
        node: Arc<str>,
        incarnation: u64,
        gathering: Gathering,
    ) -> (Self, impl Future<Output = Infallible> + Send, mpsc::Receiver<Refusal>) {
        let shared = Arc::new(Shared {
            log,
            node,
            incarnation,
            format: AtomicU32::new(OLDEST),
            state: Mutex::new(State { gathering, ..State::default() }),
            wake: Notify::new(),
            standing: watch::channel(Ok(())).0,
            figures: Figures::default(),
        });
        let (refused, refusals) = mpsc::channel(MOST_REFUSALS);
        let running = Running { shared: shared.clone(), refused };
        (Self(shared), running.run(), refusals)
    }

    /// Hands over what a partition wants to append, in order. Its fate is told by the
    /// tail, piece by piece.
    ///
    /// # Errors
    /// Says why nothing is appended now.
    pub fn hand_over(
        &self,
        partition: usize,
        records: &mut dyn Iterator<Item = Record<'_>>,
    ) -> Result<BatchId, String> {
        let mut parts = vec![(Vec::new(), 0..0)];
        for record in records {
            let (mut bytes, range) = parts.pop().expect("there is always a last one");
            let length = bytes.len();
            bytes = entry::push(record, bytes);
            if length > 0 && HEADER + bytes.len() > MAX_ENTRY {
                let of_next = bytes.split_off(length);
                let at = range.end;
                parts.push((bytes, range));
                parts.push((of_next, at..at + 1));
            } else {
                parts.push((bytes, range.start..range.end + 1));
            }
        }
        let mut state = self.0.lock();
        if let Some(reason) = state.full.clone() {
            return Err(reason);
        }
        if let Err(AppendError::Refused(reason)) = &*self.0.standing.borrow() {
            return Err(reason.clone());
        }
        state.batches += 1;
        let batch = BatchId(state.batches);
        for (bytes, records) in parts {
            state.waiting.push_back((bytes, Piece { partition, batch, records }));
        }
        drop(state);
        self.0.wake.notify_one();
        Ok(batch)
    }

    /// The tail has brought an entry: whose records are in it, if it is one of this run
    /// that was not settled before.
    #[must_use]
    pub fn settle(&self, id: &EntryId) -> Option<Vec<Piece>> {
        if id.incarnation != self.0.incarnation || id.node != self.0.node {
            return None;
        }
        let pieces = {
            let mut state = self.0.lock();
            let pieces = state.in_flight.remove(&id.number);
            let answered: usize = pieces.iter().flatten().map(Piece::len).sum();
            let waiting = state.records();
            state.gathering.answered(answered, waiting);
            pieces
        };
        self.0.succeeded();
        self.0.wake.notify_one();
        pieces
    }

    /// Nobody reads the log any more: refuses everything from now on, and returns what
    /// waits or is on its way, whose fate will not be known.
    #[must_use]
    pub fn end(&self, reason: &str) -> Vec<Piece> {
        let mut state = self.0.lock();
        state.ended = true;
        let refused = AppendError::Refused(reason.to_owned());
        let _ = self.0.standing.send_replace(Err(refused));
        let waiting = std::mem::take(&mut state.waiting).into_iter().map(|(_, piece)| piece);
        let on_their_way = std::mem::take(&mut state.in_flight).into_values().flatten();
        on_their_way.chain(waiting).collect()
    }

    /// Refuses everything for a reason of its own, until it is told `None`.
    pub fn refuse(&self, reason: Option<String>) {
        self.0.lock().full = reason;
    }

    /// Has entries written in this format from now on: the oldest that there is, until it
    /// is known what others read.
    pub fn write_format(&self, format: u32) {
        self.0.format.store(format, Ordering::Relaxed);
    }

    /// How many entries are on their way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.lock().in_flight.len()
    }

    /// Whether the log takes anything.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.0.standing.subscribe()
    }

    /// What is counted of it.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.0.figures
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing between two steps panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn succeeded(&self) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.failing_since = None;
        self.standing.send_if_modified(|standing| {
            let news = standing.is_err();
            *standing = Ok(());
            news
        });
        drop(state);
    }

    /// An append failed for now. Whether that has gone on for so long that others are
    /// refused.
    fn failed(&self, reason: &str) -> bool {
        let now = Instant::now();
        let since = *self.lock().failing_since.get_or_insert(now);
        if now.duration_since(since) < PATIENCE {
            return false;
        }
        let refused = AppendError::Refused(format!("the log of the cluster: {reason}"));
        self.standing.send_if_modified(|standing| {
            let news = standing.is_ok();
            *standing = Err(refused);
            news
        });
        true
    }
}

/// What runs.
struct Running {
    shared: Arc<Shared>,
    refused: mpsc::Sender<Refusal>,
}

/// How an append ended.
enum Ended {
    /// It is in the log, or the tail has shown it.
    Appended,
    /// It is certain not to be.
    Refused(u64, String),
}

impl Running {
    async fn run(self) -> Infallible {
        let mut appends = FuturesUnordered::new();
        loop {
            while let Some(entry) = self.next_entry() {
                appends.push(self.append(entry));
            }
            let gathers_until = self.shared.lock().gathering.until();
            tokio::select! {
                Some(ended) = appends.next(), if !appends.is_empty() => {
                    if let Ended::Refused(number, reason) = ended {
                        let pieces = self.shared.lock().in_flight.remove(&number);
                        self.refuse(pieces.unwrap_or_default(), reason).await;
                    }
                }
                () = self.shared.wake.notified() => {}
                () = over(gathers_until) => {}
                () = sleep(PROBE), if self.is_cut_off() => self.probe(appends.is_empty()).await,
            }
        }
    }

    fn is_cut_off(&self) -> bool {
        self.shared.standing.borrow().is_err()
    }

    /// Looks whether the log is there again, and refuses what waits meanwhile: it was
    /// never sent.
    async fn probe(&self, nothing_on_its_way: bool) {
        let (reason, waiting) = {
            let mut state = self.shared.lock();
            let standing = self.shared.standing.borrow().clone();
            (standing.err(), std::mem::take(&mut state.waiting))
        };
        if let (Some(reason), false) = (reason, waiting.is_empty()) {
            let pieces = waiting.into_iter().map(|(_, piece)| piece).collect();
            self.refuse(pieces, reason.to_string()).await;
        }
        if nothing_on_its_way && self.shared.log.head().await.is_ok() {
            self.shared.succeeded();
        }
    }

    async fn refuse(&self, pieces: Vec<Piece>, reason: String) {
        if !pieces.is_empty() {
            // Nobody is there to hear it at the end of a stop.
            let _ = self.refused.send(Refusal { pieces, reason }).await;
        }
    }

    /// What waits, as far as it fits into one entry; `None` if nothing waits, if it
    /// gathers more, or if too many are on their way.
    fn next_entry(&self) -> Option<Entry> {
        let mut state = self.shared.lock();
        if state.in_flight.len() >= MOST_IN_FLIGHT {
            return None;
        }
        let (mut length, mut count) = (HEADER, 0);
        for (bytes, _) in &state.waiting {
            if count > 0 && length + bytes.len() > MAX_ENTRY {
                break;
            }
            length += bytes.len();
            count += 1;
        }
        let waiting = state.records();
        if length < LONG
            && (!state.in_flight.is_empty() || state.gathering.goes_on(waiting, Instant::now()))
        {
            return None;
        }
        state.gathering.end();
        if count == 0 {
            return None;
        }
        let (parts, pieces): (Vec<_>, Vec<_>) = state.waiting.drain(..count).unzip();
        state.entries += 1;
        let number = state.entries;
        state.in_flight.insert(number, pieces);
        drop(state);
        let Shared { node, incarnation, format, .. } = &*self.shared;
        let id = EntryId { node: node.clone(), incarnation: *incarnation, number };
        let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
        let bytes = entry::write(format.load(Ordering::Relaxed), &id, &parts).into();
        Some(Entry { id, bytes })
    }

    /// Appends an entry, again and again if need be.
    fn append(&self, entry: Entry) -> BoxFuture<'static, Ended> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let number = entry.id.number;
            let begun = Instant::now();
            // Once one try may have succeeded, no refusal is certain any more.
            let mut is_known = true;
            let mut pause = RETRY[0];
            loop {
                let appended = shared.log.append(entry.clone()).await;
                let reason = match appended {
                    Ok(()) => {
                        shared.figures.appended.add(1);
                        shared.figures.took.add(nanos(begun.elapsed()));
                        shared.succeeded();
                        return Ended::Appended;
                    }
                    Err(error @ (LogError::Full(_) | LogError::Refused(_))) if is_known => {
                        let reason = error.to_string();
                        shared.failed(&reason);
                        return Ended::Refused(number, reason);
                    }
                    Err(error) => error.to_string(),
                };
                is_known = false;
                if !shared.lock().in_flight.contains_key(&number) {
                    return Ended::Appended;
                }
                shared.failed(&reason);
                shared.figures.repeated.add(1);
                sleep(pause).await;
                pause = (pause * 2).min(RETRY[1]);
                if !shared.lock().in_flight.contains_key(&number) {
                    return Ended::Appended;
                }
            }
        })
    }
}

/// Batches that wait for their places in the log, by partition and number, for those
/// who keep them.
pub type ByBatch<T> = AHashMap<BatchId, T>;
