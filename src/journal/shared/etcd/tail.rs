//! Reading the log as it grows.
//!
//! Owns one reader's place, from where it begins to the error that ends it. It looks
//! whether anything behind its place was trimmed, and watches the log's keys from there:
//! etcd replays its history, and goes on with what comes. History that somebody compacted
//! is no loss, since the keys stand until they are trimmed: they are read themselves
//! ([`catch_up`](super::catch_up)), and watched from there.
//!
//! Deleted keys are not watched: history shows a key's creation before its deletion, and
//! where there is no history, the mark of trimming stands before anything is deleted.
//!
//! A watch that is silent is asked for a sign of life. gRPC's own pings would not do:
//! etcd hangs up on who sends them more than once in five seconds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{
    EventType, Txn, TxnOp, TxnOpResponse, WatchFilterType, WatchOptions, WatchResponse, WatchStream,
};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::time::timeout;

use super::super::{Entry, LogError, LogResult, Offset};
use super::catch_up::CatchUp;
use super::members::{self, Asked, REQUEST};
use super::requests::{Shared, last, latest, mark};
use super::{failure, keys};

/// After how much silence a sign of life is asked for.
const PROBE: Duration = Duration::from_millis(500);

/// How many times, before the member is taken for dead: two seconds, as long as an
/// election may take.
const PROBES: u32 = 4;

/// And how many times while there is something to be replayed, which etcd collects before
/// it sends any of it.
const PROBES_OF_HISTORY: u32 = 20;

/// Items behind `after`, until an error.
pub fn tail(shared: Arc<Shared>, after: Offset) -> BoxStream<'static, LogResult<(Offset, Entry)>> {
    let tail = Tail {
        shared,
        after,
        seen: after,
        head: after,
        ready: VecDeque::new(),
        reads: Reads::Nothing,
    };
    let next = |tail: Option<Tail>| async {
        let mut tail = tail?;
        match tail.next().await {
            Ok(item) => Some((Ok(item), Some(tail))),
            Err(error) => Some((Err(error), None)),
        }
    };
    stream::unfold(Some(tail), next).boxed()
}

struct Tail {
    shared: Arc<Shared>,
    /// The last that was read.
    after: Offset,
    /// Up to where there is nothing that was not read, or stands in `ready`.
    seen: Offset,
    /// Where the log ended when this began: what is before it is history.
    head: Offset,
    /// Read, and not taken yet: no more than one answer of etcd.
    ready: VecDeque<(Offset, Entry)>,
    reads: Reads,
}

enum Reads {
    Nothing,
    Keys(CatchUp),
    Watch { asked: Asked, watch: Box<WatchStream> },
}

impl Tail {
    async fn next(&mut self) -> LogResult<(Offset, Entry)> {
        loop {
            if let Some((offset, entry)) = self.ready.pop_front() {
                self.after = offset;
                return Ok((offset, entry));
            }
            match &mut self.reads {
                Reads::Nothing => {
                    self.look().await?;
                    self.watch(self.after).await?;
                }
                Reads::Keys(keys) => {
                    if let Some(entries) = keys.next(&self.shared).await? {
                        self.ready = entries.into();
                    } else {
                        self.seen = keys.seen();
                        self.watch(self.seen).await?;
                    }
                }
                Reads::Watch { asked, watch } => {
                    let is_history = self.after < self.head;
                    let probes = if is_history { PROBES_OF_HISTORY } else { PROBES };
                    let members = &self.shared.members;
                    // History is not asked for twice.
                    let is_left = || !is_history && !members.is_asked(asked);
                    let response = match message(watch, &asked.endpoint, probes, is_left).await {
                        Ok(Some(response)) => response,
                        Ok(None) => {
                            self.reads = Reads::Nothing;
                            continue;
                        }
                        Err(error) => {
                            self.shared.members.leave(asked);
                            return Err(error);
                        }
                    };
                    self.take(&response).await?;
                }
            }
        }
    }

    /// Whether everything behind the place is still there.
    async fn look(&mut self) -> LogResult<()> {
        let keys = &self.shared.keys;
        let asked = self.shared.members.ask(REQUEST, |mut client| {
            let trimmed = TxnOp::get(keys.trimmed(), None);
            let head = TxnOp::get(keys.heads(), Some(latest()));
            async move { client.txn(Txn::new().and_then([trimmed, head])).await }
        });
        let answers = asked.await?.op_responses();
        let [TxnOpResponse::Get(trimmed), TxnOpResponse::Get(head)] = &*answers else {
            return Err(LogError::Corrupt("expected two answers of etcd".to_owned()));
        };
        let (trimmed, head) = (mark(trimmed.kvs())?, last(head.kvs()));
        self.head = head;
        // Of what is seen to be empty, nothing can have been trimmed.
        if self.after > head {
            Err(LogError::Behind { head })
        } else if self.after.max(self.seen) < trimmed {
            Err(LogError::Trimmed { up_to: trimmed })
        } else {
            Ok(())
        }
    }

    async fn watch(&mut self, seen: Offset) -> LogResult<()> {
        let options = WatchOptions::new()
            .with_prefix()
            .with_start_revision(keys::revision(seen).saturating_add(1))
            .with_filters([WatchFilterType::NoDelete])
            // Else one answer holds up to a thousand entries, whatever their size.
            .with_fragment();
        let watched = self.shared.members.ask_one(REQUEST, |mut client| {
            let (key, options) = (self.shared.keys.log(), options.clone());
            async move { client.watch(key, Some(options)).await }
        });
        let (asked, watch) = watched.await?;
        self.reads = Reads::Watch { asked, watch: Box::new(watch) };
        Ok(())
    }

    async fn take(&mut self, response: &WatchResponse) -> LogResult<()> {
        if response.compact_revision() > 0 {
            self.look().await?;
            self.reads = Reads::Keys(CatchUp::new(&self.shared, self.after.max(self.seen)).await?);
            return Ok(());
        }
        if response.canceled() {
            let Reads::Watch { asked, .. } = &self.reads else { return Ok(()) };
            let text = format!("etcd at {}: {}", asked.endpoint, response.cancel_reason());
            return Err(if response.cancel_reason().contains("permission denied") {
                LogError::Refused(text)
            } else {
                LogError::Unreachable(text)
            });
        }
        for event in response.events() {
            let Some(kv) = event.kv().filter(|_| event.event_type() == EventType::Put) else {
                continue;
            };
            let bytes = Bytes::copy_from_slice(kv.value());
            self.ready.push_back(self.shared.keys.read(kv.key(), bytes, kv.mod_revision())?);
        }
        Ok(())
    }
}

/// What a watch says next, unless its member `is_left`. Only time in which somebody waits
/// for it counts: a reader that takes its time finds what was sent meanwhile.
async fn message(
    watch: &mut WatchStream,
    endpoint: &str,
    probes: u32,
    is_left: impl Fn() -> bool,
) -> LogResult<Option<WatchResponse>> {
    for _ in 0..=probes {
        if is_left() {
            return Ok(None);
        }
        match timeout(PROBE, watch.message()).await {
            Ok(Ok(Some(response))) => return Ok(Some(response)),
            Ok(Ok(None)) => {
                let text = format!("etcd at {endpoint}: ended the watch");
                return Err(LogError::Unreachable(text));
            }
            Ok(Err(error)) => return Err(failure::of(endpoint, &error)),
            Err(_) => {
                let failed = |error| failure::of(endpoint, &error);
                // Has room for more than are ever asked for in a row.
                match timeout(PROBE, watch.request_progress()).await {
                    Ok(asked) => asked.map_err(failed)?,
                    Err(_) => break,
                }
            }
        }
    }
    Err(members::silent(endpoint, PROBE * probes))
}
