//! A crash between append, apply, acknowledgement and checkpoint, at any point
//! and any number of times, leaves the fleet that the messages make; and so does
//! a refusal of what was handed to the journal.
//!
//! Now and then what some rocket waits for is declared lost, and now and then a
//! rocket is forgotten. In which order all that happened is what the journal was
//! given: [`Told`] folds everything that was ever committed, in the plain way, and
//! each restart must find just that. What was answered must be in there.
//!
//! The journal is a model that makes things durable one step at a time, so
//! every interleaving of messages, commits, checkpoints and crashes can occur.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::support::fleet::{TestFleet, channel, deadline, parse, shape};
use crate::support::messages;
use crate::support::model::{Disk, ModelJournal};
use crate::support::oracle::{self, Lost};
use crate::support::past;
use downlink::fleet::checkpoint::{Checkpointer, Interval};
use downlink::fleet::health::{Health, Phase};
use downlink::fleet::limits::{HistoryLimits, Limits};
use downlink::fleet::outcome::{ForgetError, Outcome, SkipError, Skipped};
use downlink::fleet::restore::restore;
use downlink::fleet::workers::{IdleWorkers, Shape};
use downlink::journal::{Journal, Recovered};
use downlink::telemetry::Timestamp;
use proptest::prelude::*;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

/// A few messages of each rocket's past.
const HISTORY: HistoryLimits = HistoryLimits { per_rocket: 4, memory: 1 << 20 };

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// The next message is sent.
    Send,
    /// Some of what waits becomes durable, as one transaction.
    Commit(usize),
    /// Some of what waits is refused, as one transaction.
    Refuse(usize),
    /// A checkpoint begins, unless one is under way.
    Checkpoint,
    /// What a rocket waits for is declared lost.
    Skip(usize),
    /// What all rockets wait for is: the time is over.
    Expire,
    /// A rocket is forgotten.
    Forget(usize),
    /// The service is killed and started again with so many workers.
    Crash(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Send),
        4 => (1usize..4).prop_map(Step::Commit),
        1 => (1usize..4).prop_map(Step::Refuse),
        1 => Just(Step::Checkpoint),
        2 => (0usize..5).prop_map(Step::Skip),
        1 => Just(Step::Expire),
        2 => (0usize..5).prop_map(Step::Forget),
        1 => (1usize..5).prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 1..120)
}

/// What some rockets send, in an order of its own, partly twice.
fn arrivals() -> impl Strategy<Value = Vec<Value>> {
    (1usize..5, 1u64..12).prop_flat_map(|(rockets, length)| {
        let all: Vec<Value> = (0..rockets)
            .flat_map(|rocket| (1..=length).map(move |n| any_message(rocket, n)))
            .collect();
        let twice: Vec<Value> = all.iter().step_by(3).cloned().collect();
        Just([all, twice].concat()).prop_shuffle()
    })
}

fn any_message(rocket: usize, number: u64) -> Value {
    let channel = format!("rocket {rocket}");
    match number {
        // Some rockets say something before their launch.
        1 if rocket.is_multiple_of(3) => messages::speed_up(&channel, 1, 9),
        1 | 2 => {
            let mut launch = messages::launch(&channel);
            launch["metadata"]["messageNumber"] = number.into();
            launch
        }
        n if n.is_multiple_of(5) => messages::change_mission(&channel, n, &format!("M{n}")),
        9 => messages::explode(&channel, 9, "O-RING"),
        n => messages::speed_up(&channel, n, i64::try_from(n).unwrap()),
    }
}

/// A fleet over a disk, and what is under way in it.
struct Running {
    journal: Arc<ModelJournal>,
    fleet: TestFleet,
    sent: Vec<(Value, JoinHandle<Option<Outcome>>)>,
    skips: Vec<(String, JoinHandle<Result<Skipped, SkipError>>)>,
    forgets: Vec<(String, JoinHandle<Result<(), ForgetError>>)>,
    checkpoint: Option<JoinHandle<()>>,
}

impl Running {
    fn start(disk: Disk, workers: usize) -> Self {
        let limits =
            Limits { buffered_per_rocket: 1000, buffered: 10_000, rockets: 1000, history: HISTORY };
        let health = Arc::new(Health::new(Phase::Ready));
        let prepared = IdleWorkers::prepare(Shape { workers, limits, ..shape() }, health);
        let (rosters, _) = restore(
            prepared.0.router(),
            prepared.0.quotas(),
            |sink| disk.read(sink),
            |_| std::ops::ControlFlow::Continue(()),
        )
        .unwrap();
        let journal = ModelJournal::over(disk);
        let fleet = TestFleet::resume(prepared, rosters, journal.clone());
        let (sent, skips, forgets) = (Vec::new(), Vec::new(), Vec::new());
        Self { journal, fleet, sent, skips, forgets, checkpoint: None }
    }

    fn send(&mut self, message: &Value) {
        let fleet = self.fleet.fleet.clone();
        let submitted = parse(message);
        let task =
            tokio::spawn(
                async move { fleet.submit(submitted, sleep_until(deadline())).await.ok() },
            );
        self.sent.push((message.clone(), task));
    }

    fn skip(&mut self, rocket: usize) {
        let (fleet, id) = (self.fleet.fleet.clone(), format!("rocket {rocket}"));
        let channel = channel(&id);
        let task = tokio::spawn(async move { fleet.skip(channel, None, deadline()).await });
        self.skips.push((id, task));
    }

    fn forget(&mut self, rocket: usize) {
        let (fleet, id) = (self.fleet.fleet.clone(), format!("rocket {rocket}"));
        let channel = channel(&id);
        let task = tokio::spawn(async move { fleet.forget(channel, deadline()).await });
        self.forgets.push((id, task));
    }

    fn begin_checkpoint(&mut self) {
        if self.checkpoint.as_ref().is_none_or(JoinHandle::is_finished) {
            let interval = Interval { records: u64::MAX, time: Duration::MAX };
            let journal: Arc<dyn Journal> = self.journal.clone();
            let mut checkpointer = Checkpointer::new(self.fleet.mailboxes(), journal, interval);
            self.checkpoint = Some(tokio::spawn(async move {
                // Fails when the fleet crashes first, or when it is refused.
                let _ = checkpointer.checkpoint().await;
            }));
        }
    }

    fn expire(&mut self) {
        let end_of_time = Timestamp::from_unix(253_402_300_799, 0).unwrap();
        for mailbox in &*self.fleet.mailboxes() {
            // Who asked does not wait.
            let _ = mailbox.expire(end_of_time, oneshot::channel().0);
        }
    }

    /// Kills the fleet. What was answered is on the disk, which is returned with the
    /// messages that were acknowledged.
    async fn crash(self) -> (Disk, Vec<Value>) {
        let disk = self.journal.disk();
        let history = disk.history();
        let mut acked = Vec::new();
        for (message, task) in self.sent {
            if task.is_finished() && task.await.unwrap().is_some() {
                let sent = parse(&message);
                let is_it = |record: &Recovered| match record {
                    Recovered::Message(kept) => {
                        (&kept.channel, kept.report.number) == (&sent.channel, sent.report.number)
                    }
                    // It came when it was late.
                    Recovered::Skip(skip) => skip.channel == sent.channel,
                    _ => false,
                };
                assert!(history.iter().any(is_it), "{message} was acknowledged");
                acked.push(message);
            }
        }
        for (id, task) in self.skips {
            if task.is_finished()
                && let Ok(Skipped { first, .. }) = task.await.unwrap()
            {
                let is_it = |record: &Recovered| {
                    matches!(record, Recovered::Skip(skip)
                    if skip.awaited == first && skip.channel == channel(&id))
                };
                assert!(history.iter().any(is_it), "{id} waited for {first} no longer");
            }
        }
        let mut forgotten: BTreeMap<String, usize> = BTreeMap::new();
        for (id, task) in self.forgets {
            if task.is_finished() && task.await.unwrap().is_ok() {
                *forgotten.entry(id).or_default() += 1;
            }
        }
        for (id, times) in forgotten {
            let is_it = |record: &&Recovered| {
                matches!(record, Recovered::Forget(forget)
                if forget.channel == channel(&id))
            };
            assert!(history.iter().filter(is_it).count() >= times, "{id} was forgotten");
        }
        // What is not durable by now never will be.
        drop(self.fleet);
        (disk, acked)
    }
}

/// What the journal was told of one rocket since it was forgotten last.
struct Told {
    next: u64,
    messages: Vec<Value>,
    waiting: BTreeMap<u64, Value>,
    lost: Lost,
}

impl Default for Told {
    fn default() -> Self {
        Self { next: 1, messages: Vec::new(), waiting: BTreeMap::new(), lost: Lost::new() }
    }
}

impl Told {
    fn knows(&self, number: u64) -> bool {
        number < self.next || self.waiting.contains_key(&number)
    }

    fn go_on(&mut self) {
        while let Some(message) = self.waiting.remove(&self.next) {
            self.messages.push(message);
            self.next += 1;
        }
    }
}

/// What all that was ever committed makes, rocket by rocket.
fn told(disk: &Disk) -> BTreeMap<String, Told> {
    let mut rockets: BTreeMap<String, Told> = BTreeMap::new();
    for record in disk.history() {
        match record {
            Recovered::Message(message) => {
                let (id, number) = (message.channel.to_string(), message.report.number);
                let rocket = id.strip_prefix("rocket ").unwrap().parse().unwrap();
                let told = rockets.entry(id).or_default();
                if !told.knows(number) {
                    told.waiting.insert(number, any_message(rocket, number));
                    told.go_on();
                }
            }
            Recovered::Skip(skip) => {
                let id = skip.channel.to_string();
                let told = rockets.entry(id.clone()).or_default();
                let first = told.waiting.keys().next().copied();
                if let Some(first) = first.filter(|_| told.next == skip.awaited) {
                    told.lost.extend((skip.awaited..first).map(|number| (id.clone(), number)));
                    told.next = first;
                    told.go_on();
                }
            }
            Recovered::Forget(forget) => drop(rockets.remove(&forget.channel.to_string())),
            Recovered::Rocket(_) | Recovered::Mark(_) => unreachable!("no record is either"),
        }
    }
    rockets
}

/// The fleet that is told, and what of it was declared lost.
fn fleet_told(disk: &Disk) -> (Vec<Value>, Lost) {
    let (mut messages, mut lost) = (Vec::new(), Lost::new());
    for told in told(disk).into_values() {
        messages.extend(told.messages.into_iter().chain(told.waiting.into_values()));
        lost.extend(told.lost);
    }
    (oracle::rockets_without(&messages, &lost), lost)
}

/// Lets every task go as far as it can.
async fn let_tasks_run() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Sends a message again and commits until it is answered.
async fn outcome(running: &Running, message: &Value) -> Outcome {
    let fleet = running.fleet.fleet.clone();
    let submitted = parse(message);
    let task = tokio::spawn(async move { fleet.submit(submitted, sleep_until(deadline())).await });
    while !task.is_finished() {
        let_tasks_run().await;
        running.journal.commit(usize::MAX);
    }
    task.await.unwrap().unwrap()
}

async fn play(arrivals: &[Value], steps: &[Step]) {
    let mut running = Running::start(Disk::default(), 2);
    let mut next = arrivals.iter().cycle();
    for step in steps {
        match step {
            Step::Send => running.send(next.next().unwrap()),
            Step::Commit(jobs) => drop(running.journal.commit(*jobs)),
            Step::Refuse(jobs) => running.journal.refuse(*jobs),
            Step::Checkpoint => running.begin_checkpoint(),
            Step::Skip(rocket) => running.skip(*rocket),
            Step::Expire => running.expire(),
            Step::Forget(rocket) => running.forget(*rocket),
            Step::Crash(workers) => {
                let (disk, acked) = running.crash().await;
                let told = told(&disk);
                let (expected, _) = fleet_told(&disk);
                running = Running::start(disk, *workers);
                assert_eq!(running.fleet.rockets().await, expected);
                for message in &acked {
                    let metadata = &message["metadata"];
                    let told = told.get(metadata["channel"].as_str().unwrap());
                    let number = metadata["messageNumber"].as_u64().unwrap();
                    // It may be of a rocket that was forgotten since.
                    if told.is_some_and(|told| told.knows(number)) {
                        let outcome = outcome(&running, message).await;
                        assert_eq!(outcome, Outcome::Duplicate, "{message}");
                    }
                }
            }
        }
        let_tasks_run().await;
    }
    // Before what is lost or forgotten now is sent once more.
    let decided = |running: &Running| {
        let skips = running.skips.iter().all(|(_, task)| task.is_finished());
        skips && running.forgets.iter().all(|(_, task)| task.is_finished())
    };
    while !decided(&running) {
        running.journal.commit(usize::MAX);
        let_tasks_run().await;
    }
    for message in arrivals {
        outcome(&running, message).await;
    }
    // A last checkpoint, and what is left of the journal after it.
    if let Some(checkpoint) = running.checkpoint.take() {
        while !checkpoint.is_finished() {
            running.journal.commit(usize::MAX);
            let_tasks_run().await;
        }
    }
    running.begin_checkpoint();
    while !running.checkpoint.as_ref().unwrap().is_finished() {
        running.journal.commit(usize::MAX);
        let_tasks_run().await;
    }
    let (expected, lost) = fleet_told(&running.journal.disk());
    // Whatever was forgotten was sent once more.
    assert_eq!(expected, oracle::rockets_without(arrivals, &lost));
    assert_eq!(running.fleet.rockets().await, expected);
    check_history(&running, arrivals, &lost).await;
    let (disk, _) = running.crash().await;
    assert_eq!(disk.journal_rows(), 0, "the checkpoint left something in the journal");
    let running = Running::start(disk, 3);
    assert_eq!(running.fleet.rockets().await, expected);
    check_history(&running, arrivals, &lost).await;
}

/// That of each rocket the last messages are known, with what they changed.
async fn check_history(running: &Running, arrivals: &[Value], lost: &Lost) {
    for id in (0..5).map(|rocket| format!("rocket {rocket}")) {
        let expected = past::history(arrivals, lost, &id);
        let last = expected.len().saturating_sub(HISTORY.per_rocket);
        assert_eq!(running.fleet.history(&id).await, expected[last..], "{id}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_fleet_is_that_of_its_messages(arrivals in arrivals(), steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(&arrivals, &steps));
    }
}
