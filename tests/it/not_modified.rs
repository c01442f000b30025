//! `ETag` and `If-None-Match`: a client that has what there is gets 304, and
//! one that does not never does.

use std::time::{Duration, Instant};

use crate::support::fleet::{Last, TestFleet, deadline, parse, shape};
use crate::support::http::next_page;
use crate::support::journal::{Gated, HeldJournal};
use crate::support::messages::{change_mission, launch, speed_up};
use crate::support::{
    Connection, Request, Response, Service, eventually, on_one_thread_and_on_several,
    passing_problem, problem,
};
use downlink::fleet::intake::Intake;
use downlink::fleet::workers::Shape;
use downlink::journal::memory::MemoryJournal;
use serde_json::Value;
use tokio::time::sleep_until;

/// Every path that gives tags, of a fleet with the rocket `a` on ARTEMIS.
const PATHS: [&str; 4] = ["/rockets", "/rockets/a", "/missions", "/missions/artemis"];

fn fleet() -> Service {
    let service = Service::start_with(|config| config.workers = 4);
    service.post(&[launch("a"), launch("b")]);
    service
}

/// The tag of a successful answer.
#[track_caller]
fn tag(response: &Response) -> String {
    assert_eq!(response.status, 200, "{}", response.text());
    let tag = response.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{tag}");
    // Else a cache may answer for a while without asking.
    assert_eq!(response.header("cache-control"), Some("no-cache"));
    tag
}

fn unless(target: &str, tags: &str) -> Request {
    Request::get(target).header("if-none-match", tags)
}

/// What caches need, and what browsers are told of every answer.
const HEADERS: [&str; 8] = [
    "etag",
    "cache-control",
    "date",
    "vary",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-resource-policy",
    "content-security-policy",
];

/// Asserts that this is a 304 with that tag, and with nothing that it needs not.
#[track_caller]
fn not_modified(response: &Response, tag: &str) {
    assert_eq!(response.status, 304, "{}", response.text());
    let names: Vec<_> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.iter().all(|name| HEADERS.contains(name)), "{names:?}");
    assert_eq!(response.header("etag"), Some(tag));
    assert!(response.body.is_empty());
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let service = fleet();
    // One connection for all: a body where there must be none would be taken for
    // the next answer.
    let mut connection = service.connect();
    for path in PATHS {
        let first = connection.request(&Request::get(path));
        let tag = tag(&first);
        not_modified(&connection.request(&unless(path, &tag)), &tag);
        let again = connection.request(&Request::get(path));
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        assert_eq!(again.body, first.body);
        let head = connection.request(&Request::new("HEAD", path));
        assert_eq!((head.status, head.header("etag")), (200, Some(tag.as_str())));
        let head = Request::new("HEAD", path).header("if-none-match", &tag);
        not_modified(&connection.request(&head), &tag);
    }
}

#[test]
fn an_accepted_message_gives_a_new_tag_and_a_repeated_one_does_not() {
    let service = fleet();
    for path in PATHS {
        let mut old = tag(&service.get(path));
        let next = service.read("/rockets/a")["last_message_number"].as_u64().unwrap() + 1;
        for (message, outcome) in [
            (speed_up("a", next, 1), "applied"),
            (speed_up("a", next + 2, 1), "buffered"),
            (speed_up("a", next + 3, 1), "buffered"),
            // Takes the two that waited along.
            (speed_up("a", next + 1, 1), "applied"),
        ] {
            assert_eq!(service.post(std::slice::from_ref(&message)), outcome);
            let changed = service.send(&unless(path, &old));
            assert_ne!(tag(&changed), old, "{path}, {outcome}");
            assert_eq!(changed.body, service.get(path).body);
            old = tag(&changed);
            for repeat in [&message, &launch("b")] {
                assert_eq!(service.post(std::slice::from_ref(repeat)), "duplicate");
                not_modified(&service.send(&unless(path, &old)), &old);
            }
        }
    }
}

#[test]
fn a_refused_message_leaves_the_tag_as_it_is() {
    let service = Service::start_with(|config| config.limits.buffered_per_rocket = 1);
    service.post(&[launch("a"), speed_up("a", 3, 1)]);
    let before = tag(&service.get("/rockets"));
    let refused = service.send(&Request::message(&speed_up("a", 4, 1)));
    passing_problem(&refused, 429);
    not_modified(&service.send(&unless("/rockets", &before)), &before);
}

#[test]
fn a_repeat_that_was_in_flight_leaves_the_tag_as_it_is() {
    let journal = HeldJournal::new();
    let service = Service::over(journal.clone(), |config| config.workers = 1);
    let empty = tag(&service.get("/rockets"));
    let post = |connection: &mut Connection, waiting| {
        connection.send(&Request::message(&launch("a")).to_bytes());
        eventually("the message is in flight", || journal.waiting() == waiting);
    };
    let (mut first, mut repeat) = (service.connect(), service.connect());
    post(&mut first, 1);
    // What is not kept yet has changed nothing.
    not_modified(&service.send(&unless("/rockets", &empty)), &empty);
    post(&mut repeat, 2);
    journal.commit_oldest();
    assert_eq!(first.receive().outcome(), "applied");
    let launched = tag(&service.send(&unless("/rockets", &empty)));
    journal.commit_oldest();
    assert_eq!(repeat.receive().outcome(), "duplicate");
    not_modified(&service.send(&unless("/rockets", &launched)), &launched);
}

#[test]
fn a_rocket_keeps_its_tag_while_others_change() {
    let service = fleet();
    let (rocket, all) = (tag(&service.get("/rockets/a")), tag(&service.get("/rockets")));
    service.post(&[launch("c"), speed_up("b", 2, 1), speed_up("b", 4, 1)]);
    not_modified(&service.send(&unless("/rockets/a", &rocket)), &rocket);
    assert_eq!(service.send(&unless("/rockets", &all)).status, 200);
}

#[test]
fn many_messages_in_one_request_give_a_new_tag() {
    let service = fleet();
    let before = tag(&service.get("/rockets"));
    let lines = format!("{}\n{}\n", speed_up("a", 2, 1), speed_up("b", 2, 1));
    let bulk = || Request::post(&lines).header("content-type", "application/x-ndjson");
    assert_eq!(service.send(&bulk()).status, 200);
    let after = tag(&service.send(&unless("/rockets", &before)));
    assert_ne!(after, before);
    assert_eq!(service.send(&bulk()).json()["duplicate"], 2);
    not_modified(&service.send(&unless("/rockets", &after)), &after);
}

#[test]
fn tags_may_be_weak_or_strong_one_of_many_or_a_star() {
    let service = fleet();
    for path in PATHS {
        let weak = tag(&service.get(path));
        let strong = weak.strip_prefix("W/").unwrap();
        let bare = strong.trim_matches('"');
        for known in [
            weak.clone(),
            strong.to_owned(),
            format!("\"x\", {weak}"),
            format!("W/\"x\",{strong},\"y\""),
            format!(" , {weak} ,"),
            format!("\"a,b\", {weak}"),
            "*".to_owned(),
        ] {
            not_modified(&service.send(&unless(path, &known)), &weak);
        }
        let lines = unless(path, "\"x\"").header("if-none-match", &weak);
        not_modified(&service.send(&lines), &weak);
        for unknown in [
            String::new(),
            "\"\"".to_owned(),
            "\"*\"".to_owned(),
            "*, \"x\"".to_owned(),
            bare.to_owned(),
            format!("w/{strong}"),
            format!("\"{bare}"),
            format!("\"{bare}0\""),
            format!("\"{bare} \""),
            format!("W/ {strong}"),
            "\u{e9}".to_owned(),
        ] {
            assert_eq!(service.send(&unless(path, &unknown)).status, 200, "{path}: {unknown}");
        }
    }
}

#[test]
fn what_is_wrong_or_missing_stays_an_error() {
    let service = fleet();
    service.post(&[speed_up("early", 2, 1)]);
    let all = tag(&service.get("/rockets"));
    for tags in [all.as_str(), "*"] {
        for (target, status) in [
            ("/rockets?limit=0", 400),
            ("/rockets?cursor=x", 400),
            ("/rockets?nonsense=1", 400),
            ("/rockets/a?limit=1", 400),
            ("/missions?limit=1", 400),
            ("/missions/artemis?limit=0", 400),
            ("/rockets/nobody", 404),
            ("/rockets/early", 404),
            ("/missions/nowhere", 404),
            ("/missions/%FF", 404),
            ("/nothing", 404),
        ] {
            let answer = service.send(&unless(target, tags));
            problem(&answer, status);
            assert_eq!(answer.header("etag"), None, "{target}");
        }
    }
    // A mission that its last rocket left is not there either.
    service.post(&[change_mission("a", 2, "APOLLO"), change_mission("b", 2, "APOLLO")]);
    problem(&service.send(&unless("/missions/artemis", "*")), 404);
}

#[test]
fn nothing_is_unchanged_while_the_fleet_cannot_answer() {
    let (ready, wait) = std::sync::mpsc::sync_channel::<()>(1);
    let starting =
        Service::opened(|_| {}, Box::new(Gated(wait, Box::new(MemoryJournal::default()))));
    let incomplete =
        Service::wired(std::sync::Arc::new(MemoryJournal::default()), Last::Gone, |config| {
            config.workers = 2;
        });
    for service in [&starting, &incomplete] {
        for path in ["/rockets", "/missions", "/missions/artemis"] {
            let answer = service.send(&unless(path, "*"));
            passing_problem(&answer, 503);
            assert_eq!(answer.header("etag"), None);
        }
    }
    passing_problem(&starting.send(&unless("/rockets/a", "*")), 503);
    drop(ready);
}

#[test]
fn a_tag_means_nothing_to_another_run() {
    let (one, other) = (fleet(), fleet());
    for path in PATHS {
        assert_eq!(one.get(path).body, other.get(path).body);
        let old = tag(&one.get(path));
        assert_ne!(tag(&other.send(&unless(path, &old))), old);
    }
}

#[test]
fn a_page_is_not_sent_again_and_its_headers_come_with_the_new_one() {
    let service = fleet();
    service.post(&[launch("c")]);
    for path in ["/rockets", "/missions/artemis"] {
        let first = service.get(&format!("{path}?limit=1&sort=id"));
        let next = &*next_page(path, &first).expect("more");
        let page = service.get(next);
        assert!(next.contains("cursor=") && page.header("link").is_some());
        let old = tag(&page);
        not_modified(&service.send(&unless(next, &old)), &old);
        service.post(&[launch(&format!("x{path}"))]);
        let new = service.send(&unless(next, &old));
        assert_ne!(tag(&new), old);
        assert!(new.header("link").is_some() && new.header("x-total-count").is_some());
    }
}

#[test]
fn a_streamed_listing_has_a_tag_too() {
    let service = Service::start();
    let messages: Vec<_> = (0..300).map(|n| launch(&n.to_string())).collect();
    service.post(&messages);
    let listing = service.get("/rockets");
    assert_eq!(listing.header("transfer-encoding"), Some("chunked"));
    let tag = tag(&listing);
    not_modified(&service.send(&unless("/rockets", &tag)), &tag);
}

/// Whoever was answered and asks with an older tag sees what was accepted,
/// whatever others send meanwhile.
#[test]
fn who_was_acknowledged_is_never_told_that_nothing_changed() {
    on_one_thread_and_on_several(readers_of_their_writes);
}

fn readers_of_their_writes(threads: usize) {
    const WRITERS: usize = 8;
    const MESSAGES: u64 = 60;
    let service = Service::start_with(|config| {
        config.threads = threads;
        config.workers = 3;
    });
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let service = &service;
            scope.spawn(move || {
                let mut connection = service.connect();
                let id = format!("rocket {writer}");
                let own = format!("/rockets/rocket%20{writer}");
                connection.request(&Request::message(&launch(&id))).outcome();
                for number in 2..MESSAGES {
                    let paths = ["/rockets", "/missions", "/missions/artemis", &own];
                    let old = paths.map(|path| tag(&connection.request(&Request::get(path))));
                    let message = Request::message(&speed_up(&id, number, 1));
                    assert_eq!(connection.request(&message).outcome(), "applied");
                    for (path, old) in paths.iter().zip(&old) {
                        let new = connection.request(&unless(path, old));
                        assert_ne!(&tag(&new), old, "{path}");
                        let json = new.json();
                        let rockets = json["rockets"].as_array().or(json.as_array());
                        let is_own = |rocket: &&Value| rocket["id"] == id.as_str();
                        if let Some(rockets) = rockets {
                            let seen = rockets.iter().find(is_own).expect("the own rocket");
                            assert_eq!(seen["last_message_number"], number, "{path}");
                        }
                    }
                }
            });
        }
    });
}

/// One message and many more go through in one turn of the worker. The one is
/// answered while the others are not applied yet, and is counted by then.
#[test]
fn a_message_is_counted_before_the_rest_of_its_batch_is_applied() {
    const ROUNDS: u64 = 10;
    const MANY: u64 = 4000;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let shape = Shape { workers: 1, ..shape() };
        let test = TestFleet::start(shape, std::sync::Arc::new(MemoryJournal::default()));
        let fleet = &test.fleet;
        for round in 0..ROUNDS {
            let numbers = (round * MANY + 1)..=(round * MANY + MANY);
            let mut many = Intake::new(fleet.clone(), deadline());
            numbers.for_each(|number| many.push(number, parse(&speed_up("many", number, 1))));
            let one = parse(&launch(&round.to_string()));
            let old = fleet.version().unwrap();
            let first = async {
                fleet.submit(one, sleep_until(deadline())).await.unwrap();
                assert_ne!(fleet.version().unwrap(), old);
            };
            let mut accepted = 0;
            let mut count = |_, outcome: Result<_, _>| accepted += u64::from(outcome.is_ok());
            tokio::join!(first, many.finish(&mut count));
            assert_eq!(accepted, MANY);
        }
        test.stop().await;
    });
}

/// A reader that keeps an answer and is told that it is still good has what
/// there is, however the reading and the writing fell together.
#[test]
fn an_answer_that_is_still_good_is_what_there_is() {
    on_one_thread_and_on_several(reads_during_a_write);
}

fn reads_during_a_write(threads: usize) {
    const ROUNDS: u32 = 400;
    for path in ["/rockets", "/missions", "/missions/artemis"] {
        let service = Service::start_with(|config| {
            config.threads = threads;
            config.workers = 3;
        });
        let fleet: Vec<_> = (0..50).map(|n| launch(&n.to_string())).collect();
        service.post(&fleet);
        let (mut reader, mut writer) = (service.connect(), service.connect());
        let mut took = Duration::ZERO;
        for round in 0..ROUNDS {
            // The message comes in at any moment of the reading.
            let delay = took * (round % 20) / 20;
            let kept = std::thread::scope(|scope| {
                let start = Instant::now();
                let writer = &mut writer;
                scope.spawn(move || {
                    let message = if round % 2 == 0 { "ARTEMIS" } else { "ELSEWHERE" };
                    let message = change_mission("0", u64::from(round) + 2, message);
                    while start.elapsed() < delay {
                        std::hint::spin_loop();
                    }
                    assert_eq!(writer.request(&Request::message(&message)).outcome(), "applied");
                });
                let kept = reader.request(&Request::get(path));
                took = start.elapsed();
                kept
            });
            let now = reader.request(&unless(path, &tag(&kept)));
            if now.status == 304 {
                assert_eq!(kept.text(), service.get(path).text(), "{path}");
            }
        }
    }
}
