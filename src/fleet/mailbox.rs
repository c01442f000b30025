//! The bounded way to a partition: a [`Mailbox`] sends, its [`Inbox`] receives.
//! The only file that names flume. Does not know what is done about it.
//!
//! Four lanes: messages, refused when the lane is full; queries, so that a
//! flood of messages does not shut readers out; and orders, so that no crowd of
//! readers keeps a checkpoint from happening; and in a cluster what its log brings,
//! which waits for room. Messages may come many at a time, and the lane's bound is in messages all the same. Senders can be cloned and
//! receivers cannot: a partition's inbox has one reader.

use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tokio::sync::oneshot;

use super::cluster::delivery::Delivery;
use super::limits::Quota;
use super::order::Order;
use super::outcome::{Cause, ForgetVerdict, SkipVerdict, Verdict};
use super::query::Query;
use super::verdicts::Verdicts;
use super::view::Seen;
use crate::telemetry::{Channel, Message, Timestamp};

/// Most queries that wait for one partition; beyond it they are refused.
const QUERY_LANE: usize = 1024;

/// Most orders that wait for one partition. There is one at a time, unless a
/// worker does not take it.
const ORDER_LANE: usize = 1;

/// Most deliveries that wait for one partition; each is of one entry of the log.
const DELIVERY_LANE: usize = 16;

/// Messages on their way to their partition, and where the verdicts go.
#[derive(Debug)]
pub enum Submission {
    /// Answered with one verdict.
    One {
        /// What to take in.
        message: Message,
        /// Told once the message is kept or refused; dropped if the worker ends
        /// before.
        reply: oneshot::Sender<Verdict>,
    },
    /// Answered with a verdict for each message, in order.
    Many {
        /// What to take in, in this order.
        messages: Vec<Message>,
        /// As for one, once for all of them.
        reply: oneshot::Sender<Verdicts>,
    },
    /// To declare lost what a rocket waits for; counts as one message.
    Skip {
        /// Which rocket.
        channel: Channel,
        /// The number that must be awaited; `None` for whichever is.
        awaited: Option<u64>,
        /// As for one message.
        reply: oneshot::Sender<SkipVerdict>,
    },
    /// To forget a rocket; counts as one message.
    Forget {
        /// Which rocket.
        channel: Channel,
        /// How it must have been seen, if it is not to be forgotten anyhow; and the
        /// cause.
        why: (Option<Seen>, Cause),
        /// As for one message.
        reply: oneshot::Sender<ForgetVerdict>,
    },
    /// To declare lost what rockets have waited for since `before` or longer: some
    /// of them, the longest first. Counts as one message.
    Expire {
        /// By the service's clock.
        before: Timestamp,
        /// Told what became of the last of them, or that there is none.
        reply: oneshot::Sender<SkipVerdict>,
    },
}

impl Submission {
    /// The number of messages that it counts as.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::One { .. } | Self::Skip { .. } | Self::Expire { .. } | Self::Forget { .. } => 1,
            Self::Many { messages, .. } => messages.len(),
        }
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The sending side.
#[derive(Clone, Debug)]
pub struct Mailbox {
    messages: flume::Sender<Submission>,
    /// Room for messages in the lane.
    room: Arc<Quota>,
    queries: flume::Sender<Query>,
    orders: flume::Sender<Order>,
    deliveries: flume::Sender<Delivery>,
}

/// The receiving side, which belongs to one worker.
#[derive(Debug)]
pub struct Inbox {
    messages: flume::Receiver<Submission>,
    room: Arc<Quota>,
    queries: flume::Receiver<Query>,
    orders: flume::Receiver<Order>,
    deliveries: flume::Receiver<Delivery>,
}

/// Why something did not get into an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// Its lane is full.
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

/// A mailbox for at most `capacity` messages, and its inbox.
#[must_use]
pub fn channel(capacity: usize) -> (Mailbox, Inbox) {
    let (message_sender, message_receiver) = flume::bounded(capacity);
    let (query_sender, query_receiver) = flume::bounded(QUERY_LANE);
    let (order_sender, order_receiver) = flume::bounded(ORDER_LANE);
    let (delivery_sender, deliveries) = flume::bounded(DELIVERY_LANE);
    let room = Arc::new(Quota::new(capacity));
    let mailbox = Mailbox {
        messages: message_sender,
        room: room.clone(),
        queries: query_sender,
        orders: order_sender,
        deliveries: delivery_sender,
    };
    let (messages, queries, orders) = (message_receiver, query_receiver, order_receiver);
    let inbox = Inbox { messages, room, queries, orders, deliveries };
    (mailbox, inbox)
}

impl Mailbox {
    /// Hands a message over, or refuses it at once.
    ///
    /// # Errors
    /// When there is no room for it, or nobody reads it.
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

    /// Hands over that what a rocket waits for is to be declared lost, or refuses
    /// it at once.
    ///
    /// # Errors
    /// When there is no room for it, or nobody reads it.
    pub fn skip(
        &self,
        channel: Channel,
        awaited: Option<u64>,
        reply: oneshot::Sender<SkipVerdict>,
    ) -> Result<(), Undelivered> {
        if self.room.try_take_some(1) == 0 {
            return Err(Undelivered::Full);
        }
        self.hand_over(Submission::Skip { channel, awaited, reply })
    }

    /// Hands over that a rocket is to be forgotten, or refuses it at once.
    ///
    /// # Errors
    /// When there is no room for it, or nobody reads it.
    pub fn forget(
        &self,
        channel: Channel,
        why: (Option<Seen>, Cause),
        reply: oneshot::Sender<ForgetVerdict>,
    ) -> Result<(), Undelivered> {
        if self.room.try_take_some(1) == 0 {
            return Err(Undelivered::Full);
        }
        self.hand_over(Submission::Forget { channel, why, reply })
    }

    /// Hands over that what rockets have waited for since `before` is to be declared
    /// lost, or refuses it at once.
    ///
    /// # Errors
    /// When there is no room for it, or nobody reads it.
    pub fn expire(
        &self,
        before: Timestamp,
        reply: oneshot::Sender<SkipVerdict>,
    ) -> Result<(), Undelivered> {
        if self.room.try_take_some(1) == 0 {
            return Err(Undelivered::Full);
        }
        self.hand_over(Submission::Expire { before, reply })
    }

    /// Hands over as many of `messages` as there is room for, from the first
    /// on, and returns how many those are.
    ///
    /// # Errors
    /// When there is room for none of them, or nobody reads them.
    pub fn submit_many(
        &self,
        mut messages: Vec<Message>,
        reply: oneshot::Sender<Verdicts>,
    ) -> Result<usize, Undelivered> {
        assert!(!messages.is_empty(), "nobody would be answered");
        let taken = self.room.try_take_some(messages.len());
        if taken == 0 {
            return Err(Undelivered::Full);
        }
        messages.truncate(taken);
        self.hand_over(Submission::Many { messages, reply }).map(|()| taken)
    }

    fn hand_over(&self, submission: Submission) -> Result<(), Undelivered> {
        self.messages.try_send(submission).map_err(|error| match error {
            flume::TrySendError::Full(_) => unreachable!("there is room for as many messages"),
            flume::TrySendError::Disconnected(submission) => {
                self.room.give_back(submission.len());
                Undelivered::Closed
            }
        })
    }

    /// Hands a query over, or refuses it at once.
    ///
    /// # Errors
    /// When there is no room for it, or nobody reads it.
    pub fn ask(&self, query: Query) -> Result<(), Undelivered> {
        self.queries.try_send(query).map_err(Into::into)
    }

    /// Gives an order, or is refused at once.
    ///
    /// # Errors
    /// When the order before was not taken yet, or nobody takes it.
    pub fn order(&self, order: Order) -> Result<(), Undelivered> {
        self.orders.try_send(order).map_err(Into::into)
    }

    /// Hands over what the log of the cluster brings, and waits until there is room.
    ///
    /// # Errors
    /// When nobody reads it.
    pub async fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        self.deliveries.send_async(delivery).await.map_err(|_| Undelivered::Closed)
    }

    /// How many messages wait in it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        // More for a moment while somebody is refused.
        self.room.taken().min(self.room.limit())
    }

    /// How many messages it has room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.room.limit()
    }

    /// Whether nobody reads it any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queries.is_disconnected()
    }
}

impl Inbox {
    /// How many messages the lane holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.room.limit()
    }

    /// How many messages wait in it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        // More for a moment while somebody is refused.
        self.room.taken().min(self.room.limit())
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

    /// Orders as they come; ends once every sender is gone.
    pub fn orders(&self) -> impl Stream<Item = Order> + Unpin {
        self.orders.stream()
    }

    /// The orders that are there by now.
    pub fn waiting_orders(&self) -> impl Iterator<Item = Order> {
        self.orders.try_iter()
    }

    /// What the log of the cluster brings, as it comes; ends once every sender is gone.
    pub fn deliveries(&self) -> impl Stream<Item = Delivery> + Unpin {
        self.deliveries.stream()
    }

    /// Lets others have their turn now and then. tokio's own channels count what
    /// is taken from them against a task's budget; flume's do not.
    pub async fn consume_budget(&self) {
        tokio::task::consume_budget().await;
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // What is queued would live as long as any sender does, and whoever
        // waits for its reply would wait as long.
        self.messages.drain().for_each(drop);
        self.queries.drain().for_each(drop);
        self.orders.drain().for_each(drop);
        self.deliveries.drain().for_each(drop);
    }
}
