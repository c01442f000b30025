//! Wires everything: the only place that knows both ends of each channel.
//!
//! Start: the port answers at once, and says that the fleet is not ready; then
//! the journal is opened and read, and the workers start. Stop, in order: no
//! more connections, requests in flight, a last checkpoint, workers, journal.

use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{error, info, warn};

use crate::config::{Config, Durability};
use crate::fleet::Fleet;
use crate::fleet::checkpoint::Checkpointer;
use crate::fleet::health::{Health, Phase};
use crate::fleet::inbox::{self, Inbox, Mail};
use crate::fleet::limits::Quotas;
use crate::fleet::partition::{Exit, Partition};
use crate::fleet::restore::{Restored, restore};
use crate::fleet::roster::Roster;
use crate::fleet::routing::Router;
use crate::fleet::version::{self, Changes};
use crate::http::routes::{Service, routes};
use crate::http::server::{self, ServerLimits, Stopped};
use crate::journal::Journal;
use crate::journal::memory::MemoryJournal;
use crate::journal::sqlite::committer::Committer;
use crate::journal::sqlite::{self, CommitterThread, OpenError, Opened, Sync};

/// How often a long recovery is logged.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Connections with news that one look at the network gives one thread to deal
/// with. What they send reaches the journal before it looks for more, and is
/// being committed while it deals with those.
const EVENTS_AT_ONCE: usize = 32;

/// How often to look whether a thread that cannot be awaited has ended.
const THREAD_POLL: Duration = Duration::from_millis(2);

/// A runtime with so many threads, for [`run`]. One thread has no use for the
/// scheduler that shares tasks among threads, and is fairer without it
/// (decision 15).
#[must_use]
pub fn runtime(threads: usize) -> runtime::Builder {
    let mut runtime = if threads == 1 {
        let mut runtime = runtime::Builder::new_current_thread();
        runtime.max_io_events_per_tick(EVENTS_AT_ONCE);
        runtime
    } else {
        runtime::Builder::new_multi_thread()
    };
    runtime.worker_threads(threads).enable_all();
    runtime
}

/// Why the service did not start, or did not end well.
#[derive(Debug, Error)]
pub enum AppError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("reading the journal failed: {0}")]
    Recovery(String),
    #[error("not everything that was accepted could be finished within {0:?}")]
    ShutdownTimedOut(Duration),
}

/// The journal of a fleet that was recovered, and the fleet's rockets.
pub struct Recovery {
    pub journal: Arc<dyn Journal>,
    /// The thread behind the journal, to be joined once nobody uses it.
    pub thread: Option<CommitterThread>,
    /// One for each partition.
    pub rosters: Vec<Roster>,
    /// Whether records were replayed that no checkpoint covers.
    pub backlog: bool,
}

/// What recovery works with.
pub struct RecoveryContext {
    pub router: Router,
    pub quotas: Arc<Quotas>,
    pub health: Arc<Health>,
    /// Turns true when recovery is to be given up.
    pub interrupt: Arc<AtomicBool>,
}

/// Runs the service on `listener` until `shutdown` is done and everything
/// accepted is finished.
///
/// # Errors
/// When it cannot start, or the shutdown deadline came first.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AppError> {
    let (directory, durability) = (config.data_dir.clone(), config.durability);
    let open = move |context: &RecoveryContext| {
        let sync = match durability {
            Durability::Memory => return Ok(in_memory(context)),
            Durability::Fsync => Sync::Device,
            Durability::Os => Sync::OperatingSystem,
        };
        let opened = sqlite::open(&directory, sync)?;
        recover(opened, context, Opened::start)
    };
    run_with(config, listener, shutdown, open).await
}

/// As [`run`], with a journal of the caller's, which `open` opens and reads on
/// a thread that may block.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    open: impl FnOnce(&RecoveryContext) -> Result<Recovery, OpenError> + Send + 'static,
) -> Result<(), AppError> {
    let context = RecoveryContext {
        router: Router::new(config.workers),
        quotas: Arc::new(Quotas::new(config.limits)),
        health: Arc::new(Health::new(Phase::Starting("the journal is being read".to_owned()))),
        interrupt: Arc::new(AtomicBool::new(false)),
    };
    let health = context.health.clone();
    let interrupt = context.interrupt.clone();
    let (inboxes, mails) = inbox::channels(config.workers, config.inbox_capacity);
    let (version, changes) = version::counts(config.workers);
    let fleet = Fleet::new(inboxes.clone(), context.router.clone(), health.clone(), version);
    let server = Server::start(&config, listener, fleet);

    let mut recovering = spawn_blocking(move || open(&context));
    let mut shutdown = pin!(shutdown);
    let mut told_to_stop = false;
    let recovered = tokio::select! {
        recovered = &mut recovering => recovered,
        () = &mut shutdown => {
            told_to_stop = true;
            interrupt.store(true, Ordering::Relaxed);
            recovering.await
        }
    };
    let recovery = match recovered {
        Ok(Ok(recovery)) => recovery,
        Ok(Err(error)) => {
            server.stop(Instant::now()).await;
            return match error {
                OpenError::Interrupted => Ok(()),
                error => Err(error.into()),
            };
        }
        Err(failure) => {
            server.stop(Instant::now()).await;
            return Err(AppError::Recovery(failure.to_string()));
        }
    };
    let fleet = RunningFleet::start(&config, recovery, inboxes, mails, changes, &health);
    health.set(Phase::Ready);
    info!(workers = config.workers, durability = ?config.durability, "ready");

    if !told_to_stop {
        shutdown.await;
    }
    info!("stopping");
    health.set(Phase::Stopping);
    let timeout = config.shutdown_timeout;
    let deadline = Instant::now() + timeout;
    // Slow clients must not take the time that what was accepted needs.
    if server.stop(Instant::now() + timeout / 2).await == Stopped::CutOff {
        warn!("connections were cut before they were done");
    }
    match timeout_at(deadline, fleet.stop()).await {
        Ok(()) => {
            info!("stopped");
            Ok(())
        }
        Err(_) => Err(AppError::ShutdownTimedOut(timeout)),
    }
}

/// A fleet that starts empty and is kept nowhere.
fn in_memory(context: &RecoveryContext) -> Recovery {
    let roster = |_| Roster::new(context.quotas.clone());
    Recovery {
        journal: Arc::new(MemoryJournal),
        thread: None,
        rosters: (0..context.router.partitions()).map(roster).collect(),
        backlog: false,
    }
}

/// Reads an opened journal back, and then has `start` start it.
///
/// # Errors
/// When it is corrupt or cannot be read, or recovery was interrupted.
pub fn recover(
    opened: Opened,
    context: &RecoveryContext,
    start: impl FnOnce(Opened) -> Result<(Committer, CommitterThread), OpenError>,
) -> Result<Recovery, OpenError> {
    let begun = Instant::now();
    let mut logged = begun;
    let progress = |Restored { rockets, messages, .. }| {
        if logged.elapsed() >= PROGRESS_INTERVAL {
            logged = Instant::now();
            info!(rockets, messages, "reading the journal");
            let so_far = format!("{rockets} rockets and {messages} messages so far");
            let reason = format!("the journal is being read: {so_far}");
            context.health.set(Phase::Starting(reason));
        }
        if context.interrupt.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let RecoveryContext { router, quotas, .. } = context;
    let read = |sink: &mut dyn FnMut(_) -> _| opened.recover(sink);
    let (rosters, restored) = restore(router, quotas, read, progress)?;
    let Restored { rockets, messages, rockets_took } = restored;
    info!(rockets, messages, ?rockets_took, took = ?begun.elapsed(), "the journal is read");
    let (committer, thread) = start(opened)?;
    Ok(Recovery {
        journal: Arc::new(committer),
        thread: Some(thread),
        rosters,
        backlog: messages > 0,
    })
}

/// The accept loop, as a task.
struct Server {
    quit: oneshot::Sender<Instant>,
    task: JoinHandle<Stopped>,
}

impl Server {
    fn start(config: &Config, listener: TcpListener, fleet: Fleet) -> Self {
        let limits = ServerLimits {
            max_connections: config.http.max_connections,
            idle_timeout: config.http.idle_timeout,
        };
        let (quit, told) = oneshot::channel();
        let told = async { told.await.unwrap_or_else(|_| Instant::now()) };
        let routes = routes(Service::new(fleet, config.http.clone()));
        Self { quit, task: tokio::spawn(server::serve(listener, routes, limits, told)) }
    }

    /// Lets requests in flight finish until `deadline`.
    async fn stop(self, deadline: Instant) -> Stopped {
        // If the task is gone, joining it says so.
        let _ = self.quit.send(deadline);
        self.task.await.unwrap_or_else(|failure| {
            error!(%failure, "the accept loop died");
            Stopped::CutOff
        })
    }
}

/// Workers, checkpoints and journal.
struct RunningFleet {
    /// Kept until the workers have ended: nobody may find an inbox closed that
    /// was not told so.
    inboxes: Arc<[Inbox]>,
    stop_workers: Vec<oneshot::Sender<()>>,
    workers: JoinHandle<()>,
    stop_checkpoints: watch::Sender<bool>,
    checkpoints: JoinHandle<()>,
    journal_thread: Option<CommitterThread>,
}

impl RunningFleet {
    fn start(
        config: &Config,
        recovery: Recovery,
        inboxes: Arc<[Inbox]>,
        mails: Vec<Mail>,
        changes: Vec<Changes>,
        health: &Arc<Health>,
    ) -> Self {
        let Recovery { journal, thread, rosters, backlog } = recovery;
        let mut stop_workers = Vec::new();
        let mut workers = JoinSet::new();
        for (index, ((mail, changes), roster)) in
            mails.into_iter().zip(changes).zip(rosters).enumerate()
        {
            let (journal, health) = (journal.clone(), health.clone());
            let (sender, stop) = oneshot::channel();
            stop_workers.push(sender);
            let partition = Partition { index, mail, roster, journal, health, changes, stop };
            workers.spawn(async move { (index, partition.run().await) });
        }
        let (stop_checkpoints, stop) = watch::channel(false);
        let checkpointer = Checkpointer::new(inboxes.clone(), journal, config.checkpoints);
        Self {
            inboxes,
            stop_workers,
            workers: tokio::spawn(watch_workers(workers, health.clone())),
            stop_checkpoints,
            checkpoints: tokio::spawn(checkpointer.run(backlog, stop)),
            journal_thread: thread,
        }
    }

    /// Finishes everything that was accepted, and closes the journal.
    async fn stop(self) {
        // What does not listen any more has ended, and is joined all the same.
        let _ = self.stop_checkpoints.send(true);
        if let Err(failure) = self.checkpoints.await {
            error!(%failure, "the checkpoints died");
        }
        for stop in self.stop_workers {
            let _ = stop.send(());
        }
        if let Err(failure) = self.workers.await {
            error!(%failure, "the watch over the workers died");
        }
        drop(self.inboxes);
        // Ends once the last handle on the journal is dropped, as they are now.
        while self.journal_thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            sleep(THREAD_POLL).await;
        }
        if let Some(Err(_)) = self.journal_thread.map(CommitterThread::join) {
            error!("the thread of the journal panicked");
        }
    }
}

/// Joins the workers, and makes it known when one ends that should not.
async fn watch_workers(mut workers: JoinSet<(usize, Exit)>, health: Arc<Health>) {
    while let Some(ended) = workers.join_next().await {
        let reason = match ended {
            Ok((_, Exit::Stopped)) => continue,
            Ok((index, exit)) => format!("partition {index} ended: {exit:?}"),
            Err(failure) => format!("a partition died: {failure}"),
        };
        error!(%reason, "the fleet is incomplete; restart the service");
        health.set(Phase::Degraded(reason));
    }
}
