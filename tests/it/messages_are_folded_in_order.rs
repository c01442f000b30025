//! Whatever the order, the repeats, the batches and the number of workers, the
//! fleet is the ordered fold of what was accepted, each message once.
//!
//! The expected state comes from an oracle that shares no code with the
//! service. The streams hold anomalies too: none before a launch may be
//! lost, and none after an explosion may leave a gap.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use crate::support::fleet::{TestFleet, channel, deadline, name, parse, shape};
use crate::support::journal::{HeldJournal, Key};
use crate::support::{Request, Service, messages, on_one_thread_and_on_several, oracle};
use downlink::fleet::outcome::Outcome;
use downlink::fleet::outcome::SubmitError;
use downlink::fleet::view::Lookup;
use downlink::fleet::workers::Shape;
use downlink::journal::Journal;
use downlink::journal::memory::MemoryJournal;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::sleep_until;

/// What arrives, and how.
#[derive(Clone, Debug)]
struct Scenario {
    workers: usize,
    /// In order of arrival.
    arrivals: Vec<Value>,
    /// How many arrive at a time; taken in turn, over and over.
    chunks: Vec<usize>,
    /// How many commits end after each chunk; likewise.
    commits: Vec<usize>,
}

/// One message of a rocket, without its number, and how it arrives.
#[derive(Clone, Debug)]
struct Draft {
    kind: &'static str,
    body: Value,
    time: String,
    /// How late each copy is.
    copies: Vec<u64>,
}

fn event() -> impl Strategy<Value = (&'static str, Value)> {
    let text = prop::sample::select(vec!["ARTEMIS", "APOLLO", "Ωmega \"1\"", "x"]);
    let by = prop_oneof![4 => 0..10_000i64, 1 => Just(i64::MAX), 1 => Just(i64::MAX / 2)];
    prop_oneof![
        1 => (by.clone(), text.clone()).prop_map(|(speed, mission)| {
            ("RocketLaunched", json!({"type": mission, "launchSpeed": speed, "mission": mission}))
        }),
        4 => by.clone().prop_map(|by| ("RocketSpeedIncreased", json!({"by": by}))),
        4 => by.prop_map(|by| ("RocketSpeedDecreased", json!({"by": by}))),
        2 => text.clone().prop_map(|text| ("RocketMissionChanged", json!({"newMission": text}))),
        1 => text.prop_map(|text| ("RocketExploded", json!({"reason": text}))),
    ]
}

/// Some instant of one day, in some offset.
fn time() -> impl Strategy<Value = String> {
    let fraction = prop::sample::select(vec!["", ".5", ".120", ".000000001", ".000"]);
    let offset = prop::sample::select(vec!["Z", "", "+02:00", "-05:00", "+00:00"]);
    (5u32..19, 0u32..60, 0u32..3, fraction, offset).prop_map(
        |(hour, minute, second, fraction, offset)| {
            format!("2022-02-02T{hour:02}:{minute:02}:{second:02}{fraction}{offset}")
        },
    )
}

fn draft(most_late: u64) -> impl Strategy<Value = Draft> {
    let copies = prop_oneof![
        1 => Just(0..=0usize),
        12 => Just(1..=1),
        3 => Just(2..=3),
    ]
    .prop_flat_map(move |count| prop::collection::vec(0..=most_late, count));
    (event(), time(), copies).prop_map(|((kind, body), time, copies)| Draft {
        kind,
        body,
        time,
        copies,
    })
}

/// `faithful` repeats say what the first one said; others contradict it.
fn scenario(faithful: bool) -> impl Strategy<Value = Scenario> {
    let fleet = prop::sample::select(vec![0u64, 4, 1000]).prop_flat_map(|most_late| {
        let launched = (any::<u8>(), draft(most_late)).prop_map(|(dice, mut first)| {
            if dice > 40 {
                first.kind = "RocketLaunched";
                first.body = json!({"type": "Falcon-9", "launchSpeed": 500, "mission": "APOLLO"});
                first.copies.push(0);
            }
            first
        });
        let rocket = (launched, prop::collection::vec(draft(most_late), 0..25));
        prop::collection::vec((rocket, any::<bool>()), 1..7)
    });
    let turns = |range| prop::collection::vec(range, 1..8);
    (1..=8usize, fleet, turns(1..20usize), turns(0..4usize)).prop_map(
        move |(workers, fleet, chunks, commits)| {
            let mut arrivals = Vec::new();
            for (index, ((first, others), stray)) in fleet.into_iter().enumerate() {
                let channel = match index % 2 {
                    0 => format!("0e9e9df5-38fd-52e2-916f-c858b9eb4e{index:02}"),
                    _ => format!("rocket №{index}"),
                };
                for (number, draft) in (1..).zip(std::iter::once(first).chain(others)) {
                    let message = messages::message(&channel, number, draft.kind, draft.body);
                    let message = messages::at(message, &draft.time);
                    let other = messages::explode(&channel, number, "CONTRADICTION");
                    for (copy, late) in draft.copies.into_iter().enumerate() {
                        let again = if faithful || copy == 0 { &message } else { &other };
                        arrivals.push((number + late, again.clone()));
                    }
                }
                if stray {
                    // So early that what it waits for never comes.
                    let number = i64::MAX.unsigned_abs();
                    arrivals.push((7, messages::speed_up(&channel, number, 1)));
                }
            }
            arrivals.sort_by_key(|&(order, _)| order);
            let arrivals = arrivals.into_iter().map(|(_, message)| message).collect();
            Scenario { workers, arrivals, chunks, commits }
        },
    )
}

fn key(message: &Value) -> Key {
    let metadata = &message["metadata"];
    let channel = metadata["channel"].as_str().unwrap().to_owned();
    (channel, metadata["messageNumber"].as_u64().unwrap())
}

/// What each arrival is to be answered with.
fn outcomes(arrivals: &[Value]) -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    let outcome = |message| {
        let (channel, number) = key(message);
        if !seen.insert((channel.clone(), number)) {
            return "duplicate";
        }
        let next = next.entry(channel.clone()).or_insert(1);
        if number != *next {
            return "buffered";
        }
        while seen.contains(&(channel.clone(), *next)) {
            *next += 1;
        }
        "applied"
    };
    arrivals.iter().map(outcome).collect()
}

type Answer = Result<Outcome, SubmitError>;

/// Lets every task run until it waits; needs a runtime of one thread.
async fn calm_down() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// Conflicts are counted when their messages come, and not when those are committed
/// that they repeat: they are looked at in the end.
fn without_conflicts(mut rockets: Vec<Value>) -> Vec<Value> {
    for rocket in &mut rockets {
        rocket["conflicts"] = 0.into();
    }
    rockets
}

/// Plays a scenario. With a `held` journal its commits end when the scenario
/// says so, and after each step only what is committed may show.
async fn play(scenario: &Scenario, held: Option<Arc<HeldJournal>>) -> Result<(), TestCaseError> {
    type Pending<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

    let journal: Arc<dyn Journal> = match &held {
        Some(held) => held.clone(),
        None => Arc::new(MemoryJournal::default()),
    };
    let fleet = TestFleet::start(Shape { workers: scenario.workers, ..shape() }, journal);
    let first_of: BTreeMap<Key, &Value> =
        scenario.arrivals.iter().rev().map(|message| (key(message), message)).collect();

    let mut pending: Vec<(usize, Pending)> = Vec::new();
    let mut answers: Vec<Option<Answer>> = vec![None; scenario.arrivals.len()];
    let mut committed: Vec<Key> = Vec::new();
    let mut arrivals = scenario.arrivals.iter().enumerate().peekable();
    let turns = scenario.chunks.iter().cycle().zip(scenario.commits.iter().cycle());
    for (&chunk, &commits) in turns {
        let all_arrived = arrivals.peek().is_none();
        for (at, message) in arrivals.by_ref().take(chunk) {
            let answer = fleet.fleet.submit(parse(message), sleep_until(deadline()));
            pending.push((at, Box::pin(answer)));
            poll(&mut pending, &mut answers, Some(at)).await;
        }
        calm_down().await;
        if let Some(held) = &held {
            // Once all is there, every commit ends.
            for _ in 0..commits + usize::from(all_arrived) {
                committed.extend(held.commit_oldest().into_iter().flatten());
            }
            calm_down().await;
        } else {
            let arrived = scenario.arrivals.len() - arrivals.len();
            committed = scenario.arrivals[..arrived].iter().map(key).collect();
        }
        poll(&mut pending, &mut answers, None).await;

        let expected = oracle::rockets(committed.iter().map(|key| first_of[key]));
        prop_assert_eq!(without_conflicts(fleet.rockets().await), expected);
        let durable: BTreeSet<_> = committed.iter().collect();
        for (message, answer) in scenario.arrivals.iter().zip(&answers) {
            prop_assert!(answer.is_none() || durable.contains(&key(message)), "acked too early");
        }
        if all_arrived && pending.is_empty() {
            break;
        }
    }

    drop(pending);
    let answers: Vec<_> =
        answers.into_iter().map(|answer| name(answer.unwrap().unwrap())).collect();
    prop_assert_eq!(answers, outcomes(&scenario.arrivals));
    let expected = oracle::rockets(&scenario.arrivals);
    let mut missions: Vec<_> = expected.iter().map(|rocket| rocket["mission"].as_str()).collect();
    missions.sort_unstable();
    missions.dedup();
    let shown = fleet.fleet.missions(None, 1000, deadline()).await.unwrap().names;
    prop_assert_eq!(shown.iter().map(|mission| Some(&**mission)).collect::<Vec<_>>(), missions);
    for (id, _) in first_of.keys() {
        let lookup = fleet.fleet.rocket(channel(id), deadline()).await.unwrap();
        let expected = expected.iter().find(|rocket| rocket["id"] == id.as_str());
        match lookup {
            Lookup::Found(rocket) => {
                let mut shown = serde_json::to_value(rocket).unwrap();
                let mut expected = expected.cloned().unwrap_or_default();
                let settled = oracle::settle_conflicts(&mut shown, &mut expected);
                prop_assert_eq!(settled, Ok(()));
                prop_assert_eq!(shown, expected);
            }
            Lookup::NotLaunched { .. } => prop_assert_eq!(None, expected),
            Lookup::Unknown => prop_assert!(false, "{} is unknown", id),
        }
    }
    fleet.stop().await;
    Ok(())
}

/// Polls the answers that are awaited, or only that of arrival `only`.
async fn poll<F: Future<Output = Answer> + Unpin>(
    pending: &mut Vec<(usize, F)>,
    answers: &mut [Option<Answer>],
    only: Option<usize>,
) {
    poll_fn(|cx| {
        pending.retain_mut(|(at, answer)| {
            if only.is_none_or(|only| only == *at)
                && let Poll::Ready(answer) = Pin::new(answer).poll(cx)
            {
                answers[*at] = Some(answer);
            }
            answers[*at].is_none()
        });
        Poll::Ready(())
    })
    .await;
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_fleet_is_the_ordered_fold(scenario in scenario(false)) {
        one_thread().block_on(play(&scenario, None))?;
    }

    #[test]
    fn what_shows_is_the_ordered_fold_of_what_is_committed(scenario in scenario(false)) {
        one_thread().block_on(play(&scenario, Some(HeldJournal::new())))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// With clients that race each other over real connections.
    #[test]
    fn the_service_shows_the_ordered_fold(scenario in scenario(true), clients in 1..5usize) {
        on_one_thread_and_on_several(|threads| {
            let service = Service::start_with(|config| {
                config.threads = threads;
                config.workers = scenario.workers;
            });
            std::thread::scope(|scope| {
                for client in 0..clients {
                    let (service, arrivals) = (&service, &scenario.arrivals);
                    scope.spawn(move || {
                        let mut connection = service.connect();
                        for message in arrivals.iter().skip(client).step_by(clients) {
                            connection.request(&Request::message(message)).outcome();
                        }
                    });
                }
            });
            assert_eq!(service.read("/rockets"), Value::from(oracle::rockets(&scenario.arrivals)));
        });
    }
}
