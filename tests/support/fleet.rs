//! A fleet without HTTP, over any journal: the wiring of `downlink::app` where
//! a test needs to hold the ends itself.

use std::sync::Arc;

use downlink::fleet::Fleet;
use downlink::fleet::health::{Health, Phase};
use downlink::fleet::inbox::{self, Inbox, Mail, Outcome};
use downlink::fleet::limits::{Limits, Quotas};
use downlink::fleet::partition::{Exit, Partition};
use downlink::fleet::roster::Roster;
use downlink::fleet::routing::Router;
use downlink::fleet::version;
use downlink::journal::Journal;
use downlink::telemetry::{Channel, Message, wire};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::PATIENCE;

/// What a fleet is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub workers: usize,
    pub inbox_capacity: usize,
    pub limits: Limits,
    /// Of the last worker.
    pub last: Last,
}

/// What becomes of the mail of the last worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    Read,
    /// It piles up.
    Unread,
    /// Its reader is gone.
    Gone,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            workers: 2,
            inbox_capacity: 10_000,
            limits: Limits { buffered_per_rocket: 10_000, buffered: 100_000, rockets: 10_000 },
            last: Last::Read,
        }
    }
}

pub struct TestFleet {
    pub fleet: Fleet,
    pub health: Arc<Health>,
    workers: JoinSet<Exit>,
    stop: Vec<oneshot::Sender<()>>,
    unread: Vec<Mail>,
}

impl TestFleet {
    /// Starts the workers on the current runtime.
    pub fn start(shape: Shape, journal: Arc<dyn Journal>) -> Self {
        let quotas = Arc::new(Quotas::new(shape.limits));
        let rosters = (0..shape.workers).map(|_| Roster::new(quotas.clone())).collect();
        Self::resume(shape, journal, Router::new(shape.workers), rosters).0
    }

    /// Starts the workers with rockets that they have already, and returns the
    /// ways to them too.
    pub fn resume(
        shape: Shape,
        journal: Arc<dyn Journal>,
        router: Router,
        rosters: Vec<Roster>,
    ) -> (Self, Arc<[Inbox]>) {
        let health = Arc::new(Health::new(Phase::Ready));
        let (inboxes, mut mails) = inbox::channels(shape.workers, shape.inbox_capacity);
        let mut unread = Vec::new();
        match shape.last {
            Last::Read => {}
            Last::Unread => unread.extend(mails.pop()),
            Last::Gone => drop(mails.pop()),
        }
        let (version, changes) = version::counts(shape.workers);
        let mut stops = Vec::new();
        let mut workers = JoinSet::new();
        for (index, ((mail, changes), roster)) in
            mails.into_iter().zip(changes).zip(rosters).enumerate()
        {
            let (journal, health) = (journal.clone(), health.clone());
            let (sender, stop) = oneshot::channel();
            stops.push(sender);
            workers.spawn(Partition { index, mail, roster, journal, health, changes, stop }.run());
        }
        let fleet = Fleet::new(inboxes.clone(), router, health.clone(), version);
        (Self { fleet, health, workers, stop: stops, unread }, inboxes)
    }

    /// Stops the workers; every one must end as it was told.
    pub async fn stop(mut self) {
        for stop in self.stop {
            let _ = stop.send(());
        }
        while let Some(exit) = self.workers.join_next().await {
            assert_eq!(exit.unwrap(), Exit::Stopped);
        }
    }

    /// Every launched rocket, as JSON, in launch order.
    pub async fn rockets(&self) -> Vec<Value> {
        let page = self.fleet.rockets(Arc::default(), deadline()).await.unwrap();
        page.rockets.iter().map(|rocket| serde_json::to_value(rocket).unwrap()).collect()
    }
}

pub fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

pub fn parse(message: &Value) -> Message {
    wire::parse(message.to_string().as_bytes()).unwrap()
}

pub fn channel(text: &str) -> Channel {
    Channel::parse(text).unwrap()
}

/// The name of an outcome in the HTTP contract.
pub fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::Buffered => "buffered",
        Outcome::Duplicate => "duplicate",
    }
}
