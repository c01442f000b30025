//! `GET /rockets`: order, filters, pages, and what is not allowed.

use std::cmp::Ordering;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use crate::support::http::{encode, next_page};
use crate::support::messages::{at, change_mission, explode, launch_as, slow_down, speed_up, time};
use crate::support::{Request, Service, on_one_thread_and_on_several, problem};
use serde_json::{Value, json};

const FIELDS: [&str; 10] = [
    "id",
    "launch_time",
    "last_update_time",
    "last_message_number",
    "speed",
    "rocket_type",
    "mission",
    "status",
    "explosion_reason",
    "buffered_messages",
];

/// Rockets that differ in every field, with ties in every one but the ID.
fn messages(count: u64) -> Vec<Value> {
    let mut messages = Vec::new();
    for n in 0..count {
        let id = match n % 3 {
            0 => format!("{:08x}-c9cf-404a-8f83-838e71d9ae67", n * 2_654_435_761 % 4_294_967_296),
            _ => format!("rocket {}", n * 7919 % count),
        };
        let kinds = ["Falcon-9", "Atlas-H", "falcon-9", "Ωmega"];
        let mission = ["ARTEMIS", "APOLLO", "apollo", "Ärger 1"][(n / 4 % 4) as usize];
        let launch = launch_as(&id, kinds[(n % 4) as usize], 500, mission);
        messages.push(at(launch, &time(n * 31 % 50 + 100)));
        // Up to five more, each kind of change in some rocket.
        let rest = (2..2 + n % 6).map(|number| match (n + number) % 5 {
            0 => slow_down(&id, number, 700),
            1 if n % 2 == 0 => explode(&id, number, ["BANG", "crash", "Øver"][(n % 3) as usize]),
            2 => change_mission(&id, number, "GEMINI"),
            _ => speed_up(&id, number, (n % 4) as i64 * 100),
        });
        messages.extend(rest.map(|message| at(message, &time(n * 17 % 40 + 1000))));
        messages.extend((0..n % 3).map(|k| speed_up(&id, 100 + k, 1)));
    }
    messages
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.as_i64().cmp(&b.as_i64()),
        _ => b.is_null().cmp(&a.is_null()),
    }
}

/// What the fleet looks like in an order, worked out from any listing of it.
fn sorted(mut rockets: Vec<Value>, field: &str, descending: bool) -> Vec<Value> {
    rockets.sort_by(|a, b| compare(&a[field], &b[field]).then_with(|| compare(&a["id"], &b["id"])));
    if descending {
        rockets.reverse();
    }
    rockets
}

fn array(value: &Value) -> Vec<Value> {
    value.as_array().expect("an array").clone()
}

/// Every page from `target` on, in one list.
fn follow(service: &Service, target: &str, limit: usize, total: usize) -> Vec<Value> {
    let mut all = Vec::new();
    let mut target = Some(target.to_owned());
    let mut connection = service.connect();
    while let Some(at) = target {
        let page = connection.request(&Request::get(&at));
        assert_eq!(page.status, 200, "{at}: {}", page.text());
        assert_eq!(page.header("x-total-count"), Some(total.to_string().as_str()), "{at}");
        let rockets = array(&page.json());
        target = next_page(&at, &page);
        assert_eq!(rockets.len(), limit.min(total - all.len()), "{at}");
        all.extend(rockets);
        assert_eq!(target.is_some(), all.len() < total, "{at}");
    }
    all
}

#[test]
fn every_field_sorts_both_ways_and_pages_through_once() {
    let service = Service::start_with(|config| config.workers = 4);
    service.post(&messages(60));
    let rockets = array(&service.read("/rockets"));
    assert_eq!(rockets.len(), 60);
    for field in FIELDS {
        for (order, descending) in [("", false), ("&order=asc", false), ("&order=desc", true)] {
            let expected = sorted(rockets.clone(), field, descending);
            let target = format!("/rockets?sort={field}{order}");
            assert_eq!(array(&service.read(&target)), expected, "{target}");
            for limit in [1, 7, 60, 1000] {
                let target = format!("{target}&limit={limit}");
                assert_eq!(follow(&service, &target, limit, 60), expected, "{target}");
            }
        }
    }
    // By launch time, and then by ID, unless something else is asked for.
    assert_eq!(rockets, sorted(rockets.clone(), "launch_time", false));
    assert_eq!(
        array(&service.read("/rockets?order=DESC")),
        sorted(rockets.clone(), "launch_time", true)
    );
    let by_limit = follow(&service, "/rockets?limit=9", 9, 60);
    assert_eq!(by_limit, rockets);
}

#[test]
fn filters_are_exact_whatever_the_case_and_all_hold() {
    let service = Service::start();
    service.post(&messages(60));
    let rockets = array(&service.read("/rockets"));
    let lower = |value: &Value| value.as_str().unwrap().to_lowercase();
    for (query, conditions) in [
        ("mission=ARTEMIS", vec![("mission", "artemis")]),
        ("mission=aPoLLo", vec![("mission", "apollo")]),
        ("mission=%C3%84RGER+1", vec![("mission", "ärger 1")]),
        ("mission=%C3%A4rger%201", vec![("mission", "ärger 1")]),
        ("mission=APOL", vec![("mission", "apol")]),
        ("mission=", vec![("mission", "")]),
        ("status=exploded", vec![("status", "exploded")]),
        ("status=Launched", vec![("status", "launched")]),
        ("rocket_type=FALCON-9", vec![("rocket_type", "falcon-9")]),
        ("rocket_type=%CF%89MEGA", vec![("rocket_type", "ωmega")]),
        (
            "status=exploded&rocket_type=atlas-h",
            vec![("status", "exploded"), ("rocket_type", "atlas-h")],
        ),
        (
            "rocket_type=falcon-9&mission=gemini&status=launched",
            vec![("rocket_type", "falcon-9"), ("mission", "gemini"), ("status", "launched")],
        ),
    ] {
        let holds = |rocket: &&Value| {
            conditions.iter().all(|(field, wanted)| lower(&rocket[*field]) == *wanted)
        };
        let expected: Vec<_> = rockets.iter().filter(holds).cloned().collect();
        let full = service.get(&format!("/rockets?{query}"));
        assert_eq!(full.header("x-total-count"), Some(expected.len().to_string().as_str()));
        assert_eq!(array(&full.json()), expected, "{query}");
        let target = format!("/rockets?{query}&sort=speed&order=desc&limit=4");
        let pages = follow(&service, &target, 4, expected.len());
        assert_eq!(pages, sorted(expected, "speed", true), "{query}");
    }
}

#[test]
fn a_parameter_that_is_not_allowed_is_named_with_what_is() {
    let service = Service::start();
    service.post(&messages(5));
    let all = FIELDS.join("|");
    let known = "sort|order|id|id_prefix|mission|status|rocket_type|waiting|limit|cursor";
    for (query, name, allowed) in [
        ("colour=red", "colour", known),
        ("Sort=speed", "Sort", known),
        ("speed", "speed", known),
        ("=", "", known),
        ("offset=1&limit=1", "offset", known),
        ("sort=colour", "sort", &all),
        ("sort=", "sort", &all),
        ("sort=speed,id", "sort", &all),
        ("order=up", "order", "asc|desc"),
        ("order=", "order", "asc|desc"),
        ("status=Landed", "status", "Launched|Exploded"),
        ("limit=0", "limit", "1|1000"),
        ("limit=1001", "limit", "1|1000"),
        ("limit=-1", "limit", "1|1000"),
        ("limit=1.5", "limit", "1|1000"),
        ("limit=", "limit", "1|1000"),
        ("limit=ten", "limit", "1|1000"),
        ("limit=99999999999999999999999", "limit", "1|1000"),
        ("sort=speed&sort=speed", "sort", "twice"),
        ("mission=A&mission=B", "mission", "twice"),
        ("limit=1&limit=2", "limit", "twice"),
        ("cursor=", "cursor", "cursor"),
        ("cursor=nonsense", "cursor", "cursor"),
        ("cursor=%FF", "cursor", "cursor"),
    ] {
        for path in ["/rockets", "/missions/ARTEMIS"] {
            let answer = service.get(&format!("{path}?{query}"));
            let detail = problem(&answer, 400);
            assert!(detail.starts_with(name), "{query}: {detail}");
            for allowed in allowed.split('|') {
                assert!(detail.contains(allowed), "{query}: {detail}");
            }
        }
    }
    for query in ["", "limit=1", "limit=1000", "&", "limit=%31", "sort=SPEED", "status=LAUNCHED"] {
        assert_eq!(service.get(&format!("/rockets?{query}")).status, 200, "{query}");
    }
}

#[test]
fn a_cursor_is_good_only_for_the_order_it_came_from() {
    let service = Service::start();
    service.post(&messages(12));
    let cursor_of = |target: &str| {
        let link = next_page(target, &service.get(target)).unwrap();
        link.split_once("cursor=").unwrap().1.to_owned()
    };
    let orders: Vec<_> = FIELDS
        .iter()
        .flat_map(|field| ["asc", "desc"].map(|order| format!("sort={field}&order={order}")))
        .collect();
    for from in &orders {
        let cursor = cursor_of(&format!("/rockets?{from}&limit=5"));
        for to in &orders {
            let answer = service.get(&format!("/rockets?{to}&limit=5&cursor={cursor}"));
            if from == to {
                assert_eq!(array(&answer.json()).len(), 5, "{from}");
            } else {
                let detail = problem(&answer, 400);
                assert!(detail.contains("cursor"), "{from} to {to}: {detail}");
            }
        }
    }
    // Without a limit, all that comes behind it; with a filter, what it admits.
    let cursor = cursor_of("/rockets?limit=5");
    let rest = service.read(&format!("/rockets?cursor={cursor}"));
    assert_eq!(array(&rest), array(&service.read("/rockets"))[5..]);
    let none = service.get(&format!("/rockets?mission=NONE&cursor={cursor}"));
    assert_eq!(none.json(), json!([]));
}

#[test]
fn a_page_keeps_its_place_while_rockets_come_and_change() {
    let service = Service::start();
    let id = |n: u64| format!("rocket {n:02}");
    let launch = |n: u64| at(launch_as(&id(n), "T", 1, "M"), &time(n));
    service.post(&(0..10).map(|n| launch(2 * n)).collect::<Vec<_>>());
    let first = service.get("/rockets?limit=5");
    service.post(&[launch(1), launch(9), speed_up(&id(8), 2, 1), speed_up(&id(10), 2, 1)]);
    let second = service.get(&next_page("/rockets", &first).unwrap());
    let ids: Vec<_> = array(&second.json()).iter().map(|rocket| rocket["id"].clone()).collect();
    assert_eq!(ids, [9, 10, 12, 14, 16].map(|n| json!(id(n))));
    assert_eq!(second.header("x-total-count"), Some("12"));
}

#[test]
fn a_link_keeps_every_other_parameter() {
    let service = Service::start();
    let mission = "A&B=C ü/?#";
    service.post(&(0..5).map(|n| launch_as(&n.to_string(), "T", n, mission)).collect::<Vec<_>>());
    service.post(&[launch_as("other", "T", 9, "OTHER")]);
    let target = format!("/rockets?mission={}&sort=speed&order=desc&limit=2", encode(mission));
    let ids: Vec<_> =
        follow(&service, &target, 2, 5).iter().map(|rocket| rocket["id"].clone()).collect();
    assert_eq!(ids, ["4", "3", "2", "1", "0"]);
}

#[test]
fn an_empty_fleet_is_an_empty_list() {
    let service = Service::start();
    for query in ["", "?limit=5", "?sort=speed", "?status=launched&order=desc"] {
        let answer = service.get(&format!("/rockets{query}"));
        assert_eq!(answer.json(), json!([]));
        assert_eq!(answer.header("x-total-count"), Some("0"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("link"), None);
    }
}

/// Larger than a page, a piece of a stream, a slice of a walk and a batch.
#[test]
fn a_large_fleet_is_listed_whole_in_every_order() {
    let count: usize = 3_000;
    let service = Service::start_with(|config| config.workers = 3);
    let mut connection = service.connect();
    let mut expected = Vec::new();
    for batch in 0..count / 250 {
        let mut bytes = Vec::new();
        for n in batch * 250..(batch + 1) * 250 {
            let id = format!("rocket {n:04}");
            // Ten to a second, and the last ones first.
            let launched = time(((count - n) / 10) as u64);
            let mission = if n % 10 == 0 { "RARE" } else { "COMMON" };
            let launch = at(launch_as(&id, "T", (n * 7 % 100) as i64, mission), &launched);
            bytes.extend(Request::post(launch.to_string()).to_bytes());
            expected.push(json!({
                "id": id, "launch_time": launched, "last_update_time": launched,
                "last_message_number": 1, "speed": n * 7 % 100, "rocket_type": "T",
                "mission": mission, "status": "Launched", "explosion_reason": null,
                "buffered_messages": 0,
                "lost_messages": 0,
                "conflicts": 0,
            }));
        }
        connection.send(&bytes);
        for _ in 0..250 {
            assert_eq!(connection.receive().status, 204);
        }
    }
    let check = |query: &str, field: &str, descending: bool, rare: bool| {
        let keep = |rocket: &&Value| !rare || rocket["mission"] == "RARE";
        let expected: Vec<_> = expected.iter().filter(keep).cloned().collect();
        let expected = sorted(expected, field, descending);
        let answer = service.get(&format!("/rockets{query}"));
        assert_eq!(answer.header("x-total-count"), Some(expected.len().to_string().as_str()));
        assert_eq!(answer.header("link"), None);
        assert!(array(&answer.json()) == expected, "{query} is not as it should be");
    };
    check("", "launch_time", false, false);
    check("?order=desc", "launch_time", true, false);
    check("?sort=speed", "speed", false, false);
    check("?sort=id&order=desc", "id", true, false);
    check("?mission=rare", "launch_time", false, true);
    check("?mission=rare&sort=speed&order=desc", "speed", true, true);
}

/// It may change its mission between the question for missions and that for
/// rockets.
#[test]
fn a_mission_that_its_last_rocket_leaves_is_unknown_and_never_empty() {
    on_one_thread_and_on_several(mission_that_empties);
}

fn mission_that_empties(threads: usize) {
    let service = Service::start_with(|config| config.threads = threads);
    service.post(&[launch_as("a", "Falcon-9", 500, "A")]);
    let done = AtomicBool::new(false);
    let unknown = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = service.connect();
            for number in 2..4000 {
                let mission = if number % 2 == 0 { "B" } else { "A" };
                let change = change_mission("a", number, mission);
                assert_eq!(writer.request(&Request::message(&change)).outcome(), "applied");
            }
            done.store(true, Relaxed);
        });
        let mut reader = service.connect();
        let mut unknown = 0;
        while !done.load(Relaxed) {
            let answer = reader.request(&Request::get("/missions/A"));
            if answer.status == 404 {
                unknown += 1;
            } else {
                assert_ne!(answer.json()["rockets"], json!([]));
            }
        }
        unknown
    });
    assert!(unknown > 0);
    // With a condition, nothing to show is an answer.
    assert_eq!(service.read("/missions/A?status=exploded")["rockets"], json!([]));
}
