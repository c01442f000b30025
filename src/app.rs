//! The service from its start to its stop: opens the journal, serves, and stops
//! in order. Knows what there is and when; not how any of it works.
//!
//! Start: the port answers at once, and says that the fleet is not ready; then
//! the journal is opened and read, and the workers start. Stop, in order: no
//! more connections, requests in flight, a last checkpoint, workers, journal. The
//! end of any task that the service cannot do without is a reason to stop, too.
//!
//! * [`cluster`]: what it is besides as a node of a cluster.
//! * [`engine`]: the log of a cluster, as it was configured.
//! * [`manager`]: what a service manager is told of it.
//! * [`reload`]: what SIGHUP has read again.
//! * `server`: the accept loops, on what is `reached`.
//! * `error`: why it did not start, or did not end well.
//! * [`status`]: how the nodes of a cluster are.

pub mod cluster;
mod decisions;
mod drain;
pub mod engine;
mod error;
mod hurry;
pub mod manager;
mod reached;
pub mod reload;
mod server;
pub mod status;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{error, info, warn};

use self::cluster::{CatchUp, Cluster, Joined, Membership, Running, Started};
use self::decisions::Decisions;
use self::drain::drain;
pub use self::error::AppError;
pub use self::hurry::Hurry;
use self::manager::Notifier;
pub use self::reached::Reached;
use self::server::Server;
use crate::config::{Config, Durability};
use crate::fleet::archive::Archive;
use crate::fleet::checkpoint::Checkpointer;
use crate::fleet::health::{Health, Phase};
use crate::fleet::restore::{Recovered, RecoveryContext, recover};
use crate::fleet::supervisor::Supervisor;
use crate::fleet::vitals::Kept;
use crate::fleet::workers::{IdleWorkers, Shape, Workers};
use crate::http::server::Stopped;
use crate::journal::memory::MemoryJournal;
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{JournalSource, OpenError, RunningJournal};

/// Runs the service on `reached` until `shutdown` is done and everything
/// accepted is finished.
///
/// # Errors
/// When it cannot start, or the shutdown deadline came first.
pub async fn run(
    config: Config,
    reached: impl Into<Reached>,
    shutdown: impl Future<Output: Into<Hurry>>,
) -> Result<(), AppError> {
    run_as(config, reached, shutdown, None).await
}

/// As [`run`], as a node of a cluster if it is to be one.
///
/// # Errors
/// As [`run`].
pub async fn run_as(
    config: Config,
    reached: impl Into<Reached>,
    shutdown: impl Future<Output: Into<Hurry>>,
    cluster: Option<Cluster>,
) -> Result<(), AppError> {
    let source = journal(&config);
    run_in(config, reached, shutdown, source, cluster).await
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
    reached: impl Into<Reached>,
    shutdown: impl Future<Output: Into<Hurry>>,
    source: Box<dyn JournalSource>,
) -> Result<(), AppError> {
    run_in(config, reached, shutdown, source, None).await
}

/// As [`run_with`], as a node of a cluster if it is to be one.
///
/// # Errors
/// As [`run`].
pub async fn run_in(
    config: Config,
    reached: impl Into<Reached>,
    shutdown: impl Future<Output: Into<Hurry>>,
    source: Box<dyn JournalSource>,
    cluster: Option<Cluster>,
) -> Result<(), AppError> {
    let health = Arc::new(Health::new(Phase::Starting("the journal is being read".to_owned())));
    let supervisor = Supervisor::new(health.clone());
    let shape = Shape {
        workers: config.workers,
        inbox_capacity: config.inbox_capacity,
        limits: config.limits,
        threading: config.threading(),
    };
    let manager = Arc::new(Notifier::to(&config.manager));
    let (idle, fleet) = IdleWorkers::prepare(shape, health.clone());
    let archive = config.retention.archives.then(|| Arc::new(Archive::below(&config.data_dir)));
    if config.retention.after.is_some() {
        idle.quotas().follow_quiet();
    }
    let mut cluster = cluster.map(|cluster| Membership::prepare(cluster, &idle, &config));
    let node = cluster.as_ref().map(Membership::node);
    let fleet = fleet.archiving(archive.clone()).of_cluster(node);
    let reached = reached.into();
    let tls = reached.over_tls();
    let feed = fleet.feed().clone();
    let (server, admin) = Server::start(&config, reached, fleet, &supervisor);
    let mut end = pin!(async {
        tokio::select! {
            hurry = shutdown => hurry.into(),
            () = supervisor.failed() => Hurry::from(()),
        }
    });

    let timeout = config.shutdown_timeout;
    let known = (&health, &*manager);
    let ready = cluster::take_over(&mut cluster, &config, known, &mut end).await;
    let source = ready.map(|()| source);
    let (recovered, mut told) = recovered(source, &idle, known, &mut end, timeout).await;
    let joined = match recovered {
        // It is only closed again, in order.
        Ok(recovered) if told.is_some() => Ok((recovered, None)),
        Ok(recovered) => cluster::join(cluster, recovered, &health, &mut end).await,
        Err(error) => Err(error),
    };
    let (recovered, joined) = match joined {
        Ok(joined) => joined,
        Err(error) => {
            // Nobody was told that it is ready, and nobody will be.
            supervisor.expect_ends();
            server.stop(Instant::now(), Hurry::from(())).await;
            Server::stop_admin(admin).await;
            return match error {
                AppError::Open(OpenError::Interrupted) => outcome(&supervisor, &health),
                error => Err(error),
            };
        }
    };
    let watched = (health.clone(), manager.clone());
    let (fleet, catch_up) =
        RunningFleet::start(&config, (recovered, archive), (idle, joined), &supervisor, watched);
    if let Some(catch_up) = catch_up {
        tokio::select! {
            () = catch_up.done(&health) => {}
            hurry = &mut end => told = Some((hurry, Instant::now() + timeout)),
        }
    }
    if told.is_none() {
        health.set(Phase::Ready);
        match health.phase() {
            Phase::Ready => {
                info!(workers = config.workers, durability = %config.durability, tls, "ready");
            }
            Phase::Paused(reason) => warn!(reason, "started, for reads only at first"),
            // What else it may be was told where it came from.
            _ => {}
        }
        manager.ready(&health);
    }

    let (hurry, deadline) = if let Some(told) = told {
        told
    } else {
        let hurry = end.await;
        let hurry = drain(hurry, config.drain_delay, &supervisor, &health, &manager).await;
        (hurry, Instant::now() + timeout)
    };
    manager.stopping();
    supervisor.expect_ends();
    if let Some(failure) = supervisor.failure() {
        // What health says of it stays.
        error!(%failure, "the service cannot go on; stopping");
    } else {
        info!("stopping");
        health.set(Phase::Stopping);
    }
    // Else these answers would never be finished.
    feed.end("the service stops");
    let stopped = timeout_at(deadline, async {
        // Slow clients must not take the time that what was accepted needs.
        if server.stop(deadline - timeout / 2, hurry.clone()).await == Stopped::CutOff {
            warn!("connections were cut before they were done");
        }
        fleet.stop(hurry).await;
        // Until now it told that the service is stopping.
        Server::stop_admin(admin).await;
    });
    let stopped = stopped.await;
    outcome(&supervisor, &health)?;
    stopped.map_err(|_| AppError::ShutdownTimedOut(timeout))?;
    info!("stopped");
    Ok(())
}

/// Reads the journal back, if there is one to be read, and gives that up if the `end`
/// comes first: then returns what hastens the stop, and when it must be over.
async fn recovered(
    source: Result<Box<dyn JournalSource>, AppError>,
    idle: &IdleWorkers,
    (health, manager): (&Arc<Health>, &Notifier),
    end: &mut (impl Future<Output = Hurry> + Unpin),
    timeout: Duration,
) -> (Result<Recovered, AppError>, Option<(Hurry, Instant)>) {
    let source = match source {
        Ok(source) => source,
        Err(error) => return (Err(error), None),
    };
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
        never = manager.follow_start(health) => match never {},
        hurry = end => {
            interrupt.store(true, Ordering::Relaxed);
            let deadline = Instant::now() + timeout;
            manager.stopping();
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

/// Workers, checkpoints and journal.
struct RunningFleet {
    workers: Workers,
    stop_checkpoints: watch::Sender<bool>,
    checkpoints: JoinHandle<Option<()>>,
    decisions: Decisions,
    journal_ended: JoinHandle<Option<()>>,
    looks: JoinHandle<Option<Infallible>>,
    node: Option<Running>,
}

impl RunningFleet {
    fn start(
        config: &Config,
        (recovered, archive): (Recovered, Option<Arc<Archive>>),
        (idle, joined): (IdleWorkers, Option<Joined>),
        supervisor: &Supervisor,
        (health, manager): (Arc<Health>, Arc<Notifier>),
    ) -> (Self, Option<CatchUp>) {
        let Recovered { journal, rosters, backlog, .. } = recovered;
        let RunningJournal { journal, mut ended, still_there } = journal;
        if let Some(still_there) = still_there {
            health.watch(Arc::new(Kept::new(still_there)));
        }
        let metrics = idle.metrics().clone();
        let (journal, node) = match joined {
            Some(joined) => {
                let started = joined.start(journal, &idle, supervisor, &health);
                let Started { store, member, figures, running, catch_up } = started;
                metrics.follow_cluster(figures);
                (store, Some((member, (running, catch_up))))
            }
            None => (journal, None),
        };
        let (member, node) = node.unzip();
        let workers = idle.start(rosters, (journal.clone(), member), supervisor);
        let (node, catch_up) = node.unzip();
        let (stop_checkpoints, stop) = watch::channel(false);
        if let Some(archive) = &archive {
            metrics.follow_archive(archive.clone());
        }
        let with = (workers.mailboxes(), archive);
        let decisions = Decisions::start(config, with, supervisor, &health, &stop);
        let checkpointer =
            Checkpointer::new(workers.mailboxes().clone(), journal, config.checkpoints);
        health.watch(checkpointer.overdue());
        metrics.follow_checkpoints(checkpointer.counts());
        let checkpoints = async move {
            checkpointer.run(backlog, stop).await;
            Ok(())
        };
        let checkpoints = tokio::spawn(supervisor.supervise("the checkpointer", checkpoints));
        let ended = async move { ended.wait().await.map_err(|died| died.to_string()) };
        let journal_ended = tokio::spawn(supervisor.supervise("the journal", ended));
        let every = manager.every();
        let looks = supervisor.keep_watch(every, move |health| manager.looked(health));
        let looks = tokio::spawn(looks);
        let running =
            Self { workers, stop_checkpoints, checkpoints, decisions, journal_ended, looks, node };
        (running, catch_up)
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
        self.decisions.ended().await;
        self.workers.stop().await;
        if let Some(node) = self.node {
            node.stop();
        }
        // The last handle on the journal is dropped by now.
        let _ = self.journal_ended.await;
    }
}
