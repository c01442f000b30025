//! Starts the workers and stops them. Makes their channels, and gives out the
//! handles on them; does not know what a worker does, nor what becomes of the
//! service when one dies (`supervisor`).

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::feed::hub::Feed;
use super::feed::marks::Marks;
use super::feed::pump::Pump;
use super::feed::stats::Stats;
use super::handle::Fleet;
use super::health::{Health, Phase};
use super::limits::{Limits, Quotas};
use super::mailbox::{self, Inbox, Mailbox};
use super::metrics::FleetMetrics;
use super::roster::Roster;
use super::routing::Router;
use super::supervisor::Supervisor;
use super::tally::Teller;
use super::threading::Threading;
use super::version;
use super::worker::{Exit, Member, Reports, Shared, Worker};
use crate::journal::{AppendError, CommitResult, Journal};

/// Workers that are not there yet. Whoever asks them anything hears from
/// [`Health`] that the fleet starts.
pub struct IdleWorkers {
    router: Router,
    quotas: Arc<Quotas>,
    health: Arc<Health>,
    threading: Threading,
    mailboxes: Arc<[Mailbox]>,
    metrics: Arc<FleetMetrics>,
    seats: Vec<(Inbox, Reports)>,
    pump: Pump,
}

/// How many workers, and what they and their fleet may hold.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Partitions, each with a worker of its own; at least 1.
    pub workers: usize,
    /// Messages that may wait for one worker.
    pub inbox_capacity: usize,
    /// What all rockets together may hold.
    pub limits: Limits,
    /// The tuning for the runtime that the workers will run on.
    pub threading: Threading,
}

impl IdleWorkers {
    /// Makes the channels of so many workers. Returns the fleet's handle too,
    /// which may be given out at once.
    #[must_use]
    pub fn prepare(shape: Shape, health: Arc<Health>) -> (Self, Fleet) {
        let Shape { workers, inbox_capacity, limits, threading } = shape;
        let (mailboxes, inboxes): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| mailbox::channel(inbox_capacity)).unzip();
        let mailboxes: Arc<[Mailbox]> = mailboxes.into();
        let (version, changes) = version::counts(workers);
        let router = Router::new(workers);
        let quotas = Arc::new(Quotas::new(limits));
        let tellers: Vec<_> = (0..workers).map(|_| Teller::default()).collect();
        let tallies = tellers.iter().map(Teller::tally).collect();
        let metrics =
            Arc::new(FleetMetrics::new(tallies, mailboxes.clone(), quotas.clone(), health.clone()));
        let feed = Feed::new(workers);
        let stats = Stats::new(metrics.clone(), version.clone());
        let pump = Pump::new(feed.clone(), mailboxes.clone(), stats);
        let marks: Vec<_> = (0..workers).map(|_| Marks::new(feed.listening().clone())).collect();
        let fleet = Fleet::new(
            mailboxes.clone(),
            router.clone(),
            health.clone(),
            version,
            metrics.clone(),
            feed,
        );
        let reports = changes.into_iter().zip(tellers).zip(marks);
        let seats = inboxes.into_iter().zip(reports).collect();
        (Self { router, quotas, health, threading, mailboxes, metrics, seats, pump }, fleet)
    }

    /// Which worker a rocket will belong to.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// The ways to all of them, in order.
    #[must_use]
    pub fn mailboxes(&self) -> &Arc<[Mailbox]> {
        &self.mailboxes
    }

    /// What the rosters share.
    #[must_use]
    pub fn quotas(&self) -> &Arc<Quotas> {
        &self.quotas
    }

    /// What is counted and measured of the fleet.
    #[must_use]
    pub fn metrics(&self) -> &Arc<FleetMetrics> {
        &self.metrics
    }

    /// How many workers there will be.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seats.len()
    }

    /// Leaves the last partition without a worker and returns its inbox: for
    /// tests of what others make of that.
    pub fn unseat_last(&mut self) -> Option<Inbox> {
        self.seats.pop().map(|(inbox, _)| inbox)
    }

    /// Starts the workers on the current runtime, with a roster for each, under
    /// the eyes of `supervisor`.
    ///
    /// # Panics
    /// When there are not as many rosters as workers.
    #[must_use]
    pub fn start(
        self,
        rosters: Vec<Roster>,
        (journal, cluster): (Arc<dyn Journal>, Option<Member>),
        supervisor: &Supervisor,
    ) -> Workers {
        let Self { health, threading, mailboxes, metrics, seats, pump, .. } = self;
        assert_eq!(rosters.len(), seats.len(), "there is one roster for each worker");
        metrics.follow_rosters(rosters.iter().map(|roster| roster.census().clone()).collect());
        if let Some(figures) = journal.figures() {
            metrics.follow_journal(figures);
        }
        let standing = match &cluster {
            Some(member) => Some(member.publisher.standing()),
            None => journal.standing(),
        };
        if let Some(mut standing) = standing {
            let mut paused = None;
            // Before anybody can be told that the fleet is ready.
            tell(&standing.borrow_and_update().clone(), &health, &mut paused);
            let health = health.clone();
            tokio::spawn(async move {
                // Ends with the journal.
                while standing.changed().await.is_ok() {
                    tell(&standing.borrow_and_update().clone(), &health, &mut paused);
                }
            });
        }
        let shared = Shared { journal, health, threading, cluster };
        let mut stops = Vec::new();
        let mut tasks = JoinSet::new();
        for (index, ((inbox, observers), roster)) in seats.into_iter().zip(rosters).enumerate() {
            let (stop, stopped) = oneshot::channel();
            stops.push(stop);
            let worker = Worker::new(index, inbox, roster, observers, stopped, shared.clone());
            let run = async {
                match worker.run().await {
                    Exit::Stopped => Ok(()),
                    Exit::Abandoned => Err("nobody could reach it any more".to_owned()),
                }
            };
            tasks.spawn(supervisor.supervise(&format!("the worker of partition {index}"), run));
        }
        let mut feed = JoinSet::new();
        let run = async move { Ok(pump.run().await) };
        feed.spawn(supervisor.supervise("the feed", run));
        Workers { mailboxes, stops, tasks, _feed: feed, supervisor: supervisor.clone() }
    }
}

/// Running workers. Dropped before they were stopped, they end wherever they are.
pub struct Workers {
    /// Kept until the workers have ended: nobody may find a mailbox closed that
    /// was not told so.
    mailboxes: Arc<[Mailbox]>,
    stops: Vec<oneshot::Sender<()>>,
    tasks: JoinSet<Option<()>>,
    /// Ends with this.
    _feed: JoinSet<Option<Infallible>>,
    supervisor: Supervisor,
}

impl Workers {
    /// The ways to all of them, in order.
    #[must_use]
    pub fn mailboxes(&self) -> &Arc<[Mailbox]> {
        &self.mailboxes
    }

    /// Has them finish everything that they were handed, and joins them.
    pub async fn stop(mut self) {
        self.supervisor.expect_ends();
        for stop in self.stops.drain(..) {
            // Who does not listen any more has ended, and the supervisor knows.
            let _ = stop.send(());
        }
        self.tasks.join_all().await;
    }
}

/// Makes it known whether anything can be kept: first to whom it decides, and
/// then where it only talks.
fn tell(standing: &CommitResult, health: &Health, paused: &mut Option<Instant>) {
    match standing {
        Ok(()) => {
            health.resume();
            if let Some(since) = paused.take() {
                let after_ms = since.elapsed().as_millis();
                info!(%after_ms, "messages are accepted again");
            }
        }
        Err(AppendError::Refused(reason)) => {
            health.set(Phase::Paused(reason.clone()));
            if paused.is_none() {
                *paused = Some(Instant::now());
                warn!(reason, "messages are not accepted for now; this is tried again");
            }
        }
        Err(failure) => {
            // A worker may have heard of it before.
            health.set(Phase::ReadOnly(failure.to_string()));
            error!(reason = %failure, "messages are not accepted any more; restart the service");
        }
    }
}
