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
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{error, info, warn};

use crate::config::{Config, Durability};
use crate::fleet::Fleet;
use crate::fleet::checkpoint::Checkpointer;
use crate::fleet::health::{Health, Phase};
use crate::fleet::limits::Quotas;
use crate::fleet::restore::{Restored, restore};
use crate::fleet::roster::Roster;
use crate::fleet::routing::Router;
use crate::fleet::threading::Threading;
use crate::fleet::workers::{IdleWorkers, Shape, Workers};
use crate::http::context::Context;
use crate::http::dispatch;
use crate::http::server::{self, ServerLimits, Stopped};
use crate::journal::Journal;
use crate::journal::memory::MemoryJournal;
use crate::journal::sqlite::committer::Committer;
use crate::journal::sqlite::{self, CommitterThread, OpenError, Opened, Sync};

/// How often a long recovery is logged.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// How often to look whether a thread that cannot be awaited has ended.
const THREAD_POLL: Duration = Duration::from_millis(2);

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
    let health = Arc::new(Health::new(Phase::Starting("the journal is being read".to_owned())));
    let shape = Shape {
        workers: config.workers,
        inbox_capacity: config.inbox_capacity,
        limits: config.limits,
        threading: Threading::of(config.threads),
    };
    let (idle, fleet) = IdleWorkers::prepare(shape, health.clone());
    let context = RecoveryContext {
        router: idle.router().clone(),
        quotas: idle.quotas().clone(),
        health: health.clone(),
        interrupt: Arc::new(AtomicBool::new(false)),
    };
    let interrupt = context.interrupt.clone();
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
    let fleet = RunningFleet::start(&config, recovery, idle);
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
        let routes = dispatch::filter(Context::new(fleet, config.http.clone()));
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
    workers: Workers,
    stop_checkpoints: watch::Sender<bool>,
    checkpoints: JoinHandle<()>,
    journal_thread: Option<CommitterThread>,
}

impl RunningFleet {
    fn start(config: &Config, recovery: Recovery, idle: IdleWorkers) -> Self {
        let Recovery { journal, thread, rosters, backlog } = recovery;
        let workers = idle.start(rosters, journal.clone());
        let (stop_checkpoints, stop) = watch::channel(false);
        let checkpointer =
            Checkpointer::new(workers.mailboxes().clone(), journal, config.checkpoints);
        let checkpoints = tokio::spawn(checkpointer.run(backlog, stop));
        Self { workers, stop_checkpoints, checkpoints, journal_thread: thread }
    }

    /// Finishes everything that was accepted, and closes the journal.
    async fn stop(self) {
        // What does not listen any more has ended, and is joined all the same.
        let _ = self.stop_checkpoints.send(true);
        if let Err(failure) = self.checkpoints.await {
            error!(%failure, "the checkpoints died");
        }
        self.workers.stop().await;
        // Ends once the last handle on the journal is dropped, as they are now.
        while self.journal_thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            sleep(THREAD_POLL).await;
        }
        if let Some(Err(_)) = self.journal_thread.map(CommitterThread::join) {
            error!("the thread of the journal panicked");
        }
    }
}
