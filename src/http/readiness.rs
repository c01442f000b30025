//! `GET /readyz`: whether the service can do all of its work, and if not, why.
//! `GET /livez`: whether its process moves, which a restart would help if not.

use serde::Serialize;
use serde_json::json as members;
use utoipa::ToSchema;
use warp::reply::Response;

use super::context::Context;
use super::problem::Problem;
use super::respond::json;
use crate::fleet::metrics::ClusterStanding;

/// That everything works.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    #[schema(pattern = "^ready$")]
    status: &'static str,
    /// Only for those who ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Vec<Check>>,
    /// Likewise, of a node of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Node>,
}

/// How a node takes part in its cluster. Offsets are places in the log.
#[derive(Serialize, ToSchema)]
pub(super) struct Node {
    node: String,
    /// Up to where it has applied the log.
    applied: u64,
    /// Up to where it has stored it for itself.
    stored: u64,
    /// How far it is behind the node that is ahead of all.
    lag: u64,
    log_bytes: u64,
    /// All nodes that said anything, this one among them.
    peers: Vec<Peer>,
}

/// What a node of a cluster said last.
#[derive(Serialize, ToSchema)]
struct Peer {
    node: String,
    version: String,
    applied: u64,
    stored: u64,
}

impl From<ClusterStanding> for Node {
    fn from(found: ClusterStanding) -> Self {
        let ClusterStanding { node, applied, stored, lag, log_bytes, peers, .. } = found;
        let peers = peers.into_iter().map(|(node, it)| Peer {
            node,
            version: it.version,
            applied: it.applied,
            stored: it.stored,
        });
        Self { node, applied, stored, lag, log_bytes, peers: peers.collect() }
    }
}

/// One of the things that are looked at.
#[derive(Serialize, ToSchema)]
pub(super) struct Check {
    name: String,
    status: CheckStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// What was found of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum CheckStatus {
    Ok,
    Failed,
}

/// Whether everything works; with `verbose` each check by its name. Other parameters
/// make no difference: probes have what they like.
///
/// # Errors
/// 503, saying what does not.
pub fn get(context: &Context, parameters: &str) -> Result<Response, Problem> {
    let health = context.fleet.health();
    let mut names = form_urlencoded::parse(parameters.as_bytes()).map(|(name, _)| name);
    if !names.any(|name| name == "verbose") {
        health.ready()?;
        return Ok(json(&Ready { status: "ready", checks: None, cluster: None }));
    }
    let ready = health.ready();
    let checks = health.checks().into_iter().map(|it| {
        let status = if it.trouble.is_none() { CheckStatus::Ok } else { CheckStatus::Failed };
        Check { name: it.name, status, detail: it.trouble }
    });
    let checks: Vec<_> = checks.collect();
    let cluster = context.fleet.metrics().cluster().map(Node::from);
    match ready {
        Ok(()) => Ok(json(&Ready { status: "ready", checks: Some(checks), cluster })),
        Err(unavailable) => {
            let mut members = members!({ "checks": checks });
            if let Some(cluster) = cluster {
                members["cluster"] = members!(cluster);
            }
            Err(Problem::from(unavailable).with(&members))
        }
    }
}

/// That the process moves.
#[derive(Serialize, ToSchema)]
pub(super) struct Alive {
    #[schema(pattern = "^alive$")]
    status: &'static str,
}

/// Whether everything moves. What cannot be kept, or not yet, is no matter: a
/// restart would not help, and costs the reads that go on.
///
/// # Errors
/// 503, saying what does not.
pub fn get_liveness(context: &Context) -> Result<Response, Problem> {
    context.fleet.health().alive()?;
    Ok(json(&Alive { status: "alive" }))
}
