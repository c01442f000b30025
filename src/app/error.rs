//! Why the service did not start, or did not end well. Does not own what is made of it.

use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinError;

use crate::fleet::supervisor::Failure;
use crate::journal::OpenError;

/// Why the service did not start, or did not end well.
#[derive(Debug, Error)]
pub enum AppError {
    /// The journal could not be opened, or not read back.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The thread that reads the journal panicked, or the runtime ended under it.
    #[error("reading the journal failed: {0}")]
    Recovery(JoinError),
    /// It cannot be the node that it is to be.
    #[error("{0}")]
    Cluster(String),
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
