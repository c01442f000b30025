//! `POST /gaps/{id}/skip` declares lost what a rocket waits for, and nothing else:
//! the rocket goes on, what comes late is a duplicate, and a restart with any
//! number of workers knows it all. So does `--gap-timeout`.

use crate::support::fleet::{TestFleet, channel, deadline, parse, shape};
use crate::support::journal::HeldJournal;
use crate::support::messages::{explode, launch, speed_up};
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Request, Service, eventually, kind, problem};
use downlink::config::Durability;
use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::observer::Observer;
use downlink::fleet::outcome::{Outcome, Skipped};
use downlink::fleet::roster::slot::Slot;
use downlink::fleet::roster::{Admission, Roster};
use downlink::journal::Skip;
use downlink::telemetry::{Channel, Timestamp};
use serde_json::{Value, json};
use tokio::time::sleep_until;

fn skip(service: &Service, target: &str) -> Value {
    let response = service.send(&Request::new("POST", target));
    assert_eq!(response.status, 200, "{target}: {}", response.text());
    response.json()
}

fn lost(from: u64, to: u64) -> Value {
    json!({"status": "success", "lost_from": from, "lost_to": to})
}

#[test]
fn a_rocket_goes_on_without_what_is_lost_and_a_restart_knows_it() {
    let directory = tempfile::tempdir().unwrap();
    let start = |workers| {
        Service::start_with(|config| {
            config.durability = Durability::Fsync;
            config.data_dir = directory.path().to_owned();
            config.workers = workers;
        })
    };
    let service = start(2);
    service.post(&[launch("a"), speed_up("a", 4, 10), speed_up("a", 5, 20), speed_up("a", 8, 40)]);
    let tags = |service: &Service| {
        ["/rockets", "/gaps", "/rockets/a"]
            .map(|path| service.get(path).header("etag").unwrap().to_owned())
    };
    let before = tags(&service);
    assert_eq!(skip(&service, "/gaps/a/skip"), lost(2, 3));
    for (before, after) in before.into_iter().zip(tags(&service)) {
        assert_ne!(before, after, "what changed has another tag");
    }
    let check = |service: &Service| {
        let rocket = service.read("/rockets/a");
        let found = ["last_message_number", "speed", "buffered_messages", "lost_messages"];
        assert_eq!(found.map(|field| rocket[field].clone()), [5, 530, 1, 2].map(Value::from));
        let gaps = service.read("/gaps");
        assert_eq!(
            (&gaps[0]["awaited_message_number"], gaps.as_array().unwrap().len()),
            (&6.into(), 1)
        );
        gaps[0]["waiting_since"].clone()
    };
    check(&service);
    assert_eq!(service.post(&[explode("a", 3, "LATE")]), "duplicate");
    let since = check(&service);
    drop(service);
    let service = start(3);
    assert_eq!(check(&service), since, "a checkpoint keeps it");
    assert_eq!(service.post(&[explode("a", 2, "LATE")]), "duplicate");
    check(&service);
    assert_eq!(skip(&service, "/gaps/a/skip?awaited=6"), lost(6, 7));
    assert_eq!(service.read("/gaps"), json!([]));
    assert_eq!(service.post(&[speed_up("a", 9, 1)]), "applied");
    assert_eq!(service.read("/rockets/a")["lost_messages"], 4);
}

#[test]
fn what_is_not_as_it_was_thought_to_be_is_not_skipped() {
    let service = Service::start();
    service.post(&[launch("whole"), launch("a"), speed_up("a", 3, 1)]);
    let refused = |target: &str, status| {
        let response = service.send(&Request::new("POST", target));
        (problem(&response, status), kind(&response))
    };
    for (target, status, detail, kind) in [
        ("/gaps/nobody/skip", 404, "no rocket with the ID \"nobody\"", "not-found"),
        ("/gaps/whole/skip", 409, "waits for no message", "not-awaited"),
        ("/gaps/a/skip?awaited=1", 409, "waits for message 2", "not-awaited"),
        ("/gaps/a/skip?awaited=3", 409, "waits for message 2", "not-awaited"),
        ("/gaps/a/skip?awaited=0", 400, "awaited: expected a number", "bad-parameter"),
        ("/gaps/a/skip?awaited=2&awaited=2", 400, "given twice", "bad-parameter"),
        ("/gaps/a/skip?number=2", 400, "unknown parameter", "bad-parameter"),
    ] {
        let (told, is) = refused(target, status);
        assert!(told.contains(detail), "{target}: {told}");
        assert_eq!(is, format!("/problems/{kind}"), "{target}");
    }
    assert_eq!(service.read("/gaps")[0]["awaited_message_number"], 2);
    assert_eq!(skip(&service, "/gaps/a/skip?awaited=2"), lost(2, 2));
    assert_eq!(refused("/gaps/a/skip?awaited=2", 409).1, "/problems/not-awaited");
}

/// Lets every task run until it waits; needs a runtime of one thread.
async fn calm_down() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn nothing_is_lost_before_that_is_kept() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let journal = HeldJournal::new();
        let fleet = TestFleet::start(shape(), journal.clone());
        for message in [launch("a"), speed_up("a", 3, 1)] {
            let handle = fleet.fleet.clone();
            let sent = tokio::spawn(async move {
                handle.submit(parse(&message), sleep_until(deadline())).await
            });
            calm_down().await;
            journal.commit_oldest().unwrap();
            sent.await.unwrap().unwrap();
        }
        let handle = fleet.fleet.clone();
        let skip = tokio::spawn(async move { handle.skip(channel("a"), None, deadline()).await });
        calm_down().await;
        let before = fleet.rockets().await;
        assert_eq!((&before[0]["lost_messages"], skip.is_finished()), (&0.into(), false));
        journal.commit_oldest().unwrap();
        assert_eq!(skip.await.unwrap(), Ok(Skipped { first: 2, last: 2 }));
        assert_eq!(fleet.rockets().await[0]["lost_messages"], 1);
        fleet.stop().await;
    });
}

/// Counts what an observer hears.
#[derive(Default, Debug, PartialEq, Eq)]
struct Heard {
    lost: Vec<Skipped>,
    late: Vec<u64>,
}

impl Observer for Heard {
    fn lost(&mut self, _: Slot, _: &Channel, skipped: Skipped) {
        self.lost.push(skipped);
    }

    fn late(&mut self, _: &Channel, number: u64) {
        self.late.push(number);
    }
}

#[test]
fn what_comes_late_is_told_from_what_is_repeated_and_the_buffers_are_free() {
    let limits =
        Limits { buffered_per_rocket: 2, buffered: 2, rockets: 1, history: HistoryLimits::NONE };
    let quotas = Arc::new(Quotas::new(limits));
    let mut roster = Roster::new(quotas.clone());
    let mut heard = Heard::default();
    let mut tickets = Vec::new();
    for number in [1, 4, 5] {
        let message = parse(&speed_up("a", number, 1));
        let Admission::Accepted(ticket) = roster.admit(&message) else { panic!("{number}") };
        roster.apply(ticket, message.report, &mut heard);
    }
    // On its way when what it is about is given up.
    let late = parse(&speed_up("a", 2, 1));
    match roster.admit(&late) {
        Admission::Accepted(ticket) => tickets.push(ticket),
        other => panic!("{other:?}"),
    }
    assert_eq!(quotas.buffered.taken(), 2);
    let (slot, awaited) = roster.find_gap(&channel("a"), None).unwrap();
    let skipped = Skipped { first: 2, last: 3 };
    assert_eq!(roster.skip(slot, awaited, &mut heard), Some(skipped));
    assert_eq!(roster.skip(slot, awaited, &mut heard), None);
    assert_eq!(quotas.buffered.taken(), 0);
    let outcome = roster.apply(tickets.remove(0), late.report.clone(), &mut heard);
    assert_eq!(outcome, Outcome::Duplicate);
    assert!(matches!(roster.admit(&late), Admission::Late));
    assert!(matches!(roster.admit(&parse(&speed_up("a", 4, 1))), Admission::Known));
    assert_eq!(heard, Heard { lost: vec![skipped], late: vec![2] });
}

#[test]
fn a_rocket_without_its_launch_goes_on_as_not_launched_until_one_comes() {
    let service = Service::start();
    service.post(&[speed_up("a", 2, 1)]);
    assert_eq!(skip(&service, "/gaps/a/skip"), lost(1, 1));
    let detail = problem(&service.get("/rockets/a"), 404);
    assert!(detail.contains("declared lost"), "{detail}");
    assert_eq!(service.post(&[launch("a")]), "duplicate", "it is late");
    assert_eq!(service.read("/rockets"), json!([]));
    let mut again = launch("a");
    again["metadata"]["messageNumber"] = 3.into();
    assert_eq!(service.post(&[again]), "applied");
    let rocket = service.read("/rockets/a");
    assert_eq!((&rocket["lost_messages"], &rocket["speed"]), (&1.into(), &500.into()));
}

#[test]
fn what_does_not_come_in_time_is_given_up_gap_by_gap() {
    let service = Service::start_with(|config| {
        config.gap_timeout = Some(Duration::from_millis(20));
    });
    let rockets: Vec<_> = (0..600).map(|n| format!("rocket {n}")).collect();
    let mut messages = Vec::new();
    for id in &rockets {
        messages.extend([launch(id), speed_up(id, 3, 10), speed_up(id, 7, 20)]);
    }
    service.post(&messages);
    eventually("nothing waits", || service.read("/gaps") == json!([]));
    for rocket in service.read("/rockets").as_array().unwrap() {
        let found = ["last_message_number", "speed", "lost_messages"];
        assert_eq!(found.map(|field| rocket[field].clone()), [7, 530, 4].map(Value::from));
    }
    assert_eq!(service.post(&[speed_up("rocket 5", 2, 1)]), "duplicate");
    assert_eq!(service.post(&[speed_up("rocket 5", 8, 1)]), "applied");
}

/// For those who forget what is silent for long (`a_rocket_can_be_forgotten`), what
/// brings an explosion makes no difference.
#[test]
fn one_whose_explosion_had_waited_for_what_is_lost_is_silent_from_then_on() {
    let end = Timestamp::from_unix(253_402_300_799, 0).unwrap();
    for replayed in [false, true] {
        let limits = Limits {
            buffered_per_rocket: 5,
            buffered: 10,
            rockets: 4,
            history: HistoryLimits::NONE,
        };
        let quotas = Arc::new(Quotas::new(limits));
        quotas.follow_quiet();
        let mut roster = Roster::new(quotas);
        for message in [launch("a"), explode("a", 3, "X")] {
            roster.replay(parse(&message));
        }
        assert!(roster.silent(end, 9).is_empty());
        if replayed {
            roster.replay_skip(&Skip { channel: channel("a"), awaited: 2 });
        } else {
            let (slot, awaited) = roster.find_gap(&channel("a"), None).unwrap();
            roster.skip(slot, awaited, &mut ()).unwrap();
        }
        assert_eq!(roster.silent(end, 9).len(), 1, "replayed: {replayed}");
    }
}
