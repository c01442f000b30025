//! How the nodes of a cluster are, by what they say in its log, and that one says nothing
//! any more. Owns what is looked at and when a node lives; does not own how it is shown
//! (`tool/cluster_status.rs`).

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::sleep;

use super::engine;
use crate::config::cluster::EngineConfig;
use crate::fleet::cluster::peers::Announcement;
use crate::journal::shared::{LogError, LogResult, SharedLog};

/// A node says something every second; one that has not in so long does not live.
const PATIENCE: Duration = Duration::from_secs(4);

/// The wait between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The log's name.
    pub cluster: String,
    /// Where it ends.
    pub head: u64,
    /// Up to where it was trimmed.
    pub trimmed: u64,
    /// Bytes that it takes.
    pub bytes: u64,
    /// All nodes that ever said anything and were not withdrawn, by name.
    pub nodes: Vec<NodeStatus>,
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// Its release; none of one that says it in another way.
    pub version: Option<String>,
    /// Whether it said anything while it was looked at.
    pub lives: bool,
    /// Up to where it has applied the log.
    pub applied: u64,
    /// Up to where it has stored it for itself.
    pub stored: u64,
    /// How far what it has applied is behind the end of the log.
    pub behind: u64,
}

/// Looks at the cluster whose log is there; takes a second or some.
///
/// # Errors
/// Says why the log cannot be read.
pub fn of(config: &EngineConfig) -> Result<Status, String> {
    let log = engine::log(config)?;
    runtime()?.block_on(look(&*log)).map_err(|error| of_log(&error))
}

/// Has a node that does not live count no more; takes a second or some.
///
/// # Errors
/// Says why not: it lives, or nobody knows it, or the log cannot be reached.
pub fn remove(config: &EngineConfig, node: &str) -> Result<(), String> {
    let log = engine::log(config)?;
    runtime()?.block_on(async {
        let Status { nodes, .. } = look(&*log).await.map_err(|error| of_log(&error))?;
        match nodes.iter().find(|it| it.node == node) {
            Some(found) if found.lives => Err(format!("the node {node} lives: stop it first")),
            Some(_) => log.withdraw(node).await.map_err(|error| of_log(&error)),
            None => {
                let names: Vec<_> = nodes.iter().map(|it| it.node.as_str()).collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                Err(format!("expected a node of the cluster, which are {names}; found {node}"))
            }
        }
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("cannot start: {error}"))
}

fn of_log(error: &LogError) -> String {
    format!("the log of the cluster: {error}")
}

/// The same, of a log.
///
/// # Errors
/// When it cannot be read.
pub async fn look(log: &dyn SharedLog) -> LogResult<Status> {
    let begun = Instant::now();
    let first = log.announced().await?;
    let mut now = first.clone();
    // Who says nothing new is waited for.
    while now.iter().any(|it| first.contains(it)) && begun.elapsed() < PATIENCE {
        sleep(PAUSE).await;
        now = log.announced().await?;
    }
    let cluster = log.name().await?.0;
    let (trimmed, bytes) = (log.trimmed().await?.0, log.size().await?);
    let head = log.head().await?.0;
    let nodes = now.into_iter().map(|it| {
        let lives = !first.contains(&it);
        let (node, what) = it;
        let said: Option<Announcement> = serde_json::from_slice(&what).ok();
        let Announcement { version, applied, stored, .. } = said.clone().unwrap_or_default();
        let version = said.map(|_| version);
        NodeStatus { node, version, lives, applied, stored, behind: head.saturating_sub(applied) }
    });
    Ok(Status { nodes: nodes.collect(), cluster, head, trimmed, bytes })
}
