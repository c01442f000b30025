//! The bounded way to a partition. The only file that names flume.
//!
//! Two lanes: messages, refused when the lane is full, and queries, so that a
//! flood of messages does not shut readers out. Messages may come many at a
//! time, and the lane's bound is in messages all the same. Senders can be cloned
//! and receivers cannot: a partition's mail has one reader.

use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use thiserror::Error;
use tokio::sync::oneshot;

use super::limits::Quota;
use super::query::Query;
use crate::telemetry::Message;

/// Most queries that wait for one partition; beyond it they are refused.
const QUERY_LANE: usize = 1024;

/// Messages on their way to their partition, and where the verdicts go.
#[derive(Debug)]
pub enum Submission {
    One {
        message: Message,
        reply: oneshot::Sender<Verdict>,
    },
    /// Answered with a verdict for each message, in order.
    Many {
        messages: Vec<Message>,
        reply: oneshot::Sender<Vec<Verdict>>,
    },
}

impl Submission {
    /// The number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::One { .. } => 1,
            Self::Many { messages, .. } => messages.len(),
        }
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

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

/// The sending side.
#[derive(Clone, Debug)]
pub struct Inbox {
    messages: flume::Sender<Submission>,
    /// Room for messages in the lane.
    room: Arc<Quota>,
    queries: flume::Sender<Query>,
}

/// The receiving side, which belongs to one worker.
#[derive(Debug)]
pub struct Mail {
    messages: flume::Receiver<Submission>,
    room: Arc<Quota>,
    queries: flume::Receiver<Query>,
}

/// Why something did not get into an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    Full,
    /// Nobody reads it any more.
    Closed,
}

impl<T> From<flume::TrySendError<T>> for Undelivered {
    fn from(error: flume::TrySendError<T>) -> Self {
        match error {
            flume::TrySendError::Full(_) => Self::Full,
            flume::TrySendError::Disconnected(_) => Self::Closed,
        }
    }
}

/// An inbox for at most `capacity` messages, and its reader's side.
#[must_use]
pub fn channel(capacity: usize) -> (Inbox, Mail) {
    let (message_sender, message_receiver) = flume::bounded(capacity);
    let (query_sender, query_receiver) = flume::bounded(QUERY_LANE);
    let room = Arc::new(Quota::new(capacity));
    (
        Inbox { messages: message_sender, room: room.clone(), queries: query_sender },
        Mail { messages: message_receiver, room, queries: query_receiver },
    )
}

/// Inboxes for every partition, in order, with their readers' sides.
#[must_use]
pub fn channels(partitions: usize, capacity: usize) -> (Arc<[Inbox]>, Vec<Mail>) {
    let (inboxes, mails): (Vec<_>, Vec<_>) = (0..partitions).map(|_| channel(capacity)).unzip();
    (inboxes.into(), mails)
}

impl Inbox {
    /// Hands a message over, or refuses it at once.
    pub fn submit(
        &self,
        message: Message,
        reply: oneshot::Sender<Verdict>,
    ) -> Result<(), Undelivered> {
        if self.room.try_take_some(1) == 0 {
            return Err(Undelivered::Full);
        }
        self.hand_over(Submission::One { message, reply })
    }

    /// Hands over as many of `messages` as there is room for, from the first
    /// on, and returns how many those are.
    pub fn submit_many(
        &self,
        mut messages: Vec<Message>,
        reply: oneshot::Sender<Vec<Verdict>>,
    ) -> Result<usize, Undelivered> {
        let taken = self.room.try_take_some(messages.len());
        if taken == 0 {
            return Err(Undelivered::Full);
        }
        messages.truncate(taken);
        self.hand_over(Submission::Many { messages, reply }).map(|()| taken)
    }

    fn hand_over(&self, submission: Submission) -> Result<(), Undelivered> {
        self.messages.try_send(submission).map_err(|error| {
            let undelivered = match &error {
                flume::TrySendError::Full(submission)
                | flume::TrySendError::Disconnected(submission) => submission.len(),
            };
            self.room.give_back(undelivered);
            error.into()
        })
    }

    /// Hands a query over, or refuses it at once.
    pub fn ask(&self, query: Query) -> Result<(), Undelivered> {
        self.queries.try_send(query).map_err(Into::into)
    }

    /// Whether nobody reads it any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queries.is_disconnected()
    }
}

impl Mail {
    /// How many messages the lane holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.room.limit()
    }

    /// Messages as they come; ends once every sender is gone.
    pub fn messages(&self) -> impl Stream<Item = Submission> + Unpin {
        self.messages.stream().inspect(|submission| self.room.give_back(submission.len()))
    }

    /// The messages that are there by now.
    pub fn waiting_messages(&self) -> impl Iterator<Item = Submission> {
        self.messages.try_iter().inspect(|submission| self.room.give_back(submission.len()))
    }

    /// Queries as they come; ends once every sender is gone.
    pub fn queries(&self) -> impl Stream<Item = Query> + Unpin {
        self.queries.stream()
    }

    /// The queries that are there by now.
    pub fn waiting_queries(&self) -> impl Iterator<Item = Query> {
        self.queries.try_iter()
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        // What is queued would live as long as any sender does, and whoever
        // waits for its reply would wait as long.
        self.messages.drain().for_each(drop);
        self.queries.drain().for_each(drop);
    }
}
