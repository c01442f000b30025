//! What became of a message or a query: plain types, for the workers that
//! decide it and for the HTTP side that tells it. Owns no way between the two, and
//! knows no channel.

use thiserror::Error;

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
    /// Too many messages of the rocket wait for an earlier one.
    #[error(
        "{limit} messages of this rocket wait for an earlier one already; send the missing one first"
    )]
    RocketBufferFull {
        /// Most that may wait for one rocket.
        limit: usize,
    },
    /// Too many messages of all rockets together wait for an earlier one.
    #[error(
        "{limit} messages of the fleet wait for an earlier one already; send missing ones first"
    )]
    FleetBufferFull {
        /// Most that may wait in the fleet.
        limit: usize,
    },
    /// It is the first of a rocket for which there is no room.
    #[error("the fleet has {limit} rockets already, and takes no new one")]
    FleetFull {
        /// Most rockets.
        limit: usize,
    },
    /// Also said of what was accepted for the moment, but not kept.
    #[error("messages are not accepted any more: {0}")]
    NotKept(String),
    /// It could not be kept, and may be when it comes again.
    #[error("messages are not accepted for now: {0}")]
    NotNow(String),
}

/// What a worker made of a message that reached it.
pub type Verdict = Result<Outcome, Refusal>;

/// The fleet cannot do what was asked; the text says why.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Why a message was not accepted, or is not known to be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SubmitError {
    /// Nobody took it.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Nobody took it: too many messages wait for the rocket's worker.
    #[error("too many messages wait to be taken in")]
    Busy,
    /// Nobody took it: those before it of the same request took too long.
    #[error("the messages before it were not acknowledged in time, so it was not taken in")]
    NotTaken,
    /// The worker refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was handed over, and no answer came in time. It may be accepted yet.
    #[error("the message was not acknowledged in time, and may be accepted yet; send it again")]
    TimedOut,
    /// It was handed over, and its worker ended.
    #[error("the worker of this rocket ended without an answer; send the message again")]
    Lost,
}

impl SubmitError {
    /// Whether the same message may go well later, without anybody changing
    /// anything about the service. A full fleet stays full.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::Refused(Refusal::FleetFull { .. }))
    }
}

/// What its sender hears of a message.
pub type Submitted = Result<Outcome, SubmitError>;

/// Numbers of a rocket that were declared lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The one that it waited for.
    pub first: u64,
    /// The one before the first that waited.
    pub last: u64,
}

/// Why nothing was declared lost.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SkipRefusal {
    /// No message was accepted of it.
    #[error("no such rocket is known")]
    Unknown,
    /// All that came of it was applied.
    #[error("the rocket waits for no message")]
    NothingMissing,
    /// It is another message that is missing.
    #[error("the rocket waits for message {awaited}")]
    Another {
        /// Which one.
        awaited: u64,
    },
    /// Nothing can be kept any more.
    #[error("nothing is kept any more: {0}")]
    NotKept(String),
    /// It could not be kept, and may be if it is asked for again.
    #[error("nothing can be kept for now: {0}")]
    NotNow(String),
}

/// What a worker made of being told to declare lost what is missing.
pub type SkipVerdict = Result<Skipped, SkipRefusal>;

/// Why nothing was declared lost, or is not known to be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SkipError {
    /// Nobody was asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Nobody was asked: too many messages wait for the rocket's worker.
    #[error("too many messages wait to be taken in")]
    Busy,
    /// The worker refused it.
    #[error(transparent)]
    Refused(#[from] SkipRefusal),
    /// No answer came in time. It may be done yet.
    #[error("the answer did not come in time, and the message may be declared lost yet")]
    TimedOut,
    /// The worker ended.
    #[error("the worker of this rocket ended without an answer")]
    Lost,
}

/// Why a rocket is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asked for it.
    Deleted,
    /// It exploded, and nothing was heard of it for long.
    Retention,
}

impl Cause {
    /// All, and their names in figures and in the archive.
    pub const NAMES: [(Self, &'static str); 2] =
        [(Self::Deleted, "deleted"), (Self::Retention, "retention")];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// Why a rocket was not forgotten.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ForgetRefusal {
    /// Nothing is known of it.
    #[error("no such rocket is known")]
    Unknown,
    /// It was to be as it had been seen, and something came since.
    #[error("the rocket was heard of again")]
    HeardOf,
    /// Nothing can be kept any more.
    #[error("nothing is kept any more: {0}")]
    NotKept(String),
    /// It could not be kept, and may be if it is asked for again.
    #[error("nothing can be kept for now: {0}")]
    NotNow(String),
}

/// What a worker made of being told to forget a rocket.
pub type ForgetVerdict = Result<(), ForgetRefusal>;

/// Why a rocket was not forgotten, or is not known to be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ForgetError {
    /// Nobody was asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Nobody was asked: too many messages wait for the rocket's worker.
    #[error("too many messages wait to be taken in")]
    Busy,
    /// It was to be archived first, and could not be.
    #[error("the rocket could not be archived, so it is not forgotten: {0}")]
    NotArchived(String),
    /// What there is of it to be archived could not be asked for.
    #[error(transparent)]
    NotAnswered(#[from] QueryError),
    /// The worker refused it.
    #[error(transparent)]
    Refused(#[from] ForgetRefusal),
    /// No answer came in time. It may be done yet.
    #[error("the answer did not come in time, and the rocket may be forgotten yet")]
    TimedOut,
    /// The worker ended.
    #[error("the worker of this rocket ended without an answer")]
    Lost,
}

/// Why a query has no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum QueryError {
    /// The fleet is not there yet, so nobody was asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// So many listings are held in memory that there was no room for one more in
    /// time.
    #[error("too many large listings are under way")]
    TooManyCollected,
    /// The lane for queries of this partition is full.
    #[error("too many queries wait for partition {0}")]
    Busy(usize),
    /// The deadline came before this partition's answer.
    #[error("partition {0} did not answer in time")]
    TimedOut(usize),
    /// The deadline came before there was a thread to write the answer, or before it
    /// was this question's turn.
    #[error("the answer was not ready in time")]
    NotMade,
    /// The worker of this partition ended.
    #[error("partition {0} does not run any more")]
    Stopped(usize),
    /// The runtime ended while the answer was written.
    #[error("the service is stopping")]
    Stopping,
}

/// Why there is no copy of what a node has stored.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoCopy {
    /// Another one is being made or sent.
    #[error("another copy of what this node has stored is being made or sent")]
    Busy,
    /// It could not be made, or nothing is stored yet.
    #[error("what this node has stored could not be copied: {0}")]
    Failed(String),
}
