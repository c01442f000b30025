//! The worker of one partition: the only task that touches its rockets.
//!
//! Append first, apply second, acknowledge third: nothing is visible before it
//! is durable. A batch is whatever waits in the inbox; while it is committed
//! further ones are handed over behind it, so that the next commit finds them.
//! Repeats of what is durable are acknowledged at once; repeats of what
//! is still being committed travel behind it and are told apart when they are
//! applied.
//!
//! This file owns the turns: what is done in which order. It does not own how a
//! message is ordered and folded (`roster`), or how it becomes durable
//! (`journal`).
//!
//! * `batch`: messages that are committed together, and whom to answer.
//! * `in_flight`: batches on their way to the disk.
//! * `ordered`: batches that wait for their places in the log of a cluster;
//!   `deliveries`: what becomes of what that log brings.
//! * `spin`: busy-polling for the end of a commit.
//! * `decisions`: numbers that are declared lost (`skips`), rockets that are forgotten
//!   (`forgets`).
//! * `answers`: what is made of queries.
//! * `walk`: queries that no index answers, a slice at a time: `scan` over all
//!   rockets, `gap_walk` over those that wait, `mission_walk` for missions.
//! * `commands`: what is told: a checkpoint's `snapshot`, a walk over the roster that
//!   stores what changed.
//! * `anomalies`: the log of anomalies, an observer.

mod anomalies;
mod answers;
mod batch;
mod commands;
mod decisions;
mod deliveries;
mod forgets;
mod gap_walk;
mod in_flight;
mod mission_walk;
mod ordered;
mod scan;
mod skips;
mod snapshot;
mod spin;
mod walk;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use self::anomalies::AnomalyLog;
use self::batch::Refused::{NotKept, NotNow};
use self::batch::{Batch, Pending, ReplyTo};
use self::in_flight::{InFlight, committed, oldest};
use self::ordered::Ordered;
use self::snapshot::{SnapshotWalk, storing};
use self::spin::Spin;
use self::walk::Walk;
use super::cluster::applied::Applied;
use super::cluster::digests::Digests;
use super::feed::marks::Marks;
use super::health::{Health, Phase};
use super::mailbox::{Inbox, Submission};
use super::observer::Observer;
use super::outcome::{Outcome, Refusal};
use super::roster::{Admission, Roster};
use super::tally::Teller;
use super::threading::Threading;
use super::version::Changes;
use super::vitals::{STALLED, Wait};
use crate::journal::shared::publisher::Publisher;
use crate::journal::{AppendError, Commit, CommitResult, Journal};
use crate::telemetry::Message;

/// A batch takes no more submissions from so many messages on, so that queries
/// get their turn between.
const MAX_BATCH: usize = 1024;

/// Most queries answered before messages get their turn again.
const MAX_QUERIES: usize = 64;

/// From so many messages on that the journal has and did not commit yet, further
/// ones stay in the inbox. Below it every message goes on at once, so that the
/// next commit finds all that came during the one before. A smaller inbox makes
/// this smaller too: whoever bounds what may wait means all of it.
const MAX_IN_FLIGHT: usize = 16 * MAX_BATCH;

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was told to stop, and everything in its inbox was dealt with.
    Stopped,
    /// Nobody could reach it any more.
    Abandoned,
}

/// Whoever hears of what a worker does, and is read elsewhere.
pub type Reports = ((Changes, Teller), Marks);

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// Where accepted messages go before they are applied.
    pub journal: Arc<dyn Journal>,
    /// Told when the journal failed.
    pub health: Arc<Health>,
    /// The tuning for the runtime that workers run on.
    pub threading: Threading,
    /// In a cluster, its log: where accepted messages go instead.
    pub cluster: Option<Member>,
}

/// A partition's way to the log of the cluster, and how far that is applied.
#[derive(Clone)]
pub struct Member {
    /// Where accepted messages go.
    pub publisher: Publisher,
    /// Told how far the log is applied.
    pub applied: Applied,
    /// Told what has come of it at some places.
    pub digests: Digests,
}

/// A worker and all that it owns.
pub struct Worker {
    inbox: Inbox,
    /// Told when the worker is to finish what it has and end.
    stop: oneshot::Receiver<()>,
    partition: Partition,
}

impl Worker {
    /// The worker of the partition number `index`, from 0, that reads `inbox`
    /// until `stop` is told.
    #[must_use]
    pub fn new(
        index: usize,
        inbox: Inbox,
        mut roster: Roster,
        observers: Reports,
        stop: oneshot::Receiver<()>,
        shared: Shared,
    ) -> Self {
        let commits = Arc::new(Wait::new(
            format!("commits of partition {index}"),
            format!("no commit of partition {index} has ended"),
            STALLED,
        ));
        let slices = Arc::new(Wait::new(
            format!("what checkpoints store of partition {index}"),
            format!("nothing of partition {index} was stored by its checkpoint"),
            STALLED,
        ));
        shared.health.watch(commits.clone());
        shared.health.watch(slices.clone());
        roster.compare_repeats();
        let partition = Partition {
            index,
            roster,
            in_flight: VecDeque::new(),
            ordered: Ordered::default(),
            messages_in_flight: 0,
            most_in_flight: MAX_IN_FLIGHT.min(inbox.capacity()),
            spin: Spin::from(Instant::now()),
            commits,
            slices,
            walks: VecDeque::new(),
            snapshot: None,
            failed: None,
            observers: (observers, AnomalyLog::new(index)),
            shared,
        };
        Self { inbox, stop, partition }
    }

    /// Runs until it is told to stop or nobody can reach it.
    pub async fn run(self) -> Exit {
        let Self { inbox, mut stop, mut partition } = self;
        let threading = partition.shared.threading;
        // These live across turns: most turns are for one message, and to leave
        // new wakers in all of them would cost more than that.
        let (mut messages, mut queries) = (inbox.messages(), inbox.queries());
        let mut orders = inbox.orders();
        let (mut delivered, is_member) = (inbox.deliveries(), partition.shared.cluster.is_some());
        let exit = loop {
            tokio::select! {
                biased;
                result = committed(oldest(&mut partition.in_flight)) => partition.finish(result),
                Some(delivery) = delivered.next(), if is_member => partition.receive(delivery),
                submission = messages.next(), if partition.takes_messages() => match submission {
                    Some(first) => {
                        if threading.yields_before_a_batch() {
                            yield_now().await;
                        }
                        partition.take(first, &inbox);
                    }
                    None => break Exit::Abandoned,
                },
                query = queries.next() => match query {
                    Some(query) => partition.answer(query),
                    None => break Exit::Abandoned,
                },
                result = committed(storing(&mut partition.snapshot)) => partition.slice_stored(result),
                order = orders.next() => match order {
                    Some(order) => partition.obey(order),
                    None => break Exit::Abandoned,
                },
                () = std::future::ready(()), if partition.has_more_to_do() => {}
                () = yield_now(), if threading.busy_polls() && partition.spins() => {}
                _ = &mut stop => break Exit::Stopped,
            }
            // Whichever it was, everything else gets its turn too: messages that
            // never end must keep nobody from an answer, and no checkpoint from
            // being made.
            partition.answer_waiting(&inbox);
            partition.obey_waiting(&inbox);
            let walked = partition.step_walk();
            partition.step_snapshot();
            if walked {
                // The connections on this thread too, which bring the messages.
                yield_now().await;
            } else {
                inbox.consume_budget().await;
            }
        };
        drop((messages, queries, orders, delivered));
        partition.wind_up(&inbox).await;
        exit
    }
}

/// What a worker works on, a step at a time.
struct Partition {
    index: usize,
    roster: Roster,
    in_flight: VecDeque<InFlight>,
    /// Batches that wait for their places in the log of the cluster.
    ordered: Ordered,
    messages_in_flight: usize,
    most_in_flight: usize,
    /// For the commit of the oldest batch in flight.
    spin: Spin,
    /// For the end of the oldest commit in flight.
    commits: Arc<Wait>,
    /// For the slice of a checkpoint that is being stored.
    slices: Arc<Wait>,
    walks: VecDeque<Walk>,
    snapshot: Option<SnapshotWalk>,
    /// Why nothing can be kept any more.
    failed: Option<AppendError>,
    /// Whoever hears of what is applied: the seam is [`super::observer`].
    observers: (Reports, AnomalyLog),
    shared: Shared,
}

impl Partition {
    fn takes_messages(&self) -> bool {
        self.messages_in_flight < self.most_in_flight
    }

    /// Whether there is work that waits for nothing but its turn.
    fn has_more_to_do(&self) -> bool {
        !self.walks.is_empty() || self.snapshot.as_ref().is_some_and(SnapshotWalk::can_go_on)
    }

    /// Whether to ask for the end of the commit again, and not to sleep.
    fn spins(&self) -> bool {
        self.spin.goes_on(self.messages_in_flight, Instant::now)
    }

    /// Takes `first` and what else is in the inbox as one batch.
    fn take(&mut self, first: Submission, inbox: &Inbox) {
        let mut batch = Batch::with_room(inbox.waiting().min(MAX_BATCH) + first.len());
        let mut messages = 0;
        for submission in std::iter::once(first).chain(inbox.waiting_messages()) {
            messages += submission.len();
            match submission {
                Submission::One { message, reply } => {
                    self.admit(message, ReplyTo::Sender(reply), &mut batch);
                }
                Submission::Many { messages, reply } => {
                    let group = batch.open_group(messages.len(), reply);
                    for (at, message) in messages.into_iter().enumerate() {
                        self.admit(message, ReplyTo::Group { group, at }, &mut batch);
                    }
                }
                Submission::Skip { channel, awaited, reply } => {
                    self.admit_skip(channel, awaited, reply, &mut batch);
                }
                Submission::Expire { before, reply } => {
                    self.admit_overdue(before, reply, &mut batch);
                }
                Submission::Forget { channel, why, reply } => {
                    self.admit_forget(channel, why, reply, &mut batch);
                }
            }
            if messages >= MAX_BATCH {
                break;
            }
        }
        if batch.is_empty() {
            batch.answer_groups();
            return;
        }
        if let Some(Member { publisher, .. }) = &self.shared.cluster {
            let handed_over = publisher.hand_over(self.index, &mut batch.records());
            return self.handed_over(batch, handed_over);
        }
        let commit = self.shared.journal.append(&mut batch.records());
        match commit {
            Commit::Durable => self.apply(batch),
            Commit::Pending(commit) => {
                if self.in_flight.is_empty() {
                    let now = Instant::now();
                    self.spin = Spin::from(now);
                    self.commits.begin(now);
                }
                self.messages_in_flight += batch.len();
                self.in_flight.push_back(InFlight { commit, batch });
            }
        }
    }

    fn admit(&mut self, message: Message, reply: ReplyTo, batch: &mut Batch) {
        let verdict = if let Some(failure) = &self.failed {
            // What was durable before is known to be, all the same.
            if self.roster.knows(&message) {
                self.observers.repeated(message.report.event.kind());
                Ok(Outcome::Duplicate)
            } else {
                Err(Refusal::NotKept(failure.to_string()))
            }
        } else {
            match self.roster.admit(&message) {
                Admission::Known => {
                    self.observers.repeated(message.report.event.kind());
                    Ok(Outcome::Duplicate)
                }
                Admission::Conflicting(slot) => {
                    let Message { channel, report } = &message;
                    self.observers.conflicting(slot, channel, report.number);
                    self.observers.repeated(report.event.kind());
                    Ok(Outcome::Duplicate)
                }
                Admission::Late => {
                    self.observers.late(&message.channel, message.report.number);
                    self.observers.repeated(message.report.event.kind());
                    Ok(Outcome::Duplicate)
                }
                Admission::Refused(refusal) => Err(refusal),
                Admission::Accepted(ticket) => {
                    batch.pending.push(Pending { ticket, message, reply });
                    return;
                }
            }
        };
        batch.answer(reply, verdict);
    }

    /// Deals with the oldest batch in flight, whose commit ended with `result`.
    fn finish(&mut self, result: CommitResult) {
        let InFlight { mut batch, .. } =
            self.in_flight.pop_front().expect("a commit that ended was in flight");
        self.messages_in_flight -= batch.len();
        let now = Instant::now();
        self.spin = Spin::from(now);
        if self.in_flight.is_empty() {
            self.commits.end();
        } else {
            self.commits.begin(now);
        }
        match result {
            Ok(()) => self.apply(batch),
            Err(AppendError::Refused(reason)) => self.withdraw(batch, &reason),
            Err(failure) => {
                Self::refuse_decisions(batch.take_decisions(), NotKept, &failure.to_string());
                let refusal = Refusal::NotKept(failure.to_string());
                self.fail(failure);
                batch.decide_all(|_, _| Err(refusal.clone()));
            }
        }
        if let Some(walk) = &mut self.snapshot {
            walk.batch_applied();
        }
    }

    fn apply(&mut self, mut batch: Batch) {
        let decided = batch.take_decisions();
        let Self { roster, observers, .. } = self;
        batch.decide_all(|ticket, message| Ok(roster.apply(ticket, message.report, observers)));
        self.decide(decided);
    }

    /// Nothing of this batch was kept; later ones may be.
    fn withdraw(&mut self, mut batch: Batch, reason: &str) {
        Self::refuse_decisions(batch.take_decisions(), NotNow, reason);
        batch.decide_all(|ticket, message| {
            self.roster.withdraw(ticket, message.report.number);
            Err(Refusal::NotNow(reason.to_owned()))
        });
    }

    /// Nothing is kept from now on. Only a restart helps: what the journal holds
    /// is not known any more.
    fn fail(&mut self, failure: AppendError) {
        // Every partition hears of it for itself; the journal's standing says it
        // once, to whoever writes the log (`workers`).
        self.shared.health.set(Phase::ReadOnly(failure.to_string()));
        self.failed = Some(failure);
    }

    /// Deals with everything that was handed over, and takes no more.
    async fn wind_up(mut self, inbox: &Inbox) {
        loop {
            while let Some(oldest) = oldest(&mut self.in_flight) {
                let result = committed(Some(oldest)).await;
                self.finish(result);
            }
            inbox.waiting_queries().for_each(|query| self.answer(query));
            self.walks.retain(Walk::has_an_asker);
            while !self.walks.is_empty() {
                self.step_walk();
                yield_now().await;
            }
            self.wind_up_deliveries(inbox).await;
            let Some(submission) = inbox.waiting_messages().next() else { break };
            self.take(submission, inbox);
        }
        self.observers.ended();
    }
}
