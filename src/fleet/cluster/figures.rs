//! How a node takes part in its cluster, for who asks how it is. Owns nothing: it reads
//! what others write.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::applied::Applied;
use super::peers::{Known, Peer, Policy, Stored};
use crate::journal::shared::publisher::Publisher;

/// Where it is read.
#[derive(Clone, Debug)]
pub struct ClusterFigures {
    /// Who this node is.
    pub node: Arc<str>,
    /// How far it is.
    pub applied: Applied,
    /// And how far that is stored.
    pub stored: Stored,
    /// What it hands over.
    pub publisher: Publisher,
    /// What the nodes say.
    pub known: watch::Receiver<Known>,
    /// What it is told to do.
    pub policy: Policy,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct ClusterStanding {
    /// Who this node is.
    pub node: String,
    /// Up to where it has applied the log.
    pub applied: u64,
    /// Up to where it has stored it for itself.
    pub stored: u64,
    /// How far behind the node is that is ahead of all, by what they said last.
    pub lag: u64,
    /// Entries of this node that are on their way.
    pub in_flight: u64,
    /// Entries that it has appended.
    pub appended: u64,
    /// Appends that were made again.
    pub repeated: u64,
    /// Seconds of all appends together.
    pub append_seconds: f64,
    /// Bytes that the log takes.
    pub log_bytes: u64,
    /// And may take.
    pub log_limit: u64,
    /// All nodes that said anything, this one among them.
    pub peers: Vec<Peer>,
}

impl ClusterFigures {
    /// How it is now.
    #[must_use]
    pub fn read(&self) -> ClusterStanding {
        let Known { peers, log_bytes, .. } = self.known.borrow().clone();
        let applied = self.applied.by_all().0;
        let ahead = peers.iter().map(|(_, peer)| peer.applied).max().unwrap_or_default();
        let figures = self.publisher.figures();
        ClusterStanding {
            node: self.node.to_string(),
            applied,
            stored: self.stored.load(Ordering::Acquire),
            lag: ahead.saturating_sub(applied),
            in_flight: self.publisher.in_flight() as u64,
            appended: figures.appended.get(),
            repeated: figures.repeated.get(),
            append_seconds: figures.took.get() as f64 / 1e9,
            log_bytes,
            log_limit: self.policy.log_limit,
            peers,
        }
    }
}
