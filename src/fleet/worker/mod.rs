//! The worker of one partition: the only task that touches its rockets.
//!
//! Append first, apply second, acknowledge third: nothing is visible before it
//! is durable. A batch is whatever waits in the inbox; while it is committed
//! further ones are handed over behind it, so that the next commit finds them.
//! Repeats of what is durable are acknowledged at once; repeats of what
//! is still being committed travel behind it and are told apart when they are
//! applied.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tracing::{error, warn};

use super::batch::{Batch, Pending, ReplyTo};
use super::health::{Health, Phase};
use super::inbox::{Mail, Outcome, Refusal, Submission};
use super::query::Query;
use super::roster::{Admission, Roster, Slot};
use super::scan::Scan;
use super::version::Changes;
use super::watch::Watch;
use crate::journal::{AppendError, Commit, Journal, Record};
use crate::telemetry::rocket::Anomaly;
use crate::telemetry::{Channel, Message};

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

/// A worker and all that it owns.
pub struct Partition {
    /// Its number, from 0.
    pub index: usize,
    pub mail: Mail,
    pub roster: Roster,
    pub journal: Arc<dyn Journal>,
    pub health: Arc<Health>,
    pub changes: Changes,
    /// Told when the worker is to finish what it has and end.
    pub stop: oneshot::Receiver<()>,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was told to stop, and everything in its inbox was dealt with.
    Stopped,
    /// Nobody could reach it any more.
    Abandoned,
}

type Fate = oneshot::Receiver<Result<(), AppendError>>;

/// A batch that the journal has.
struct InFlight {
    commit: Fate,
    batch: Batch,
}

/// A checkpoint in progress: a walk over all rockets that stores the changed
/// ones slice by slice, one slice at a time.
struct Sweep {
    /// Batches that were in flight when it was ordered, and still are. What
    /// they change must be stored too.
    behind: usize,
    next: Slot,
    storing: Option<Fate>,
    reply: oneshot::Sender<Result<(), AppendError>>,
}

impl Sweep {
    fn can_go_on(&self) -> bool {
        self.behind == 0 && self.storing.is_none()
    }
}

/// Waits for a fate; for ever if there is none to wait for.
async fn settled(fate: Option<&mut Fate>) -> Result<(), AppendError> {
    match fate {
        Some(fate) => fate.await.unwrap_or_else(|_| Err(AppendError::gone())),
        None => std::future::pending().await,
    }
}

impl Partition {
    /// Runs until it is told to stop or nobody can reach it.
    pub async fn run(self) -> Exit {
        let Self { index, mail, roster, journal, health, changes, mut stop } = self;
        let mut worker = Worker {
            roster,
            journal,
            health,
            changes,
            in_flight: VecDeque::new(),
            messages_in_flight: 0,
            most_in_flight: MAX_IN_FLIGHT.min(mail.capacity()),
            watch: Watch::from(Instant::now()),
            scans: VecDeque::new(),
            sweep: None,
            failed: None,
            anomalies: AnomalyLog::new(index),
        };
        // These live across turns: most turns are for one message, and to put
        // one's name down anew with everybody else would cost more than that.
        let (mut messages, mut queries) = (mail.messages(), mail.queries());
        let shares_threads = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        let exit = loop {
            tokio::select! {
                biased;
                result = settled(worker.in_flight.front_mut().map(|batch| &mut batch.commit)) => {
                    worker.finish(result);
                }
                submission = messages.next(), if worker.takes_messages() => match submission {
                    Some(first) => {
                        // Whoever is about to hand something over goes first: one
                        // turn for many messages instead of one for each. One
                        // thread alone has it in that order anyway.
                        if shares_threads {
                            yield_now().await;
                        }
                        worker.take(first, &mail);
                    }
                    None => break Exit::Abandoned,
                },
                query = queries.next() => match query {
                    Some(query) => worker.answer(query),
                    None => break Exit::Abandoned,
                },
                result = settled(worker.sweep.as_mut().and_then(|sweep| sweep.storing.as_mut())) => {
                    worker.stored(result);
                }
                () = std::future::ready(()), if worker.has_more_to_do() => {}
                () = yield_now(), if !shares_threads && worker.watches_commit() => {}
                _ = &mut stop => break Exit::Stopped,
            }
            // Whichever it was, everything else gets its turn too.
            worker.answer_waiting(&mail);
            worker.scan();
            worker.sweep();
            // flume does not take part in tokio's cooperative scheduling.
            tokio::task::consume_budget().await;
        };
        drop((messages, queries));
        worker.wind_up(&mail).await;
        exit
    }
}

struct Worker {
    roster: Roster,
    journal: Arc<dyn Journal>,
    health: Arc<Health>,
    changes: Changes,
    in_flight: VecDeque<InFlight>,
    messages_in_flight: usize,
    most_in_flight: usize,
    /// For the commit of the oldest batch in flight.
    watch: Watch,
    scans: VecDeque<Scan>,
    sweep: Option<Sweep>,
    /// Why nothing can be kept any more.
    failed: Option<String>,
    anomalies: AnomalyLog,
}

impl Worker {
    fn takes_messages(&self) -> bool {
        self.messages_in_flight < self.most_in_flight
    }

    /// Whether there is work that waits for nothing but its turn.
    fn has_more_to_do(&self) -> bool {
        !self.scans.is_empty() || self.sweep.as_ref().is_some_and(Sweep::can_go_on)
    }

    /// Whether to look for the end of the commit again, and not to sleep.
    fn watches_commit(&self) -> bool {
        self.watch.goes_on(self.messages_in_flight, Instant::now())
    }

    /// Takes `first` and what else is in the inbox as one batch.
    fn take(&mut self, first: Submission, mail: &Mail) {
        let mut batch = Batch::default();
        let mut messages = 0;
        for submission in std::iter::once(first).chain(mail.waiting_messages()) {
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
            }
            if messages >= MAX_BATCH {
                break;
            }
        }
        if batch.pending.is_empty() {
            batch.close_groups();
            return;
        }
        let records = &mut batch.pending.iter().map(|pending| Record::Message(&pending.message));
        match self.journal.append(records) {
            Commit::Settled => self.apply(batch),
            Commit::Pending(commit) => {
                if self.in_flight.is_empty() {
                    self.watch = Watch::from(Instant::now());
                }
                self.messages_in_flight += batch.pending.len();
                self.in_flight.push_back(InFlight { commit, batch });
            }
        }
    }

    fn admit(&mut self, message: Message, reply: ReplyTo, batch: &mut Batch) {
        let verdict = if let Some(reason) = &self.failed {
            // What was durable before is known to be, all the same.
            if self.roster.knows(&message) {
                Ok(Outcome::Duplicate)
            } else {
                Err(Refusal::NotKept(reason.clone()))
            }
        } else {
            match self.roster.admit(&message) {
                Admission::Known => Ok(Outcome::Duplicate),
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
    fn finish(&mut self, result: Result<(), AppendError>) {
        let Some(InFlight { batch, .. }) = self.in_flight.pop_front() else { return };
        self.messages_in_flight -= batch.pending.len();
        self.watch = Watch::from(Instant::now());
        if let Some(sweep) = &mut self.sweep {
            sweep.behind = sweep.behind.saturating_sub(1);
        }
        match result {
            Ok(()) => self.apply(batch),
            Err(failure) => {
                self.fail(&failure);
                let refusal = Refusal::NotKept(failure.to_string());
                batch.settle(|_, _| Err(refusal.clone()));
            }
        }
    }

    fn apply(&mut self, batch: Batch) {
        batch.settle(|ticket, message| {
            let anomalies = &mut self.anomalies;
            let outcome = self.roster.apply(ticket, message.report, |channel, number, anomaly| {
                anomalies.note(channel, number, anomaly);
            });
            // Before its sender hears of it.
            if outcome != Outcome::Duplicate {
                self.changes.note();
            }
            Ok(outcome)
        });
    }

    /// Nothing is kept from now on. Only a restart helps: what the journal holds
    /// is not known any more.
    fn fail(&mut self, failure: &AppendError) {
        let reason = failure.to_string();
        // Every partition finds out for itself; once is enough in the log.
        if self.health.set(Phase::ReadOnly(reason.clone())) {
            error!(%reason, "messages are not accepted any more; restart the service");
        }
        self.failed = Some(reason);
    }

    fn answer(&mut self, query: Query) {
        // Whoever asked may have given up waiting, and needs no answer then.
        match query {
            Query::Rocket { channel, reply } => drop(reply.send(self.roster.lookup(&channel))),
            Query::Missions { reply } => drop(reply.send(self.roster.missions())),
            Query::Rockets { selection, reply } if selection.is_indexed() => {
                drop(reply.send(self.roster.by_launch(&selection)));
            }
            Query::Checkpoint { reply } => {
                self.sweep =
                    Some(Sweep { behind: self.in_flight.len(), next: 0, storing: None, reply });
            }
            Query::Rockets { selection, reply } => {
                self.scans.push_back(Scan::new(selection, reply));
            }
        }
    }

    /// Answers some of the queries that wait, and puts walks in line.
    fn answer_waiting(&mut self, mail: &Mail) {
        for query in mail.waiting_queries().take(MAX_QUERIES) {
            self.answer(query);
        }
    }

    /// Takes the walk that waited longest one slice further.
    fn scan(&mut self) {
        let rest = self.scans.pop_front().and_then(|scan| scan.step(&self.roster));
        self.scans.extend(rest);
    }

    /// Stores the next slice of a checkpoint, if it is its turn.
    fn sweep(&mut self) {
        let Some(mut sweep) = self.sweep.take_if(|sweep| sweep.can_go_on()) else { return };
        if sweep.next == self.roster.slots() {
            let result = self.failed.clone().map_or(Ok(()), |reason| Err(AppendError(reason)));
            // Whoever ordered it may have given up waiting.
            let _ = sweep.reply.send(result);
            return;
        }
        let (slice, next) = self.roster.take_changed(sweep.next);
        sweep.next = next;
        if !slice.is_empty()
            && let Commit::Pending(fate) = self.journal.store(slice)
        {
            sweep.storing = Some(fate);
        }
        self.sweep = Some(sweep);
    }

    /// The slice that was being stored is, or is not.
    fn stored(&mut self, result: Result<(), AppendError>) {
        match (&mut self.sweep, result) {
            (Some(sweep), Ok(())) => sweep.storing = None,
            (_, Ok(())) => {}
            (_, Err(failure)) => {
                self.fail(&failure);
                if let Some(sweep) = self.sweep.take() {
                    let _ = sweep.reply.send(Err(failure));
                }
            }
        }
    }

    /// Deals with everything that was handed over, and takes no more.
    async fn wind_up(mut self, mail: &Mail) {
        loop {
            while let Some(oldest) = self.in_flight.front_mut() {
                let result = settled(Some(&mut oldest.commit)).await;
                self.finish(result);
            }
            mail.waiting_queries().for_each(|query| self.answer(query));
            while !self.scans.is_empty() {
                self.scan();
                yield_now().await;
            }
            let Some(submission) = mail.waiting_messages().next() else { break };
            self.take(submission, mail);
        }
        self.anomalies.flush();
    }
}

/// Counts anomalies and logs them, at most one line a second: a strange sender
/// must not fill the log.
struct AnomalyLog {
    partition: usize,
    total: u64,
    unlogged: u64,
    last: Option<(Channel, u64, Anomaly)>,
    logged_at: Option<Instant>,
}

const LOG_INTERVAL: Duration = Duration::from_secs(1);

impl AnomalyLog {
    fn new(partition: usize) -> Self {
        Self { partition, total: 0, unlogged: 0, last: None, logged_at: None }
    }

    fn note(&mut self, channel: &Channel, number: u64, anomaly: Anomaly) {
        self.total += 1;
        self.unlogged += 1;
        self.last = Some((channel.clone(), number, anomaly));
        if self.logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let Some((channel, number, anomaly)) = self.last.take() else { return };
        warn!(
            partition = self.partition,
            %channel,
            number,
            ?anomaly,
            count = self.unlogged,
            total = self.total,
            "strange messages; shown is the latest"
        );
        self.unlogged = 0;
        self.logged_at = Some(Instant::now());
    }
}
