//! The seam to what makes accepted messages durable.
//!
//! A partition hands a batch of records over and gets a [`Commit`] back, which
//! resolves once the batch is as durable as the journal makes it. It applies
//! the batch after that, and acknowledges it last.
//!
//! * [`memory`]: keeps nothing.

pub mod memory;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::telemetry::Message;

/// Something accepted, as the journal is to keep it.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    Message(&'a Message),
}

/// Makes accepted records durable. Shared by every partition.
pub trait Journal: Send + Sync + 'static {
    /// Hands one batch over. Batches of one caller become durable in the order
    /// of the calls. Never blocks on a device.
    fn append(&self, records: &mut dyn Iterator<Item = Record<'_>>) -> Commit;
}

/// The pending or settled fate of a batch.
#[derive(Debug)]
pub enum Commit {
    /// As durable as it will get.
    Settled,
    /// Resolves once the batch is durable, or certain not to be. A sender that
    /// is dropped means the same as a failure.
    Pending(oneshot::Receiver<Result<(), AppendError>>),
}

/// The journal could not make a batch durable, and will take no further one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the journal failed: {0}")]
pub struct AppendError(pub String);
