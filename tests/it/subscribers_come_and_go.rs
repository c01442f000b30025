//! Subscribers of `GET /events` that come back, read slowly, leave or are many: each
//! gets what it missed or is told to list again, and costs nobody else.

#![expect(clippy::float_cmp, reason = "what is compared are counts, which are exact")]

use std::io::Read;

use downlink::config::Config;
use downlink::http::access::tokens::Tokens;
use serde_json::Value;

use crate::support::events::Subscriber;
use crate::support::messages::{change_mission, explode, launch, launch_as, speed_up};
use crate::support::scrape::Scrape;
use crate::support::{Request, Service, eventually, kind, passing_problem, problem};

fn fast(config: &mut Config) {
    config.http.events.rate = 1_000_000;
}

/// Many messages in one request, all of which must be accepted.
#[track_caller]
fn bulk(service: &Service, messages: impl Iterator<Item = Value>) {
    let lines: Vec<_> = messages.map(|message| message.to_string()).collect();
    let request = Request::post(lines.join("\n")).header("content-type", "application/x-ndjson");
    let answer = service.send(&request);
    assert!(matches!(answer.status, 200 | 204), "{}", answer.text());
}

fn subscribers(service: &Service) -> f64 {
    Scrape::of(service).get("downlink_events_subscribers", &[])
}

/// As large as one may be, so that few fill what is kept.
fn large(id: &str) -> Value {
    launch_as(id, &"t".repeat(256), 1, &"m".repeat(256))
}

#[test]
fn who_comes_back_gets_what_it_missed_once() {
    let service = Service::start();
    for query in ["", "?mission=ARTEMIS", "?id=a&id=b&id=c"] {
        let target = format!("/events{query}");
        let n = query.len();
        let [a, b] = ["a", "b"].map(|id| format!("{id}{n}"));
        let target = if query.contains("id=") { format!("/events?id={a}&id={b}") } else { target };
        let mut subscriber = Subscriber::open(&service, &target);
        subscriber.expect("hello");
        service.post(&[launch(&a)]);
        assert_eq!(subscriber.expect("rocket")["id"], *a);
        let last = subscriber.last_id.clone().unwrap();
        drop(subscriber);
        service.post(&[launch(&b)]);
        service.post(&(2..20).map(|number| speed_up(&a, number, 1)).collect::<Vec<_>>());

        let by_header = Request::get(&target).header("last-event-id", &last);
        let separator = if target.contains('?') { '&' } else { '?' };
        let by_query = Request::get(&format!("{target}{separator}last_event_id={last}"));
        for request in [by_header, by_query] {
            let mut subscriber = Subscriber::with(service.connect(), &request);
            subscriber.expect("hello");
            let mut missed = Vec::new();
            while !missed.contains(&(a.clone(), 19)) || !missed.iter().any(|(id, _)| *id == b) {
                let rocket = subscriber.expect("rocket");
                let id = rocket["id"].as_str().unwrap().to_owned();
                missed.push((id, rocket["version"].as_u64().unwrap()));
            }
            // Once it was told of while nobody was there, the latest is told.
            assert!(missed.len() <= 20, "{missed:?}");
        }
    }
}

#[test]
fn who_cannot_read_on_is_told_to_list_again() {
    let service = Service::start_with(fast);
    let first = Subscriber::open(&service, "/events").expect("hello");
    let epoch = first["epoch"].as_str().unwrap().to_owned();
    let reset = |target: &str, id: &str| {
        let request = Request::get(target).header("last-event-id", id);
        let mut subscriber = Subscriber::with(service.connect(), &request);
        subscriber.expect("hello");
        subscriber.expect("reset")["reason"].as_str().unwrap().to_owned()
    };
    let mut named = Subscriber::open(&service, "/events?id=a");
    named.expect("hello");
    let of_named = named.last_id.clone().unwrap();
    let mut all = Subscriber::open(&service, "/events");
    all.expect("hello");
    let of_all = all.last_id.clone().unwrap();
    let another = of_all.replace(&epoch, "123");
    assert!(reset("/events", &another).contains("another run"));
    for nonsense in ["7", "a-b-c", &format!("{epoch}-"), "\u{fc}"] {
        assert!(reset("/events", nonsense).contains("another run"), "{nonsense}");
    }
    assert!(reset("/events", &of_named).contains("other filters"));
    assert!(reset("/events?id=b", &of_named).contains("other filters"));
    // Counts that there were not, or for another number of workers.
    for wrong in ["999999.999999", "0", "0.0.0"] {
        let (start, _) = of_all.rsplit_once('-').unwrap();
        assert!(reset("/events", &format!("{start}-{wrong}")).contains("not kept"), "{wrong}");
    }
    // An empty one is none.
    let request = Request::get("/events").header("last-event-id", "");
    let mut new = Subscriber::with(service.connect(), &request);
    new.expect("hello");
    service.post(&[launch("a")]);
    new.expect("rocket");

    // More than is kept.
    for round in 0..13 {
        bulk(&service, (0..1000).map(|n| large(&format!("{round} {n}"))));
    }
    eventually("what was first is not kept any more", || {
        let request = Request::get("/events").header("last-event-id", &of_all);
        let mut subscriber = Subscriber::with(service.connect(), &request);
        subscriber.expect("hello");
        subscriber.next().unwrap().name == "reset"
    });
    assert!(
        Scrape::of(&service).get("downlink_events_reset_total", &["reason=\"not_kept\""]) > 8.0
    );
}

#[test]
fn a_slow_reader_is_sent_little_and_then_cut() {
    let service = Service::start_with(fast);
    let mut slow = Subscriber::open(&service, "/events");
    slow.expect("hello");
    let mut steady = Subscriber::open(&service, "/events");
    steady.expect("hello");
    let mut round = 0;
    eventually("who does not read is cut", || {
        round += 1;
        // 20 MB in JSON, if all of it were sent.
        bulk(&service, (0..2000).map(|n| large(&format!("{round} {n}"))));
        // Others go on, or are told what they missed.
        steady.until(|event| event.data["id"] == format!("{round} 1999") || event.name == "reset");
        subscribers(&service) < 2.0
    });
    let mut got = Vec::new();
    let mut stream = slow.connection.get_ref();
    // Until it ends, however it does.
    let _ = stream.read_to_end(&mut got);
    println!("a reader that stands still was sent {} bytes", got.len());
    assert!(got.len() < 1 << 20, "{}", got.len());
}

#[test]
fn explosions_come_first_however_little_one_may_get() {
    let service = Service::start_with(|config| config.http.events.rate = 20);
    let mut subscriber = Subscriber::open(&service, "/events?mission=ARTEMIS");
    let mut faster = Subscriber::open(&service, "/events?mission=ARTEMIS");
    subscriber.expect("hello");
    faster.expect("hello");
    // The last of many explodes, and is told of first.
    let explosion = explode("199", 2, "X");
    bulk(&service, (0..200).map(|n| launch(&n.to_string())).chain([explosion]));
    for subscriber in [&mut subscriber, &mut faster] {
        let before = subscriber.until(|event| event.name == "explosion").len();
        assert!(before <= 20, "{before} before it");
    }
}

#[test]
fn many_changes_of_one_rocket_are_few_events() {
    let service = Service::start();
    let mut subscriber = Subscriber::open(&service, "/events");
    subscriber.expect("hello");
    bulk(&service, [launch("a")].into_iter().chain((2..2001).map(|n| speed_up("a", n, 1))));
    let told = subscriber.until(|event| event.data["version"] == 2000);
    assert!(told.len() <= 100, "{}", told.len());
    assert_eq!(told.last().unwrap().data["speed"], 2499);
}

#[test]
fn a_thousand_are_told_and_the_next_is_refused() {
    let service = Service::start();
    let mut all: Vec<_> = (0..1000)
        .map(|n| {
            let target = ["/events", "/events?mission=artemis", "/events?id=a"][n % 3];
            let mut subscriber = Subscriber::open(&service, target);
            subscriber.expect("hello");
            subscriber
        })
        .collect();
    let refused = service.get("/events");
    assert!(passing_problem(&refused, 503).contains("--max-subscribers"));
    assert_eq!(kind(&refused), "/problems/too-many-subscribers");
    assert_eq!(subscribers(&service), 1000.0);
    assert_eq!(Scrape::of(&service).get("downlink_events_refused_total", &[]), 1.0);
    service.post(&[launch("a"), explode("a", 2, "X")]);
    for subscriber in &mut all {
        subscriber.until(|event| event.name == "explosion");
    }
    // Who leaves is noticed, and makes room.
    all.truncate(1);
    eventually("those that left are noticed", || subscribers(&service) == 1.0);
    Subscriber::open(&service, "/events").expect("hello");
    assert!(Scrape::of(&service).get("downlink_events_sent_total", &[]) >= 1000.0);
}

#[test]
fn who_left_is_noticed_however_it_left() {
    let service = Service::start();
    let mut watching = Subscriber::open(&service, "/events");
    let mut others: Vec<_> = (0..4).map(|_| Subscriber::open(&service, "/events")).collect();
    let mut now = |count: u64| loop {
        let event = watching.next_of_all().unwrap();
        if event.name == "stats" && event.data["subscribers"] == count {
            break;
        }
    };
    now(5);
    others[0].connection.get_ref().shutdown(std::net::Shutdown::Both).unwrap();
    now(4);
    others.clear();
    now(1);
}

#[test]
fn it_needs_a_token_to_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("read");
    std::fs::write(&path, "read-token-0123456789\n").unwrap();
    let service = Service::start_with(|config| {
        config.access.tokens = Tokens::open(None, Some(path)).unwrap();
    });
    problem(&service.get("/events"), 401);
    problem(&service.get("/events?access_token=read-token-0123456789"), 401);
    let request = Request::get("/events").header("authorization", "Bearer read-token-0123456789");
    Subscriber::with(service.connect(), &request).expect("hello");
}

#[test]
fn a_rocket_that_ceases_to_match_is_told_of_once_more() {
    let service = Service::start();
    service.post(&[launch("a"), launch("b")]);
    let mut artemis = Subscriber::open(&service, "/events?mission=artemis");
    let mut flying = Subscriber::open(&service, "/events?status=launched");
    artemis.expect("hello");
    flying.expect("hello");
    service.post(&[change_mission("a", 2, "APOLLO"), explode("b", 2, "X")]);
    let told = flying.until(|event| event.name == "explosion");
    assert_eq!(told.last().unwrap().data["id"], "b");
    let told = artemis.until(|event| event.data["mission"] == "APOLLO");
    assert_eq!(told.last().unwrap().data["id"], "a");
    service.post(&[speed_up("a", 3, 1), launch("c")]);
    let told = artemis.until(|event| event.data["id"] == "c");
    assert!(told.iter().all(|event| event.data["id"] != "a"), "{told:?}");
}
