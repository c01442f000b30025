//! `GET /rockets/{id}/history`: what the last messages of a rocket changed, whatever
//! the order in which they came and however often the service started again; within
//! bounds for each rocket and for all of them.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::fleet::{channel, parse, past_as_json};
use crate::support::messages::{
    at, change_mission, explode, launch, launch_as, message, slow_down, speed_up,
};
use crate::support::oracle::Lost;
use crate::support::past::history;
use crate::support::{Request, Service, eventually, problem};
use downlink::config::Durability;
use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::query::Span;
use downlink::fleet::roster::{Admission, Roster};
use downlink::telemetry::past::{self, Change, FlightState, State, Step, Undo};
use downlink::telemetry::{Message, Timestamp};

/// Every kind of change, and messages that change nothing.
fn story(id: &str) -> Vec<Value> {
    vec![
        at(speed_up(id, 1, 9), "2022-02-02T10:00:00Z"),
        at(message(id, 2, "RocketLaunched", launch(id)["message"].clone()), "2022-02-02T10:00:01Z"),
        at(speed_up(id, 3, 2500), "2022-02-02T10:00:01.5Z"),
        at(change_mission(id, 4, "ÄPOLLO"), "2022-02-02T10:00:01.25Z"),
        at(slow_down(id, 5, i64::MAX), "2022-02-02T12:00:02.123456789+01:00"),
        at(slow_down(id, 6, i64::MAX), "9999-12-31T23:59:59.999999999Z"),
        at(change_mission(id, 7, "ÄPOLLO"), "0000-01-01T00:00:00Z"),
        at(explode(id, 8, "O-RING"), "2022-02-02T10:00:09Z"),
        at(explode(id, 9, "OTHER"), "2022-02-02T10:00:10Z"),
        at(speed_up(id, 10, 1), "2022-02-02T10:00:11Z"),
        at(launch_as(id, "X", 1, "Y"), "2022-02-02T10:00:12Z"),
    ]
}

fn numbered(mut story: Vec<Value>) -> Vec<Value> {
    for (number, message) in (1..).zip(&mut story) {
        message["metadata"]["messageNumber"] = number.into();
    }
    story
}

fn with(per_rocket: usize, memory: usize) -> Service {
    Service::start_with(|config| config.limits.history = HistoryLimits { per_rocket, memory })
}

#[test]
fn every_change_is_shown_from_what_to_what() {
    let service = with(64, 1 << 20);
    let story = numbered(story("a"));
    let mut shuffled = story.clone();
    shuffled.reverse();
    service.post(&shuffled);
    service.post(&story);
    let expected = history(&story, &Lost::new(), "a");
    assert_eq!(expected.len(), 11);
    assert_eq!(service.read("/rockets/a/history"), json!({"id": "a", "entries": expected}));
    assert_eq!(
        expected[2],
        json!({"message_number": 3, "time": "2022-02-02T10:00:01.5Z", "change": "speed",
               "from": 500, "to": 3000, "speed": 3000})
    );
    assert_eq!(expected[0]["speed"], Value::Null);
}

#[test]
fn times_and_a_limit_leave_out_what_is_not_asked_for() {
    let service = with(64, 1 << 20);
    service.post(&numbered(story("a")));
    let numbers = |parameters: &str| {
        let answer = service.read(&format!("/rockets/a/history?{parameters}"));
        let entries = answer["entries"].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["message_number"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers("limit=2"), [10, 11]);
    assert_eq!(numbers("limit=1000").len(), 11);
    // From the first on, and up to and without the last.
    assert_eq!(numbers("start=2022-02-02T10:00:01.25Z&end=2022-02-02T10:00:09Z"), [3, 4]);
    assert_eq!(numbers("start=2022-02-02T11:00:01.25+01:00&end=2022-02-02T10:00:09Z"), [3, 4]);
    assert_eq!(numbers("start=2022-02-02T10:00:09Z&limit=2"), [10, 11]);
    assert_eq!(numbers("end=2000-01-01T00:00:00Z"), [7]);
    assert_eq!(numbers("start=2022-02-03T00:00:00Z&end=2022-02-02T00:00:00Z"), [0; 0]);
    for (parameters, name) in [
        ("start=yesterday", "start"),
        ("end=1", "end"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1&limit=1", "limit"),
        ("since=1", "since"),
    ] {
        let detail = problem(&service.get(&format!("/rockets/a/history?{parameters}")), 400);
        assert!(detail.contains(name), "{detail}");
    }
}

#[test]
fn what_is_not_there_is_404_and_says_why() {
    let service = with(64, 1 << 20);
    let detail = problem(&service.get("/rockets/a/history"), 404);
    assert!(detail.contains("\"a\""), "{detail}");
    service.post(&[speed_up("a", 2, 1)]);
    let detail = problem(&service.get("/rockets/a/history"), 404);
    assert!(detail.contains("launch message is missing"), "{detail}");
    problem(&service.get("/rockets/%FF/history"), 404);
    let off = with(0, 1 << 20);
    off.post(&[launch("a")]);
    let detail = problem(&off.get("/rockets/a/history"), 404);
    assert!(detail.contains("--history-per-rocket"), "{detail}");
    assert!(problem(&off.get("/rockets/b/history"), 404).contains("\"b\""));
}

#[test]
fn nothing_new_is_304() {
    let service = with(2, 1 << 20);
    service.post(&[launch("a"), launch("b")]);
    let first = service.get("/rockets/a/history");
    let tag = first.header("etag").unwrap().to_owned();
    let again = |path: &str| service.send(&Request::get(path).header("if-none-match", &tag)).status;
    assert_eq!(again("/rockets/a/history"), 304);
    service.post(&[speed_up("b", 2, 1)]);
    assert_eq!(again("/rockets/a/history"), 304);
    service.post(&[speed_up("a", 2, 1)]);
    assert_eq!(again("/rockets/a/history"), 200);
}

#[test]
fn a_restart_finds_it_within_the_bounds_of_the_new_run() {
    let directory = tempfile::tempdir().unwrap();
    let start = |workers, per_rocket| {
        let service = Service::start_with(|config| {
            config.durability = Durability::Os;
            config.data_dir = directory.path().to_owned();
            config.workers = workers;
            config.limits.history = HistoryLimits { per_rocket, memory: 1 << 20 };
        });
        eventually("the service is ready", || service.get("/readyz").status == 200);
        service
    };
    let story = numbered(story("a"));
    let expected = history(&story, &Lost::new(), "a");
    let shown = |service: &Service| service.read("/rockets/a/history")["entries"].clone();
    let service = start(1, 64);
    service.post(&story[..7]);
    service.stop().unwrap();
    let service = start(3, 64);
    assert_eq!(shown(&service), json!(expected[..7]));
    service.post(&story[7..]);
    assert_eq!(shown(&service), json!(expected));
    service.stop().unwrap();
    let service = start(2, 4);
    assert_eq!(shown(&service), json!(expected[7..]));
    // Stored anew, for the rocket changed.
    service.post(&[at(speed_up("a", 12, 1), "2022-02-02T10:00:13Z")]);
    service.stop().unwrap();
    let service = start(2, 0);
    problem(&service.get("/rockets/a/history"), 404);
    service.stop().unwrap();
    let service = start(2, 64);
    let entries = shown(&service);
    let numbers: Vec<_> =
        entries.as_array().unwrap().iter().map(|it| &it["message_number"]).collect();
    assert_eq!(numbers, [9, 10, 11, 12]);
}

fn limits(per_rocket: usize, memory: usize) -> Limits {
    Limits {
        buffered_per_rocket: 1000,
        buffered: 100_000,
        rockets: 100_000,
        history: HistoryLimits { per_rocket, memory },
    }
}

fn apply(roster: &mut Roster, message: Message) {
    if let Admission::Accepted(ticket) = roster.admit(&message) {
        roster.apply(ticket, message.report, &mut ());
    }
}

fn numbers(roster: &Roster, id: &str) -> Vec<u64> {
    let history = roster.history(&channel(id), &Span::default());
    history.entries.iter().map(|entry| entry.number).collect()
}

/// Rockets that speak in turns, some of which fall silent.
#[test]
fn beyond_the_memory_the_oldest_goes_and_no_byte_more_is_taken() {
    const MEMORY: usize = 256 << 10;
    const ROCKETS: u64 = 1500;
    let quotas = Arc::new(Quotas::new(limits(50, MEMORY)));
    let mut roster = Roster::new(quotas.clone());
    let id = |n: u64| format!("rocket {n}");
    for n in 0..ROCKETS {
        apply(&mut roster, parse(&launch(&id(n))));
    }
    let before = quotas.history.dropped_for_memory.get();
    assert_eq!(before, 0);
    for number in 2..60 {
        // The last hundred say nothing after their tenth message.
        let speaking = if number <= 10 { ROCKETS } else { ROCKETS - 100 };
        for n in 0..speaking {
            apply(
                &mut roster,
                parse(&change_mission(&id(n), number, &format!("MISSION {number}"))),
            );
            assert!(quotas.history.bytes.taken() <= MEMORY);
        }
    }
    assert!(quotas.history.dropped_for_memory.get() > 10_000);
    // It is used, too.
    assert!(quotas.history.bytes.taken() > MEMORY / 4 * 3, "{}", quotas.history.bytes.taken());
    let mut least = u64::MAX;
    for n in 0..ROCKETS - 100 {
        let kept = numbers(&roster, &id(n));
        let expected: Vec<u64> = (60 - kept.len() as u64..60).collect();
        assert_eq!(kept, expected, "the oldest of a rocket go first");
        least = least.min(kept.len() as u64);
    }
    assert!(least > 0, "all that speak have something");
    for n in ROCKETS - 100..ROCKETS {
        assert_eq!(numbers(&roster, &id(n)), [0; 0], "what is long over is gone");
    }
}

/// Each of another length, up to the longest.
fn text(number: u64) -> String {
    "M".repeat(1 + usize::try_from(number % 256).unwrap())
}

/// One rocket alone that fills the memory, and memory for nothing at all.
#[test]
fn a_bound_that_holds_next_to_nothing_is_kept() {
    for memory in [1, 100, 300, 1000] {
        let quotas = Arc::new(Quotas::new(limits(1000, memory)));
        let mut roster = Roster::new(quotas.clone());
        apply(&mut roster, parse(&launch("a")));
        for number in 2..2000 {
            apply(&mut roster, parse(&change_mission("a", number, &text(number))));
            assert!(quotas.history.bytes.taken() <= memory.max(4), "{memory}");
            let kept = numbers(&roster, "a");
            let expected: Vec<u64> = (number + 1 - kept.len() as u64..=number).collect();
            assert_eq!(kept, expected);
        }
    }
}

fn instants() -> impl Strategy<Value = Timestamp> {
    let units = prop_oneof![Just(1i64), Just(1_000), Just(1_000_000), Just(1_000_000_000)];
    let near = (units, 0i64..5000).prop_map(|(unit, many)| {
        let total = unit * many;
        let nanos = u32::try_from(total % 1_000_000_000).unwrap();
        Timestamp::from_unix(1_650_000_000 + total / 1_000_000_000, nanos).unwrap()
    });
    let any = (-62_167_219_200i64..=253_402_300_799, 0u32..1_000_000_000)
        .prop_map(|(seconds, nanos)| Timestamp::from_unix(seconds, nanos).unwrap());
    prop_oneof![4 => near, 1 => any]
}

#[derive(Clone, Debug)]
struct Happening {
    kind: u8,
    gap: u64,
    time: Timestamp,
    speed: i64,
    mission: String,
    mark: u32,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let speed = prop_oneof![any::<i64>(), -100i64..100, Just(i64::MIN), Just(i64::MAX)];
    let gap = prop_oneof![6 => Just(0), 1 => 0u64..1000, 1 => 0u64..1 << 56];
    let one =
        (0u8..4, gap, instants(), speed, "[A-Cä]{1,3}", prop_oneof![Just(0u32), any::<u32>()]);
    let one = one.prop_map(|(kind, gap, time, speed, mission, mark)| Happening {
        kind,
        gap,
        time,
        speed,
        mission,
        mark,
    });
    prop::collection::vec(one, 1..40)
}

proptest! {
    /// What was written is read backwards from the last state, from wherever it
    /// begins; and what was not written is refused or read, and nothing else.
    #[test]
    fn entries_come_back_as_they_were(
        happenings in happenings(),
        cut in 0usize..40,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (mut bytes, mut ends, mut expected) = (Vec::new(), vec![0], Vec::new());
        let mut flight: Option<FlightState> = None;
        let (mut number, mut time) = (0, None);
        for it in &happenings {
            let before = flight.clone();
            let speed_before = before.as_ref().map_or(0, |flight| flight.speed);
            let mission_before = before.as_ref().map_or("".into(), |flight| flight.mission.clone());
            let (undo, change) = match (it.kind, &mut flight) {
                (0, flight @ None) => {
                    let mission = it.mission.as_str().into();
                    *flight = Some(FlightState { speed: it.speed, mission, explosion: None });
                    (Undo::Launched, Change::Launched)
                }
                (1, Some(flight)) => {
                    flight.speed = it.speed;
                    let change = Change::Speed { from: speed_before, to: it.speed };
                    (Undo::Speed(speed_before, it.speed), change)
                }
                (2, Some(flight)) => {
                    flight.mission = it.mission.as_str().into();
                    let (from, to) = (mission_before.clone(), flight.mission.clone());
                    (Undo::Mission(&mission_before), Change::Mission { from, to })
                }
                (3, Some(flight)) if flight.explosion.is_none() => {
                    flight.explosion = Some("R".into());
                    (Undo::Exploded, Change::Exploded("R".into()))
                }
                _ => (Undo::Nothing, Change::Nothing),
            };
            let (number_before, time_before) = (number, time);
            (number, time) = (number + 1 + it.gap, Some(it.time));
            let mark = it.mark;
            Step { number_before, number, time_before, time: it.time, undo, mark }.write(&mut bytes);
            ends.push(bytes.len());
            let speed = flight.as_ref().map(|flight| flight.speed);
            expected.push(past::Entry { number, time: it.time, change, speed });
        }
        let after = State { number, time: time.unwrap(), flight };
        let cut = cut.min(happenings.len());
        let rest = &bytes[ends[cut]..];
        prop_assert_eq!(past::read(rest, after.clone()), Ok(expected[cut..].to_vec()));
        let (plain, count) = past::unmarked(rest).unwrap();
        prop_assert_eq!(count, happenings.len() - cut);
        prop_assert_eq!(past::check(&plain, after.clone()), Ok(()));
        prop_assert_eq!(past::read(&plain, after.clone()), Ok(expected[cut..].to_vec()));
        if let Some(first) = happenings.get(cut) {
            let length = ends[cut + 1] - ends[cut];
            prop_assert_eq!(past::first(rest), Ok(Some((length, first.mark))));
            prop_assert_eq!(past::check(rest, after.clone()).is_ok(), plain.len() == rest.len());
        }
        let mut damaged = bytes.clone();
        for (at, byte) in flips {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        if past::check(&damaged, after.clone()).is_ok() {
            let entries = past::read(&damaged, after).unwrap();
            prop_assert_eq!(entries.last().map(|entry| entry.number), Some(number));
            prop_assert!(entries.windows(2).all(|pair| pair[0].number < pair[1].number));
        }
        let _ = past::unmarked(&damaged);
    }

    /// Any order of arrival, with snapshots and restarts between, under bounds that
    /// change: what is shown is what the last messages changed, as many as every run
    /// on the way kept.
    #[test]
    fn restarts_and_repeats_make_no_difference(
        order in Just((1..=24u64).chain(1..=24).collect::<Vec<_>>()).prop_shuffle(),
        steps in prop::collection::vec((1usize..8, any::<bool>(), prop::option::of(1usize..12)), 1..12),
        first_bound in 1usize..12,
    ) {
        let all: Vec<Value> = (1..=24).map(|n| any_message("a", n)).collect();
        let mut bound = first_bound;
        let mut roster = Roster::new(Arc::new(Quotas::new(limits(bound, 1 << 20))));
        let (mut sent, mut order) = (Vec::new(), order.into_iter());
        // The first number that may be shown, by what was cut off.
        let (mut stored, mut from_stored, mut journal, mut from) = (None, 1, Vec::new(), 1);
        for (many, snapshot, restart) in steps {
            for number in order.by_ref().take(many) {
                let message = all[usize::try_from(number).unwrap() - 1].clone();
                apply(&mut roster, parse(&message));
                journal.push(message.clone());
                sent.push(message);
            }
            let last = applied(&sent);
            if snapshot && roster.slots() > 0 {
                roster.put_back(&[0]);
                stored = roster.take_changed(0).rockets.pop();
                from_stored = from.max((last + 1).saturating_sub(bound as u64));
                journal.clear();
            }
            if let Some(new_bound) = restart {
                bound = new_bound;
                roster = Roster::new(Arc::new(Quotas::new(limits(bound, 1 << 20))));
                from = 1;
                if let Some(stored) = stored.clone() {
                    from = from_stored.max((stored.last_message_number + 1).saturating_sub(bound as u64));
                    roster.restore(stored);
                }
                for message in &journal {
                    roster.replay(parse(message));
                }
            }
            let expected: Vec<Value> = history(&sent, &Lost::new(), "a")
                .into_iter()
                .filter(|entry| entry["message_number"].as_u64().unwrap() >= from)
                .collect();
            let expected = &expected[expected.len().saturating_sub(bound)..];
            let shown = roster.history(&channel("a"), &Span::default()).entries;
            prop_assert_eq!(shown.iter().map(past_as_json).collect::<Vec<_>>(), expected);
        }
    }
}

fn any_message(id: &str, number: u64) -> Value {
    match number {
        1 => speed_up(id, 1, 9),
        2 | 20 => message(id, number, "RocketLaunched", launch(id)["message"].clone()),
        n if n.is_multiple_of(5) => change_mission(id, n, &format!("M{}", n % 3)),
        18 | 21 => explode(id, number, "O-RING"),
        n if n.is_multiple_of(2) => slow_down(id, n, i64::try_from(n).unwrap() * 1000),
        n => speed_up(id, n, i64::MAX / 3),
    }
}

/// The number up to which all of these were applied.
fn applied(sent: &[Value]) -> u64 {
    let has = |n: u64| sent.iter().any(|message| message["metadata"]["messageNumber"] == n);
    (1..=24).take_while(|n| has(*n)).last().unwrap_or(0)
}

/// Releases before this one wrote no past; what they wrote is read, and goes on.
#[test]
fn what_an_earlier_release_stored_has_none_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v2-checkpoint.db");
    let file = directory.path().join(downlink::journal::sqlite::FILE);
    std::fs::copy(fixture, file).unwrap();
    let service = Service::start_with(|config| {
        config.durability = Durability::Os;
        config.data_dir = directory.path().to_owned();
        config.limits.history = HistoryLimits { per_rocket: 9, memory: 1 << 20 };
    });
    eventually("the service is ready", || service.get("/readyz").status == 200);
    let id = "11111111-1111-4111-8111-111111111111";
    let path = format!("/rockets/{id}/history");
    assert_eq!(service.read(&path)["entries"], json!([]));
    service.post(&[speed_up(id, 3, 7)]);
    let entries = service.read(&path)["entries"].clone();
    assert_eq!(
        (entries[0]["message_number"].clone(), entries[0]["from"].clone()),
        (3.into(), 2000.into())
    );
}
