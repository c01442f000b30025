//! Recovery: opens a journal, and builds the rosters from what it kept.
//!
//! One thread reads; each partition's roster is built by a thread of its own,
//! so that a restart with many rockets uses every core. The number of
//! partitions may differ from the last run: everything is routed anew.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::info;

use super::health::{Health, Phase};
use super::limits::Quotas;
use super::roster::Roster;
use super::routing::Router;
use crate::journal::{self, Forget, JournalSource, Mark, OpenError, RunningJournal, Skip};
use crate::telemetry::Message;

/// Items handed over to a building thread at a time.
const BATCH: usize = 1024;

/// Batches that may wait for a building thread, so that reading does not run
/// ahead without bound.
const QUEUE: usize = 4;

/// How often a long recovery is logged.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What recovery works with.
pub struct RecoveryContext {
    /// Which partition a rocket belongs to in this run.
    pub router: Router,
    /// Counts what comes back. What was accepted once comes back whatever the
    /// limits are now.
    pub quotas: Arc<Quotas>,
    /// Told how far it is.
    pub health: Arc<Health>,
    /// Turns true when recovery is to be given up.
    pub interrupt: Arc<AtomicBool>,
}

/// A journal that runs, and the rockets that it kept.
pub struct Recovered {
    /// Takes records from now on.
    pub journal: RunningJournal,
    /// One for each partition.
    pub rosters: Vec<Roster>,
    /// Whether records were replayed that no checkpoint covers.
    pub backlog: bool,
    /// How far the log of a cluster is part of them, if they are a node's.
    pub mark: Option<Mark>,
    /// Whether nothing was kept at all.
    pub is_empty: bool,
}

/// Opens a journal, reads it back and starts it. Blocks.
///
/// # Errors
/// When it is corrupt or cannot be read, or recovery was interrupted.
pub fn recover(
    source: Box<dyn JournalSource>,
    context: &RecoveryContext,
) -> Result<Recovered, OpenError> {
    let RecoveryContext { router, quotas, health, interrupt } = context;
    let begun = Instant::now();
    let mut logged = begun;
    let progress = |Restored { rockets, messages, .. }| {
        if logged.elapsed() >= PROGRESS_INTERVAL {
            logged = Instant::now();
            info!(rockets, messages, "reading the journal");
            let so_far = format!("{rockets} rockets and {messages} messages so far");
            health.set(Phase::Starting(format!("the journal is being read: {so_far}")));
        }
        if interrupt.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let opened = source.open()?;
    let mut mark = None;
    let read = |sink: &mut dyn FnMut(journal::Recovered) -> ControlFlow<()>| {
        opened.recover(&mut |item| match item {
            journal::Recovered::Mark(found) => {
                mark = Some(found);
                ControlFlow::Continue(())
            }
            item => sink(item),
        })
    };
    let (rosters, restored) = restore(router, quotas, read, progress)?;
    let Restored { rockets, messages, rockets_took } = restored;
    let (rockets_took_ms, took_ms) = (milliseconds(rockets_took), milliseconds(begun.elapsed()));
    info!(rockets, messages, rockets_took_ms, took_ms, "the journal is read");
    let is_empty = mark.is_none() && rockets == 0 && messages == 0;
    Ok(Recovered { journal: opened.start()?, rosters, backlog: messages > 0, mark, is_empty })
}

/// How far a restart got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Rockets read from the last checkpoint.
    pub rockets: u64,
    /// Records read from the journal since, nearly all of them messages.
    pub messages: u64,
    /// For the rockets; the rest of the time is for the messages.
    pub rockets_took: Duration,
}

/// Builds one roster for each of `router`'s partitions. `read` hands everything that was
/// kept to the function it gets, in order, and stops when that breaks off;
/// `progress` hears how far it got after every batch, and may break off.
///
/// # Errors
/// Those of `read`.
///
/// # Panics
/// When a building thread does.
pub fn restore<E>(
    router: &Router,
    quotas: &Arc<Quotas>,
    read: impl FnOnce(&mut dyn FnMut(journal::Recovered) -> ControlFlow<()>) -> Result<(), E>,
    mut progress: impl FnMut(Restored) -> ControlFlow<()>,
) -> Result<(Vec<Roster>, Restored), E> {
    thread::scope(|scope| {
        let (mut feeds, builders): (Vec<Feed>, Vec<_>) = (0..router.partitions())
            .map(|_| {
                let (sender, batches) = sync_channel(QUEUE);
                let roster = Roster::new(quotas.clone());
                (Feed { sender, batch: Vec::new() }, scope.spawn(|| build(roster, batches)))
            })
            .unzip();
        let begun = Instant::now();
        let mut restored = Restored::default();
        let result = read(&mut |item| {
            let channel = match &item {
                journal::Recovered::Rocket(rocket) => {
                    restored.rockets += 1;
                    // Here and not where the rosters are built: a roster gives
                    // row IDs to new channels while another still gets old rockets.
                    quotas.row_ids.reserve(rocket.row_id);
                    &rocket.channel
                }
                journal::Recovered::Message(Message { channel, .. })
                | journal::Recovered::Skip(Skip { channel, .. })
                | journal::Recovered::Forget(Forget { channel }) => {
                    if restored.messages == 0 {
                        restored.rockets_took = begun.elapsed();
                    }
                    restored.messages += 1;
                    channel
                }
                // Of no rocket.
                journal::Recovered::Mark(_) => return ControlFlow::Continue(()),
            };
            let flushed = feeds[router.route(channel)].push(item);
            if flushed { progress(restored) } else { ControlFlow::Continue(()) }
        });
        if restored.messages == 0 {
            restored.rockets_took = begun.elapsed();
        }
        feeds.into_iter().for_each(Feed::flush);
        let rosters = builders
            .into_iter()
            .map(|builder| builder.join().expect("a thread that builds a roster panicked"))
            .collect();
        result.map(|()| (rosters, restored))
    })
}

/// The way to one building thread.
struct Feed {
    sender: SyncSender<Vec<journal::Recovered>>,
    batch: Vec<journal::Recovered>,
}

impl Feed {
    /// Adds one item; returns whether that completed a batch.
    fn push(&mut self, item: journal::Recovered) -> bool {
        self.batch.push(item);
        let full = self.batch.len() == BATCH;
        if full {
            let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
            // Fails only if the thread panicked, which joining it shows.
            let _ = self.sender.send(batch);
        }
        full
    }

    fn flush(self) {
        let _ = self.sender.send(self.batch);
    }
}

/// In whole microseconds: more digits say nothing.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn build(mut roster: Roster, batches: Receiver<Vec<journal::Recovered>>) -> Roster {
    for item in batches.into_iter().flatten() {
        match item {
            journal::Recovered::Rocket(rocket) => roster.restore(rocket),
            journal::Recovered::Message(message) => roster.replay(message),
            journal::Recovered::Skip(skip) => roster.replay_skip(&skip),
            journal::Recovered::Forget(forget) => roster.replay_forget(&forget),
            journal::Recovered::Mark(_) => unreachable!("it is no rocket's"),
        }
    }
    roster
}
