//! A log for several nodes, in memory, with faults: late and reordered appends, appends
//! whose fate is unknown, a lost connection, a log that is trimmed or has lost its end.
//! Each node has a handle of its own, and its faults.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use downlink::journal::shared::{Entry, EntryId, LogError, LogName, LogResult, Offset, SharedLog};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::sleep;

/// What all handles share.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    store: Arc<Mutex<Store>>,
    grown: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Store {
    entries: BTreeMap<u64, Entry>,
    ids: HashSet<EntryId>,
    head: u64,
    trimmed: u64,
    announced: BTreeMap<String, Bytes>,
}

/// What goes wrong for one node; all of it can be changed at any time.
#[derive(Debug, Default)]
pub struct Faults {
    /// Nothing gets through.
    pub cut_off: AtomicBool,
    /// Of a thousand appends, those of which nothing is heard: half of them are done.
    pub unknown: AtomicU64,
    /// The longest that an append takes, in microseconds.
    pub slowness: AtomicU64,
    /// Nothing fits in any more.
    pub full: AtomicBool,
}

/// One node's way to the log.
#[derive(Debug)]
struct Handle {
    log: MemoryLog,
    faults: Arc<Faults>,
    random: Mutex<StdRng>,
}

impl MemoryLog {
    pub fn new() -> Self {
        Self { store: Arc::default(), grown: watch::Sender::default() }
    }

    /// A way to it, and what goes wrong on it.
    pub fn handle(&self, seed: u64) -> (Arc<dyn SharedLog>, Arc<Faults>) {
        let faults = Arc::new(Faults::default());
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        (Arc::new(Handle { log: self.clone(), faults: faults.clone(), random }), faults)
    }

    /// Everything that stands in it, in order.
    pub fn entries(&self) -> Vec<Entry> {
        self.store.lock().unwrap().entries.values().cloned().collect()
    }

    pub fn trimmed(&self) -> u64 {
        self.store.lock().unwrap().trimmed
    }

    /// Loses all that stands behind `offset`, as an engine does that was restored from
    /// a backup.
    pub fn lose_behind(&self, offset: u64) {
        let mut store = self.store.lock().unwrap();
        let lost = store.entries.split_off(&(offset + 1));
        for entry in lost.values() {
            store.ids.remove(&entry.id);
        }
        store.head = offset;
    }

    /// Puts an entry in, whatever is in it.
    pub fn put(&self, entry: Entry) {
        let mut store = self.store.lock().unwrap();
        if store.ids.insert(entry.id.clone()) {
            // There are gaps.
            store.head += 1 + entry.id.number % 3;
            let at = store.head;
            store.entries.insert(at, entry);
            drop(store);
            self.grown.send_modify(|grown| *grown += 1);
        }
    }
}

fn unreachable<T>() -> LogResult<T> {
    Err(LogError::Unreachable("the test cut it off".to_owned()))
}

impl Handle {
    fn answer<T: Send + 'static>(
        &self,
        answer: impl FnOnce(&mut Store) -> T,
    ) -> BoxFuture<'_, LogResult<T>> {
        if self.faults.cut_off.load(Ordering::Relaxed) {
            return async { unreachable() }.boxed();
        }
        let answer = answer(&mut self.log.store.lock().unwrap());
        async { Ok(answer) }.boxed()
    }
}

impl SharedLog for Handle {
    fn name(&self) -> BoxFuture<'_, LogResult<LogName>> {
        self.answer(|_| LogName("memory".to_owned()))
    }

    fn append(&self, entry: Entry) -> BoxFuture<'_, LogResult<()>> {
        let (delay, unknown, done, late) = {
            let mut random = self.random.lock().unwrap();
            let most = self.faults.slowness.load(Ordering::Relaxed);
            let delay = Duration::from_micros(random.random_range(0..=most));
            let unknown =
                random.random_range(0..1000) < self.faults.unknown.load(Ordering::Relaxed);
            (delay, unknown, random.random(), Duration::from_micros(random.random_range(0..3000)))
        };
        async move {
            sleep(delay).await;
            if self.faults.full.load(Ordering::Relaxed) {
                return Err(LogError::Full("the test has no room".to_owned()));
            }
            if self.faults.cut_off.load(Ordering::Relaxed) {
                return unreachable();
            }
            if unknown {
                if done {
                    let log = self.log.clone();
                    tokio::spawn(async move {
                        sleep(late).await;
                        log.put(entry);
                    });
                }
                return unreachable();
            }
            self.log.put(entry);
            Ok(())
        }
        .boxed()
    }

    fn tail(&self, after: Offset) -> BoxStream<'static, LogResult<(Offset, Entry)>> {
        let (log, faults) = (self.log.clone(), self.faults.clone());
        let state = (log.grown.subscribe(), after.0, false);
        stream::unfold(state, move |(mut grown, after, ended)| {
            let (log, faults) = (log.clone(), faults.clone());
            async move {
                if ended {
                    return None;
                }
                loop {
                    grown.mark_unchanged();
                    if faults.cut_off.load(Ordering::Relaxed) {
                        return Some((unreachable(), (grown, after, true)));
                    }
                    {
                        let store = log.store.lock().unwrap();
                        if after < store.trimmed {
                            let up_to = Offset(store.trimmed);
                            return Some((Err(LogError::Trimmed { up_to }), (grown, after, true)));
                        }
                        if after > store.head {
                            let head = Offset(store.head);
                            return Some((Err(LogError::Behind { head }), (grown, after, true)));
                        }
                        if let Some((&at, entry)) = store.entries.range(after + 1..).next() {
                            return Some((Ok((Offset(at), entry.clone())), (grown, at, false)));
                        }
                    }
                    // Also to see that the connection is lost.
                    let _ = tokio::time::timeout(Duration::from_millis(5), grown.changed()).await;
                }
            }
        })
        .boxed()
    }

    fn head(&self) -> BoxFuture<'_, LogResult<Offset>> {
        self.answer(|store| Offset(store.head))
    }

    fn trim(&self, up_to: Offset) -> BoxFuture<'_, LogResult<()>> {
        let trimmed = self.answer(|store| {
            let head = Offset(store.head);
            if up_to > head {
                return Err(LogError::Behind { head });
            }
            store.entries = store.entries.split_off(&(up_to.0 + 1));
            store.trimmed = store.trimmed.max(up_to.0);
            Ok(())
        });
        async { trimmed.await? }.boxed()
    }

    fn trimmed(&self) -> BoxFuture<'_, LogResult<Offset>> {
        self.answer(|store| Offset(store.trimmed))
    }

    fn size(&self) -> BoxFuture<'_, LogResult<u64>> {
        self.answer(|store| store.entries.values().map(|entry| entry.bytes.len() as u64).sum())
    }

    fn announce(&self, node: &str, what: Bytes) -> BoxFuture<'_, LogResult<()>> {
        self.answer(|store| drop(store.announced.insert(node.to_owned(), what)))
    }

    fn announced(&self) -> BoxFuture<'_, LogResult<Vec<(String, Bytes)>>> {
        self.answer(|store| store.announced.clone().into_iter().collect())
    }

    fn withdraw(&self, node: &str) -> BoxFuture<'_, LogResult<()>> {
        self.answer(|store| drop(store.announced.remove(node)))
    }
}
