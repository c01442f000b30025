//! The service from its start to its stop: opens the journal, serves, and stops
//! in order. Knows what there is and when; not how any of it works.
//!
//! Start: the port answers at once, and says that the fleet is not ready; then
//! the journal is opened and read, and the workers start. Stop, in order: no
//! more connections, requests in flight, a last checkpoint, workers, journal.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};
use tracing::{error, info, warn};

use crate::config::{Config, Durability};
use crate::fleet::Fleet;
use crate::fleet::checkpoint::Checkpointer;
use crate::fleet::health::{Health, Phase};
use crate::fleet::restore::{Recovered, RecoveryContext, recover};
use crate::fleet::threading::Threading;
use crate::fleet::workers::{IdleWorkers, Shape, Workers};
use crate::http::context::Context;
use crate::http::dispatch;
use crate::http::listener::Listeners;
use crate::http::server::{self, ServerLimits, Stopped};
use crate::journal::memory::MemoryJournal;
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Ended, JournalSource, OpenError, RunningJournal};

/// Why the service did not start, or did not end well.
#[derive(Debug, Error)]
pub enum AppError {
    /// The journal could not be opened, or not read back.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The thread that reads the journal panicked, or the runtime ended under it.
    #[error("reading the journal failed: {0}")]
    Recovery(JoinError),
    /// The deadline of a stop came first; holds how long was given.
    #[error("not everything that was accepted could be finished within {0:?}")]
    ShutdownTimedOut(Duration),
}

/// Done once a stop is to be hastened: what `shutdown` leaves behind.
pub struct Hurry(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Hurry {
    /// When `told` is done.
    #[must_use]
    pub fn when(told: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(told))
    }
}

impl From<()> for Hurry {
    /// Never.
    fn from((): ()) -> Self {
        Self::when(std::future::pending())
    }
}

/// Runs the service on `listeners` until `shutdown` is done and everything
/// accepted is finished.
///
/// # Errors
/// When it cannot start, or the shutdown deadline came first.
pub async fn run(
    config: Config,
    listeners: impl Into<Listeners>,
    shutdown: impl Future<Output: Into<Hurry>>,
) -> Result<(), AppError> {
    let source = journal(&config);
    run_with(config, listeners, shutdown, source).await
}

/// The journal that the configuration asks for.
fn journal(config: &Config) -> Box<dyn JournalSource> {
    let Config { data_dir, commit_delay, .. } = config;
    match config.durability {
        Durability::Memory => Box::new(MemoryJournal::default()),
        Durability::Fsync => Box::new(SqliteJournal::fsync(data_dir, *commit_delay)),
        Durability::Os => Box::new(SqliteJournal::os(data_dir, *commit_delay)),
    }
}

/// As [`run`], with a journal of the caller's.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    config: Config,
    listeners: impl Into<Listeners>,
    shutdown: impl Future<Output: Into<Hurry>>,
    source: Box<dyn JournalSource>,
) -> Result<(), AppError> {
    let health = Arc::new(Health::new(Phase::Starting("the journal is being read".to_owned())));
    let shape = Shape {
        workers: config.workers,
        inbox_capacity: config.inbox_capacity,
        limits: config.limits,
        threading: Threading::of(config.threads),
    };
    let (idle, fleet) = IdleWorkers::prepare(shape, health.clone());
    let server = Server::start(&config, listeners.into(), fleet);

    let mut shutdown = pin!(shutdown);
    let mut told_to_stop = None;
    let interrupt = Arc::new(AtomicBool::new(false));
    let context = RecoveryContext {
        router: idle.router().clone(),
        quotas: idle.quotas().clone(),
        health: health.clone(),
        interrupt: interrupt.clone(),
    };
    let mut recovering = spawn_blocking(move || recover(source, &context));
    let recovered = tokio::select! {
        recovered = &mut recovering => recovered,
        hurry = &mut shutdown => {
            told_to_stop = Some(hurry);
            interrupt.store(true, Ordering::Relaxed);
            recovering.await
        }
    };
    let recovered = match recovered.map_err(AppError::Recovery) {
        Ok(Ok(recovered)) => recovered,
        Ok(Err(OpenError::Interrupted)) => {
            server.stop(Instant::now()).await;
            return Ok(());
        }
        Ok(Err(error)) => {
            server.stop(Instant::now()).await;
            return Err(error.into());
        }
        Err(failure) => {
            server.stop(Instant::now()).await;
            return Err(failure);
        }
    };
    let fleet = RunningFleet::start(&config, recovered, idle, &health);
    health.set(Phase::Ready);
    match health.ready() {
        Ok(()) => info!(workers = config.workers, durability = ?config.durability, "ready"),
        Err(reason) => warn!(%reason, "started, for reads only at first"),
    }

    let hurry = match told_to_stop {
        Some(hurry) => hurry,
        None => shutdown.await,
    };
    info!("stopping");
    health.set(Phase::Stopping);
    let timeout = config.shutdown_timeout;
    let deadline = Instant::now() + timeout;
    // Slow clients must not take the time that what was accepted needs.
    let last = Instant::now() + timeout / 2;
    if server.stop_sooner(last, hurry.into()).await == Stopped::CutOff {
        warn!("connections were cut before they were done");
    }
    timeout_at(deadline, fleet.stop()).await.map_err(|_| AppError::ShutdownTimedOut(timeout))?;
    info!("stopped");
    Ok(())
}

/// The accept loop, as a task.
struct Server {
    quit: oneshot::Sender<Instant>,
    task: JoinHandle<Stopped>,
}

impl Server {
    fn start(config: &Config, listeners: Listeners, fleet: Fleet) -> Self {
        let limits = ServerLimits {
            max_connections: config.http.max_connections,
            idle_timeout: config.http.idle_timeout,
        };
        let (quit, told) = oneshot::channel();
        let told = async { told.await.unwrap_or_else(|_| Instant::now()) };
        let routes = dispatch::filter(Context::new(fleet, config.http.clone()));
        Self { quit, task: tokio::spawn(server::serve(listeners, routes, limits, told)) }
    }

    /// Lets requests in flight finish until `deadline`.
    async fn stop(self, deadline: Instant) -> Stopped {
        self.stop_sooner(deadline, ().into()).await
    }

    /// As [`Server::stop`], or until `hurry` is done.
    async fn stop_sooner(mut self, deadline: Instant, hurry: Hurry) -> Stopped {
        // If the task is gone, joining it says so.
        let _ = self.quit.send(deadline);
        let ended = tokio::select! {
            ended = &mut self.task => ended,
            () = hurry.0 => {
                // All connections go with it.
                self.task.abort();
                return Stopped::CutOff;
            }
        };
        ended.unwrap_or_else(|failure| {
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
    journal_ended: Ended,
}

impl RunningFleet {
    fn start(config: &Config, recovered: Recovered, idle: IdleWorkers, health: &Health) -> Self {
        let Recovered { journal: RunningJournal { journal, ended }, rosters, backlog } = recovered;
        let workers = idle.start(rosters, journal.clone());
        let (stop_checkpoints, stop) = watch::channel(false);
        let checkpointer =
            Checkpointer::new(workers.mailboxes().clone(), journal, config.checkpoints);
        health.watch(checkpointer.overdue());
        let checkpoints = tokio::spawn(checkpointer.run(backlog, stop));
        Self { workers, stop_checkpoints, checkpoints, journal_ended: ended }
    }

    /// Finishes everything that was accepted, and closes the journal.
    async fn stop(mut self) {
        // What does not listen any more has ended, and is joined all the same.
        let _ = self.stop_checkpoints.send(true);
        if let Err(failure) = self.checkpoints.await {
            error!(%failure, "the checkpoints died");
        }
        self.workers.stop().await;
        // The last handle on the journal is dropped by now.
        if let Err(failure) = self.journal_ended.wait().await {
            error!(%failure, "the journal did not end as it should");
        }
    }
}
