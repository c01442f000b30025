//! A crash between append, apply, acknowledgement and checkpoint, at any point
//! and any number of times, leaves the fleet that the messages make; and so does
//! a refusal of what was handed to the journal.
//!
//! Now and then what some rocket waits for is declared lost. Which numbers that
//! were is what the answers say; where a crash came before the answer, the fleet
//! that the restart finds tells, and both must agree from then on.
//!
//! The journal is a model that makes things durable one step at a time, so
//! every interleaving of messages, commits, checkpoints and crashes can occur.

use std::sync::Arc;
use std::time::Duration;

use crate::support::fleet::{TestFleet, channel, deadline, parse, shape};
use crate::support::messages;
use crate::support::model::{Disk, ModelJournal};
use crate::support::oracle::{self, Lost};
use crate::support::past;
use downlink::fleet::checkpoint::{Checkpointer, Interval};
use downlink::fleet::health::{Health, Phase};
use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::outcome::{Outcome, SkipError, Skipped};
use downlink::fleet::restore::restore;
use downlink::fleet::roster::Roster;
use downlink::fleet::routing::Router;
use downlink::fleet::workers::{IdleWorkers, Shape};
use downlink::journal::{Journal, RocketSnapshot};
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
        Self { journal, fleet, sent: Vec::new(), skips: Vec::new(), checkpoint: None }
    }

    /// What a restart makes of a disk, without starting it.
    fn restored(disk: &Disk) -> Vec<Roster> {
        let limits =
            Limits { buffered_per_rocket: 1000, buffered: 10_000, rockets: 1000, history: HISTORY };
        let quotas = Arc::new(Quotas::new(limits));
        let go_on = |_| std::ops::ControlFlow::Continue(());
        restore(&Router::new(1), &quotas, |sink| disk.read(sink), go_on).unwrap().0
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

    /// What was declared lost by now, as the answers say.
    async fn answered_skips(&mut self) -> Lost {
        let mut lost = Lost::new();
        for (id, task) in std::mem::take(&mut self.skips) {
            if !task.is_finished() {
                self.skips.push((id, task));
            } else if let Ok(Skipped { first, last }) = task.await.unwrap() {
                lost.extend((first..=last).map(|number| (id.clone(), number)));
            }
        }
        lost
    }

    /// Kills the fleet. Returns what is on the disk and what was acknowledged.
    async fn crash(self) -> (Disk, Vec<Value>) {
        let disk = self.journal.disk();
        let mut acked = Vec::new();
        for (message, task) in self.sent {
            if task.is_finished() && task.await.unwrap().is_some() {
                acked.push(message);
            }
        }
        // What is not durable by now never will be.
        drop(self.fleet);
        (disk, acked)
    }
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

/// All rockets of a roster that was just restored, stored or not.
fn all_rockets(roster: &mut Roster) -> Vec<RocketSnapshot> {
    let slots: Vec<_> = (0..roster.slots()).collect();
    roster.put_back(&slots);
    let (mut rockets, mut next) = (Vec::new(), 0);
    while next < roster.slots() {
        let slice = roster.take_changed(next);
        rockets.extend(slice.rockets);
        next = slice.next;
    }
    rockets
}

/// What a disk says was declared lost.
fn lost_on(disk: &Disk) -> Lost {
    let mut rosters = Running::restored(disk);
    let mut lost = Lost::new();
    for snapshot in rosters.iter_mut().flat_map(all_rockets) {
        let ranges = snapshot.lost.ranges().iter().flat_map(|&(first, last)| first..=last);
        let id = snapshot.channel.to_string();
        lost.extend(ranges.map(|number| (id.clone(), number)));
    }
    lost
}

async fn play(arrivals: &[Value], steps: &[Step]) {
    let mut running = Running::start(Disk::default(), 2);
    let mut next = arrivals.iter().cycle();
    let mut lost = Lost::new();
    for step in steps {
        match step {
            Step::Send => running.send(next.next().unwrap()),
            Step::Commit(jobs) => drop(running.journal.commit(*jobs)),
            Step::Refuse(jobs) => running.journal.refuse(*jobs),
            Step::Checkpoint => running.begin_checkpoint(),
            Step::Skip(rocket) => running.skip(*rocket),
            Step::Expire => running.expire(),
            Step::Crash(workers) => {
                lost.extend(running.answered_skips().await);
                let (disk, acked) = running.crash().await;
                let kept = lost_on(&disk);
                assert!(
                    kept.is_superset(&lost),
                    "{lost:?} was declared lost, and {kept:?} is kept"
                );
                lost = kept;
                running = Running::start(disk, *workers);
                for message in &acked {
                    assert_eq!(outcome(&running, message).await, Outcome::Duplicate, "{message}");
                }
            }
        }
        let_tasks_run().await;
    }
    // Before what is lost now is sent once more.
    while running.skips.iter().any(|(_, task)| !task.is_finished()) {
        running.journal.commit(usize::MAX);
        let_tasks_run().await;
    }
    for message in arrivals {
        outcome(&running, message).await;
    }
    lost.extend(running.answered_skips().await);
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
    let kept = lost_on(&running.journal.disk());
    assert!(kept.is_superset(&lost), "{lost:?} was declared lost, and {kept:?} is kept");
    lost = kept;
    let expected = oracle::rockets_without(arrivals, &lost);
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
