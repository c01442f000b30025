//! What becomes of a message, and why not.

use thiserror::Error;

/// What became of a message.
pub type Verdict = Result<Outcome, Refusal>;

/// What accepting a message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was next, and is part of the rocket's state now.
    Applied,
    /// It waits for an earlier one.
    Buffered,
    /// It was accepted before.
    Duplicate,
}

/// Why a partition did not accept a message. Nothing was changed by it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    #[error(
        "{limit} messages of this rocket wait for an earlier one already; send the missing one first"
    )]
    RocketBufferFull { limit: usize },
    #[error(
        "{limit} messages of the fleet wait for an earlier one already; send missing ones first"
    )]
    FleetBufferFull { limit: usize },
    #[error("the fleet has {limit} rockets already, and takes no new one")]
    FleetFull { limit: usize },
    /// Also said of what was accepted for the moment, but not kept.
    #[error("messages are not accepted any more: {0}")]
    NotKept(String),
}
