//! The service from its start to its stop: opens the journal, serves, and stops
//! in order. Knows what there is and when; not how any of it works.
//!
//! Start: the port answers at once, and says that the fleet is not ready; then
//! the journal is opened and read, and the workers start. Stop, in order: no
//! more connections, requests in flight, a last checkpoint, workers, journal. The
//! end of any task that the service cannot do without is a reason to stop, too.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{error, info, warn};

use crate::config::{Config, Durability};
use crate::fleet::Fleet;
use crate::fleet::checkpoint::Checkpointer;
use crate::fleet::health::{Health, Phase};
use crate::fleet::restore::{Recovered, RecoveryContext, recover};
use crate::fleet::supervisor::{Failure, Supervisor};
use crate::fleet::vitals::Kept;
use crate::fleet::workers::{IdleWorkers, Shape, Workers};
use crate::http::context::Context;
use crate::http::dispatch;
use crate::http::listener::Listeners;
use crate::http::server::{self, ServerLimits, Stopped};
use crate::journal::memory::MemoryJournal;
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{JournalSource, OpenError, RunningJournal};

/// Why the service did not start, or did not end well.
#[derive(Debug, Error)]
pub enum AppError {
    /// The journal could not be opened, or not read back.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The thread that reads the journal panicked, or the runtime ended under it.
    #[error("reading the journal failed: {0}")]
    Recovery(JoinError),
    /// A task ended that the service cannot do without.
    #[error(transparent)]
    Task(#[from] Failure),
    /// Messages could not be kept, which they were told that sent them.
    #[error("not everything that was sent could be kept: {0}")]
    NotKept(String),
    /// The deadline of a stop came first; holds how long was given.
    #[error("not everything that was accepted could be finished within {0:?}")]
    ShutdownTimedOut(Duration),
}

/// Done once a stop is to be hastened: what `shutdown` leaves behind. Cheap to
/// clone, since every step of a stop that may take long asks for itself.
#[derive(Clone)]
pub struct Hurry(Shared<BoxFuture<'static, ()>>);

impl Hurry {
    /// When `told` is done.
    #[must_use]
    pub fn when(told: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(told.boxed().shared())
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
    let supervisor = Supervisor::new(health.clone());
    let shape = Shape {
        workers: config.workers,
        inbox_capacity: config.inbox_capacity,
        limits: config.limits,
        threading: config.threading(),
    };
    let (idle, fleet) = IdleWorkers::prepare(shape, health.clone());
    let server = Server::start(&config, listeners.into(), fleet, &supervisor);
    let mut end = pin!(async {
        tokio::select! {
            hurry = shutdown => hurry.into(),
            () = supervisor.failed() => Hurry::from(()),
        }
    });

    let timeout = config.shutdown_timeout;
    let (recovered, told) = recovered(source, &idle, &health, &mut end, timeout).await;
    let recovered = match recovered {
        Ok(recovered) => recovered,
        Err(error) => {
            // Nobody was told that it is ready, and nobody will be.
            supervisor.expect_ends();
            server.stop(Instant::now(), Hurry::from(())).await;
            return match error {
                AppError::Open(OpenError::Interrupted) => outcome(&supervisor, &health),
                error => Err(error),
            };
        }
    };
    let fleet = RunningFleet::start(&config, recovered, idle, &supervisor, &health);
    if told.is_none() {
        health.set(Phase::Ready);
        match health.phase() {
            Phase::Ready => {
                info!(workers = config.workers, durability = %config.durability, "ready");
            }
            Phase::Paused(reason) => warn!(reason, "started, for reads only at first"),
            // What else it may be was told where it came from.
            _ => {}
        }
    }

    let (hurry, deadline) = match told {
        Some(told) => told,
        None => (end.await, Instant::now() + timeout),
    };
    supervisor.expect_ends();
    if let Some(failure) = supervisor.failure() {
        // What health says of it stays.
        error!(%failure, "the service cannot go on; stopping");
    } else {
        info!("stopping");
        health.set(Phase::Stopping);
    }
    let stopped = timeout_at(deadline, async {
        // Slow clients must not take the time that what was accepted needs.
        if server.stop(deadline - timeout / 2, hurry.clone()).await == Stopped::CutOff {
            warn!("connections were cut before they were done");
        }
        fleet.stop(hurry).await;
    });
    let stopped = stopped.await;
    outcome(&supervisor, &health)?;
    stopped.map_err(|_| AppError::ShutdownTimedOut(timeout))?;
    info!("stopped");
    Ok(())
}

/// Reads the journal back, and gives that up if the `end` comes first: then
/// returns what hastens the stop, and when it must be over.
async fn recovered(
    source: Box<dyn JournalSource>,
    idle: &IdleWorkers,
    health: &Arc<Health>,
    end: &mut (impl Future<Output = Hurry> + Unpin),
    timeout: Duration,
) -> (Result<Recovered, AppError>, Option<(Hurry, Instant)>) {
    let interrupt = Arc::new(AtomicBool::new(false));
    let context = RecoveryContext {
        router: idle.router().clone(),
        quotas: idle.quotas().clone(),
        health: health.clone(),
        interrupt: interrupt.clone(),
    };
    let mut recovering = spawn_blocking(move || recover(source, &context));
    let (joined, told) = tokio::select! {
        joined = &mut recovering => (joined, None),
        hurry = end => {
            interrupt.store(true, Ordering::Relaxed);
            let deadline = Instant::now() + timeout;
            let told = Some((hurry.clone(), deadline));
            tokio::select! {
                biased;
                joined = recovering => (joined, told),
                // Nothing was accepted, and a start may be cut short anywhere.
                () = hurry.0 => return (Err(OpenError::Interrupted.into()), told),
                () = sleep_until(deadline) => {
                    return (Err(AppError::ShutdownTimedOut(timeout)), told);
                }
            }
        }
    };
    let recovered =
        joined.map_err(AppError::Recovery).and_then(|recovered| recovered.map_err(AppError::Open));
    (recovered, told)
}

/// How a run ended, as far as what failed in it says.
fn outcome(supervisor: &Supervisor, health: &Health) -> Result<(), AppError> {
    if let Some(failure) = supervisor.failure() {
        return Err(failure.into());
    }
    health.failure().map_or(Ok(()), |reason| Err(AppError::NotKept(reason.to_owned())))
}

/// The accept loop, as a task.
struct Server {
    quit: oneshot::Sender<Instant>,
    task: JoinHandle<Option<Stopped>>,
}

impl Server {
    fn start(config: &Config, listeners: Listeners, fleet: Fleet, supervisor: &Supervisor) -> Self {
        let limits = ServerLimits {
            max_connections: config.http.max_connections,
            idle_timeout: config.http.idle_timeout,
        };
        let (quit, told) = oneshot::channel();
        let told = async { told.await.unwrap_or_else(|_| Instant::now()) };
        let routes = dispatch::filter(Context::new(fleet, config.http.clone()));
        let serve = async move { Ok(server::serve(listeners, routes, limits, told).await) };
        Self { quit, task: tokio::spawn(supervisor.supervise("the accept loop", serve)) }
    }

    /// Lets requests in flight finish until `deadline`, or until `hurry` is done.
    async fn stop(mut self, deadline: Instant, hurry: Hurry) -> Stopped {
        // If the task is gone, its supervisor knows.
        let _ = self.quit.send(deadline);
        let ended = tokio::select! {
            ended = &mut self.task => ended,
            () = hurry.0 => {
                // All connections go with it.
                self.task.abort();
                return Stopped::CutOff;
            }
        };
        ended.ok().flatten().unwrap_or(Stopped::CutOff)
    }
}

/// Workers, checkpoints and journal.
struct RunningFleet {
    workers: Workers,
    stop_checkpoints: watch::Sender<bool>,
    checkpoints: JoinHandle<Option<()>>,
    journal_ended: JoinHandle<Option<()>>,
    looks: JoinHandle<Option<Infallible>>,
}

impl RunningFleet {
    fn start(
        config: &Config,
        recovered: Recovered,
        idle: IdleWorkers,
        supervisor: &Supervisor,
        health: &Health,
    ) -> Self {
        let Recovered { journal, rosters, backlog } = recovered;
        let RunningJournal { journal, mut ended, still_there } = journal;
        if let Some(still_there) = still_there {
            health.watch(Arc::new(Kept::new(still_there)));
        }
        let workers = idle.start(rosters, journal.clone(), supervisor);
        let (stop_checkpoints, stop) = watch::channel(false);
        let checkpointer =
            Checkpointer::new(workers.mailboxes().clone(), journal, config.checkpoints);
        health.watch(checkpointer.overdue());
        let checkpoints = async move {
            checkpointer.run(backlog, stop).await;
            Ok(())
        };
        let checkpoints = tokio::spawn(supervisor.supervise("the checkpointer", checkpoints));
        let ended = async move { ended.wait().await.map_err(|died| died.to_string()) };
        let journal_ended = tokio::spawn(supervisor.supervise("the journal", ended));
        let looks = tokio::spawn(supervisor.keep_watch());
        Self { workers, stop_checkpoints, checkpoints, journal_ended, looks }
    }

    /// Finishes everything that was accepted, and closes the journal. The last
    /// checkpoint is left out in a `hurry`: without it the next start takes longer,
    /// and nothing else is different.
    async fn stop(mut self, hurry: Hurry) {
        self.looks.abort();
        // What does not listen any more has ended; its supervisor knows, and says
        // how. It is joined all the same.
        let _ = self.stop_checkpoints.send(true);
        tokio::select! {
            biased;
            _ = &mut self.checkpoints => {}
            () = hurry.0 => {
                self.checkpoints.abort();
                let _ = self.checkpoints.await;
                warn!("the last checkpoint is left out; the next start replays more");
            }
        }
        self.workers.stop().await;
        // The last handle on the journal is dropped by now.
        let _ = self.journal_ended.await;
    }
}
