//! The seam to what makes accepted messages durable.
//!
//! A partition hands a batch of records over and gets a [`Commit`] back, which
//! resolves once the batch is as durable as the journal makes it. It applies
//! the batch after that, and acknowledges it last. From time to time it stores
//! its rockets as they are, so that the records before can be forgotten. A
//! restart gets back what was stored and the records since, which may repeat
//! what is part of the stored rockets already.
//!
//! * [`record`]: records and buffered messages as bytes.
//! * [`memory`]: keeps nothing.
//! * [`sqlite`]: keeps everything in one SQLite database.

pub mod memory;
pub mod record;
pub mod sqlite;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::telemetry::rocket::FlightSnapshot;
use crate::telemetry::{Channel, Message, Report, Timestamp};

/// Something accepted, as the journal is to keep it.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    Message(&'a Message),
}

/// Makes accepted records durable. Shared by every partition. Nothing here
/// blocks on a device.
pub trait Journal: Send + Sync + 'static {
    /// Hands one batch over. Batches of one caller become durable in the order
    /// of the calls.
    fn append(&self, records: &mut dyn Iterator<Item = Record<'_>>) -> Commit;

    /// Stores rockets as they are now, in place of what was stored of them.
    /// Everything in them must be durable already.
    fn store(&self, rockets: Vec<RocketSnapshot>) -> Commit;

    /// Where the journal stands.
    fn progress(&self) -> Progress;

    /// Forgets the records up to `position`. Every rocket that they are about
    /// must have been stored after they were applied.
    fn trim(&self, position: u64) -> Commit;
}

/// How far a journal got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Everything up to this position is durable.
    pub position: u64,
    /// Records appended since the process started.
    pub records: u64,
}

/// The pending or settled fate of what was handed over.
#[derive(Debug)]
pub enum Commit {
    /// As durable as it will get.
    Settled,
    /// Resolves once it is durable, or certain not to be acknowledged. A sender
    /// that is dropped means the same as a failure.
    Pending(CommitResult),
}

/// Where the fate of what was handed over arrives.
pub type CommitResult = oneshot::Receiver<Result<(), AppendError>>;

/// The journal could not make something durable, and will take nothing more.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the journal failed: {0}")]
pub struct AppendError(pub String);

impl Commit {
    /// Waits for the fate.
    ///
    /// # Errors
    /// When the journal failed.
    pub async fn settled(self) -> Result<(), AppendError> {
        match self {
            Self::Settled => Ok(()),
            Self::Pending(fate) => fate.await.unwrap_or_else(|_| Err(AppendError::gone())),
        }
    }
}

impl AppendError {
    /// The journal ended without telling a fate.
    #[must_use]
    pub fn gone() -> Self {
        Self("it has ended".to_owned())
    }
}

/// A rocket as a checkpoint stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RocketSnapshot {
    /// The rocket's own number in the store, from 1, the same at every
    /// checkpoint. Rockets with close numbers are stored close together.
    pub row_id: u32,
    pub channel: Channel,
    /// 0 before the first message is applied.
    pub last_message_number: u64,
    pub last_update_time: Option<Timestamp>,
    /// `None` before the launch.
    pub flight: Option<FlightSnapshot>,
    /// What waits for an earlier message, in no order.
    pub buffered: Vec<Report>,
}

/// What a restart gets back: first all stored rockets, then all records since,
/// in the order in which they became durable.
#[derive(Debug)]
pub enum Recovered {
    Rocket(RocketSnapshot),
    Message(Message),
}
