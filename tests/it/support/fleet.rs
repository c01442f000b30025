//! A fleet without HTTP, over any journal: the wiring of `downlink::app` where
//! a test needs to hold the ends itself.

use std::sync::Arc;

use downlink::fleet::Fleet;
use downlink::fleet::health::{Health, Phase};
use downlink::fleet::limits::{HistoryLimits, Limits};
use downlink::fleet::mailbox::{Inbox, Mailbox};
use downlink::fleet::outcome::Outcome;
use downlink::fleet::query::Span;
use downlink::fleet::roster::Roster;
use downlink::fleet::supervisor::Supervisor;
use downlink::fleet::threading::Threading;
use downlink::fleet::workers::{IdleWorkers, Shape, Workers};
use downlink::journal::Journal;
use downlink::telemetry::past::{self, Change};
use downlink::telemetry::{Channel, Message, wire};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::PATIENCE;

/// What becomes of the last worker's inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    Read,
    /// It piles up.
    Unread,
    /// Its reader is gone.
    Gone,
}

/// Small, and on several threads.
pub fn shape() -> Shape {
    Shape {
        workers: 2,
        inbox_capacity: 10_000,
        limits: Limits {
            buffered_per_rocket: 10_000,
            buffered: 100_000,
            rockets: 10_000,
            history: HistoryLimits::NONE,
        },
        threading: Threading::Several(2),
    }
}

pub struct TestFleet {
    pub fleet: Fleet,
    pub health: Arc<Health>,
    workers: Workers,
    /// Held, so that nobody finds it closed.
    _unread: Option<Inbox>,
}

impl TestFleet {
    /// Starts the workers on the current runtime.
    pub fn start(shape: Shape, journal: Arc<dyn Journal>) -> Self {
        Self::start_but(Last::Read, shape, journal)
    }

    /// As [`TestFleet::start`], but the last worker may be out of order.
    pub fn start_but(last: Last, shape: Shape, journal: Arc<dyn Journal>) -> Self {
        let health = Arc::new(Health::new(Phase::Ready));
        let (mut idle, fleet) = IdleWorkers::prepare(shape, health.clone());
        let unread = match last {
            Last::Read => None,
            Last::Unread => idle.unseat_last(),
            Last::Gone => {
                drop(idle.unseat_last());
                None
            }
        };
        let rosters = (0..idle.count()).map(|_| Roster::new(idle.quotas().clone())).collect();
        let workers = idle.start(rosters, (journal, None), &Supervisor::new(health.clone()));
        Self { fleet, health, workers, _unread: unread }
    }

    /// Starts workers that were prepared for a test, with what they had.
    pub fn resume(
        (idle, fleet): (IdleWorkers, Fleet),
        rosters: Vec<Roster>,
        journal: Arc<dyn Journal>,
    ) -> Self {
        let health = Arc::new(Health::new(Phase::Ready));
        let workers = idle.start(rosters, (journal, None), &Supervisor::new(health.clone()));
        Self { fleet, health, workers, _unread: None }
    }

    /// The ways to the workers.
    pub fn mailboxes(&self) -> Arc<[Mailbox]> {
        self.workers.mailboxes().clone()
    }

    /// Stops the workers; every one must end as it was told.
    pub async fn stop(self) {
        self.workers.stop().await;
        assert!(!matches!(self.health.phase(), Phase::Degraded(_)), "{:?}", self.health.phase());
    }

    /// Every launched rocket, as JSON, in launch order.
    pub async fn rockets(&self) -> Vec<Value> {
        let page = self.fleet.rockets(Arc::default(), deadline()).await.unwrap();
        page.rockets.iter().map(|rocket| serde_json::to_value(rocket).unwrap()).collect()
    }

    /// What is kept of the past of the rocket with this ID, as JSON.
    pub async fn history(&self, id: &str) -> Vec<Value> {
        let span = Span::default();
        let history = self.fleet.history(channel(id), span, deadline()).await.unwrap();
        history.entries.iter().map(past_as_json).collect()
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

/// What is known of a message that counted, as the HTTP contract has it.
pub fn past_as_json(entry: &past::Entry) -> Value {
    let (change, from, to) = match &entry.change {
        Change::Nothing => ("none", Value::Null, Value::Null),
        Change::Launched => ("launched", Value::Null, "Launched".into()),
        Change::Speed { from, to } => ("speed", (*from).into(), (*to).into()),
        Change::Mission { from, to } => ("mission", (**from).into(), (**to).into()),
        Change::Exploded(reason) => ("exploded", Value::Null, (**reason).into()),
    };
    json!({
        "message_number": entry.number,
        "time": entry.time,
        "change": change,
        "from": from,
        "to": to,
        "speed": entry.speed,
    })
}
