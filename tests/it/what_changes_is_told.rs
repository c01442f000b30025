//! `GET /events` tells what changes to those who want it, in both forms, and stops
//! with the service.

use serde_json::json;

use crate::support::events::Subscriber;
use crate::support::messages::{change_mission, explode, launch, launch_as, speed_up};
use crate::support::{Request, Service, eventually, problem};

#[test]
fn hello_comes_first_and_then_whole_rockets_with_their_version() {
    let service = Service::start();
    service.post(&[launch("before")]);
    let mut subscriber = Subscriber::open(&service, "/events");
    let head = subscriber.head.clone();
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("vary", "accept"),
    ] {
        assert_eq!(head.header(name), Some(value));
    }
    let hello = subscriber.expect("hello");
    assert_eq!((&hello["version"], &hello["partitions"]), (&json!(1), &json!(2)));
    assert_eq!(hello["build"], env!("CARGO_PKG_VERSION"));
    assert!(!hello["epoch"].as_str().unwrap().is_empty());

    service.post(&[launch("a")]);
    let mut expected = service.read("/rockets/a");
    expected["version"] = 1.into();
    assert_eq!(subscriber.expect("rocket"), expected);
    // Early, then all of it.
    service.post(&[speed_up("a", 3, 10)]);
    assert_eq!(subscriber.expect("rocket")["version"], 2);
    service.post(&[speed_up("a", 2, 10)]);
    let rocket = subscriber.expect("rocket");
    assert_eq!((&rocket["version"], &rocket["speed"]), (&json!(3), &json!(520)));
    service.post(&[explode("a", 4, "UNKNOWN")]);
    let mut expected = service.read("/rockets/a");
    expected["version"] = 4.into();
    assert_eq!(subscriber.expect("explosion"), expected);
    // It explodes once.
    service.post(&[speed_up("a", 5, 1), explode("a", 6, "AGAIN")]);
    subscriber.until(|event| event.name == "rocket" && event.data["version"] == 6);
}

#[test]
fn lines_of_json_tell_the_same_as_server_sent_events() {
    let service = Service::start();
    let request = Request::get("/events").header("accept", "application/x-ndjson");
    let mut lines = Subscriber::with(service.connect(), &request);
    assert_eq!(lines.head.header("content-type"), Some("application/x-ndjson"));
    let mut events = Subscriber::open(&service, "/events");
    let (mut of_lines, mut of_events) = (Vec::new(), Vec::new());
    assert_eq!(lines.expect("hello")["epoch"], events.expect("hello")["epoch"]);
    for number in 1..=3 {
        let id = format!("r{number}");
        service.post(&[launch(&id)]);
        of_lines.push(lines.next().unwrap());
        of_events.push(events.next().unwrap());
    }
    assert_eq!(of_lines, of_events);
    assert!(of_lines.iter().all(|event| event.id.is_some()));
}

#[test]
fn only_what_passes_the_filters_is_told() {
    let service = Service::start();
    let mut apollo = Subscriber::open(&service, "/events?mission=apollo");
    let mut named = Subscriber::open(&service, "/events?id=b&id=d&id=b");
    let mut exploded = Subscriber::open(&service, "/events?status=exploded&rocket_type=ARIANE");
    for subscriber in [&mut apollo, &mut named, &mut exploded] {
        subscriber.expect("hello");
    }
    service.post(&[
        launch("a"),
        launch_as("b", "Ariane", 1, "Apollo"),
        launch("c"),
        launch_as("d", "Ariane", 1, "Gemini"),
        explode("c", 2, "X"),
        explode("d", 2, "X"),
    ]);
    assert_eq!(apollo.expect("rocket")["id"], "b");
    assert_eq!(exploded.expect("explosion")["id"], "d");
    let told = named.until(|event| event.name == "explosion");
    assert!(told.iter().all(|event| event.data["id"] == "b" || event.data["id"] == "d"));
    service.post(&[change_mission("a", 2, "APOLLO")]);
    assert_eq!(apollo.expect("rocket")["id"], "a");
    for (query, expected) in [
        ("colour=red", "colour: unknown parameter; allowed are id, id_prefix, mission, "),
        ("id_prefix=", "id_prefix: "),
        ("waiting=perhaps", "waiting: expected one of true, false"),
        ("id=", "id: "),
        ("status=lost", "status: expected one of Exploded, Launched"),
        ("mission=a&mission=b", "mission: is given twice"),
        ("last_event_id=a&last_event_id=b", "last_event_id: is given twice"),
    ] {
        let detail = problem(&service.get(&format!("/events?{query}")), 400);
        assert!(detail.starts_with(expected), "{query}: {detail}");
    }
    let ids = |count| (0..count).map(|n| format!("id={n}")).collect::<Vec<_>>().join("&");
    assert!(problem(&service.get(&format!("/events?{}", ids(101))), 400).contains("at most 100"));
    Subscriber::open(&service, &format!("/events?{}", ids(100))).expect("hello");
}

#[test]
fn what_waits_and_whose_id_begins_so_is_told() {
    let service = Service::start();
    service.post(&[launch("ab"), launch("b"), launch("c"), speed_up("c", 3, 1)]);
    let mut waiting = Subscriber::open(&service, "/events?waiting=TRUE");
    let mut flowing = Subscriber::open(&service, "/events?waiting=false&id=c");
    let mut prefix = Subscriber::open(&service, "/events?id_prefix=a");
    for subscriber in [&mut waiting, &mut flowing, &mut prefix] {
        subscriber.expect("hello");
    }
    let told = |subscriber: &mut Subscriber| {
        let rocket = subscriber.expect("rocket");
        format!("{} {}", rocket["id"].as_str().unwrap(), rocket["buffered_messages"])
    };
    // It waits before and after.
    service.post(&[speed_up("c", 4, 1)]);
    assert_eq!(told(&mut waiting), "c 2");
    // It has ceased to, and begins again: both are told of to both, whatever comes then.
    service.post(&[speed_up("c", 2, 1)]);
    assert_eq!([told(&mut waiting), told(&mut flowing)], ["c 0", "c 0"]);
    service.post(&[speed_up("c", 6, 1)]);
    assert_eq!([told(&mut waiting), told(&mut flowing)], ["c 1", "c 1"]);
    service.post(&[speed_up("b", 2, 1), speed_up("ab", 3, 1)]);
    assert_eq!([told(&mut waiting), told(&mut prefix)], ["ab 1", "ab 1"]);
    // One that is given up waits no longer either.
    service.send(&Request::new("POST", "/gaps/c/skip"));
    assert_eq!([told(&mut waiting), told(&mut flowing)], ["c 0", "c 0"]);
    service.send(&Request::new("DELETE", "/rockets/b"));
    service.send(&Request::new("DELETE", "/rockets/ab"));
    assert_eq!(prefix.expect("forgotten")["id"], "ab");
}

#[test]
fn figures_come_once_a_second() {
    let service = Service::start();
    service.post(&[launch("a"), launch("b"), explode("b", 2, "X"), speed_up("a", 7, 1)]);
    let mut subscriber = Subscriber::open(&service, "/events");
    let mut next = || loop {
        let event = subscriber.next_of_all().unwrap();
        if event.name == "stats" {
            return event.data;
        }
    };
    let stats = next();
    assert_eq!(stats["rockets"], json!({"launched": 1, "exploded": 1}));
    assert_eq!(stats["longest_wait_since"], service.read("/gaps")[0]["waiting_since"]);
    assert_eq!((&stats["waiting_rockets"], &stats["buffered_messages"]), (&json!(1), &json!(1)));
    assert_eq!((&stats["subscribers"], &stats["version"]), (&json!(1), &json!(4)));
    service.post(&[launch("c"), launch("c"), speed_up("c", 5, 1)]);
    let mut sums = [0.0; 3];
    while sums.contains(&0.0) {
        let rates = next()["messages_per_second"].clone();
        for (sum, name) in sums.iter_mut().zip(["applied", "buffered", "duplicate"]) {
            *sum += rates[name].as_f64().unwrap();
        }
    }
    service.post(&[speed_up("a", 2, 1)]);
    service.post(&(3..7).map(|n| speed_up("a", n, 1)).collect::<Vec<_>>());
    service.post(&(2..5).map(|n| speed_up("c", n, 1)).collect::<Vec<_>>());
    eventually("nothing waits", || next()["longest_wait_since"].is_null());
}

#[test]
fn head_answers_at_once() {
    let service = Service::start();
    let mut connection = service.connect();
    let head = connection.request(&Request::new("HEAD", "/events"));
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let again = connection.request(&Request::get("/rockets"));
    assert_eq!(again.status, 200);
}

#[test]
fn a_stop_says_so_and_does_not_wait_for_subscribers() {
    let service = Service::start();
    let mut subscriber = Subscriber::open(&service, "/events");
    subscriber.expect("hello");
    let stopping = std::thread::spawn(move || service.stop());
    assert_eq!(subscriber.expect("bye"), json!({"reason": "the service stops"}));
    assert_eq!(subscriber.next(), None);
    assert_eq!(stopping.join().unwrap(), Ok(()));
}
