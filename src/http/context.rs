//! What handlers hold: the fleet, what a client may do, and the permits of what
//! only few requests may do at a time. Does not own what they do with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::etag::Epoch;
use crate::fleet::Fleet;

/// Collected listings that may exist at a time; beyond it they wait.
pub const MAX_COLLECTED_LISTINGS: usize = 2;

/// Requests of many messages that are read at a time; beyond it they wait. Each
/// holds some 3 MB at most.
pub const MAX_BULK_REQUESTS: usize = 64;

/// What the HTTP side allows a client.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Connections served at once.
    pub max_connections: usize,
    /// Bytes of the body of one message.
    pub max_body: usize,
    /// Bytes of the body of many messages.
    pub max_bulk_body: usize,
    /// From the head of a request to its answer.
    pub request_timeout: Duration,
    /// For a head to arrive, and for a reader to take more.
    pub idle_timeout: Duration,
}

/// What handlers work with. Shared by all of them: one count to keep for each
/// request.
#[derive(Debug)]
pub struct Context {
    /// Takes messages and answers queries.
    pub fleet: Fleet,
    /// What a client may do.
    pub config: HttpConfig,
    /// Sets this run's entity tags apart.
    pub epoch: Epoch,
    /// One permit for each large listing that may be held in memory. Never
    /// closed.
    pub collected_listings: Arc<Semaphore>,
    /// One permit for each request of many messages that is being read. Never
    /// closed.
    pub bulk_requests: Arc<Semaphore>,
}

impl Context {
    /// A context with all its permits, and an epoch of its own.
    #[must_use]
    pub fn new(fleet: Fleet, config: HttpConfig) -> Arc<Self> {
        Arc::new(Self {
            fleet,
            config,
            epoch: Epoch::random(),
            collected_listings: Arc::new(Semaphore::new(MAX_COLLECTED_LISTINGS)),
            bulk_requests: Arc::new(Semaphore::new(MAX_BULK_REQUESTS)),
        })
    }
}
