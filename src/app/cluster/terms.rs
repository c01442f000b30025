//! What makes a service a node, as whoever starts it says it.

use std::fmt;
use std::sync::Arc;

use hyper::header::HeaderValue;

use crate::fleet::cluster::peers::Policy;
use crate::journal::shared::SharedLog;

/// What makes a service a node.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// What all nodes share.
    pub log: Arc<dyn SharedLog>,
    /// Who this one is; no two have the same name.
    pub node: Arc<str>,
    /// Whether reads see what is here already, and wait for nothing.
    pub local_reads: bool,
    /// How much of the log is kept.
    pub policy: Policy,
    /// Where other nodes reach this one, `http://host:port`; none if they do not.
    pub advertise: Option<String>,
    /// What other nodes ask for.
    pub token: Option<PeerToken>,
}

/// A token with which this node asks others for what they have stored. Never shown.
#[derive(Clone)]
pub struct PeerToken(HeaderValue);

impl PeerToken {
    /// A token as it is written; none if it cannot stand in a header.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        header.set_sensitive(true);
        Some(Self(header))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for PeerToken {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("PeerToken")
    }
}
