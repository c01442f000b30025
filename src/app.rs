//! Wires everything: the only place that knows both ends of each channel.
//!
//! Start: inboxes, workers, then the accept loop. Stop, in order: no more
//! connections, requests in flight, workers.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::{error, info, warn};

use crate::config::{Config, Durability};
use crate::fleet::Fleet;
use crate::fleet::health::{Health, Phase};
use crate::fleet::inbox;
use crate::fleet::limits::Quotas;
use crate::fleet::partition::{Exit, Partition};
use crate::fleet::roster::Roster;
use crate::fleet::routing::Router;
use crate::http::routes::{Context, routes};
use crate::http::server::{self, ServerLimits, Stopped};
use crate::journal::Journal;
use crate::journal::memory::MemoryJournal;

/// Why the service did not end well.
#[derive(Debug, Error)]
pub enum AppError {
    #[error("not everything in flight was finished within {0:?}")]
    ShutdownTimedOut(Duration),
}

/// Runs the service on `listener` until `shutdown` is done and everything in
/// flight is finished.
///
/// # Errors
/// When the shutdown deadline came first.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AppError> {
    let journal: Arc<dyn Journal> = match config.durability {
        Durability::Memory => Arc::new(MemoryJournal),
    };
    let health = Arc::new(Health::new(Phase::Starting("the workers start".to_owned())));
    let (inboxes, mails) = inbox::channels(config.workers, config.inbox_capacity);
    let quotas = Arc::new(Quotas::new(config.limits));
    let (stop, stopped) = watch::channel(false);

    let mut workers = JoinSet::new();
    for (index, mail) in mails.into_iter().enumerate() {
        let partition = Partition {
            index,
            mail,
            roster: Roster::new(quotas.clone()),
            journal: journal.clone(),
            health: health.clone(),
            stop: stopped.clone(),
        };
        workers.spawn(async move { (index, partition.run().await) });
    }
    health.set(Phase::Ready);
    let watchdog = tokio::spawn(watch_workers(workers, health.clone()));

    let fleet = Fleet::new(inboxes, Router::new(config.workers), health.clone());
    let limits = ServerLimits {
        max_connections: config.http.max_connections,
        idle_timeout: config.http.idle_timeout,
        shutdown_timeout: config.shutdown_timeout,
    };
    info!(workers = config.workers, durability = ?config.durability, "ready");
    let mut deadline = None;
    let shutdown = async {
        shutdown.await;
        info!("stopping");
        deadline = Some(Instant::now() + config.shutdown_timeout);
        health.set(Phase::Stopping);
    };
    let served =
        server::serve(listener, routes(Context::new(fleet, config.http)), limits, shutdown).await;

    // Every worker holds a receiver, unless all of them ended.
    let _ = stop.send(true);
    let deadline = deadline.unwrap_or_else(Instant::now);
    let workers_ended = timeout_at(deadline, watchdog).await;
    match (served, workers_ended) {
        (Stopped::Finished, Ok(_)) => {
            info!("stopped");
            Ok(())
        }
        (served, workers) => {
            warn!(connections = ?served, workers = workers.is_ok(), "stopped at the deadline");
            Err(AppError::ShutdownTimedOut(config.shutdown_timeout))
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
