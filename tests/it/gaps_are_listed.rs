//! `GET /gaps` lists the rockets that wait for a missing message, those that wait
//! longest first, with what they wait for, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::support::fleet::{TestFleet, channel, deadline, parse, shape};
use crate::support::messages::{launch, speed_up};
use crate::support::{Request, Service, messages, problem};
use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::query::{Filter, GapPlace, GapSelection};
use downlink::fleet::roster::{Admission, Roster};
use downlink::fleet::workers::Shape;
use downlink::journal::memory::MemoryJournal;
use downlink::telemetry::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::sleep_until;

fn ids(gaps: &Value) -> Vec<&str> {
    gaps.as_array().unwrap().iter().map(|gap| gap["id"].as_str().unwrap()).collect()
}

/// Three that wait, in this order: one for its launch, one for its second message
/// and one, exploded and on another mission, for a later one; and two that do not.
fn with_gaps() -> Service {
    let service = Service::start();
    service.post(&[
        launch("whole"),
        speed_up("silent", 3, 1),
        launch("closed"),
        speed_up("closed", 3, 1),
        launch("b"),
        speed_up("b", 4, 1),
        speed_up("b", 7, 1),
        speed_up("closed", 2, 1),
        launch("a/b"),
        messages::change_mission("a/b", 2, "Ωmega"),
        messages::explode("a/b", 3, "O-RING"),
        speed_up("a/b", 6, 1),
        speed_up("silent", 2, 1),
    ]);
    service
}

#[test]
fn who_waits_longest_comes_first_with_what_it_waits_for() {
    let service = with_gaps();
    let response = service.get("/gaps");
    assert_eq!(response.header("x-total-count"), Some("3"));
    let mut gaps = response.json();
    let mut since = Vec::new();
    for gap in gaps.as_array_mut().unwrap() {
        let text = gap["waiting_since"].take();
        since.push(Timestamp::parse(text.as_str().unwrap()).unwrap());
    }
    let now = Timestamp::from_unix(
        std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed() + 1,
        0,
    );
    assert!(since.is_sorted() && since.iter().all(|&at| Some(at) <= now), "{since:?}");
    let gap = |id, awaited, highest, buffered, launch_missing| {
        json!({"id": id, "awaited_message_number": awaited, "highest_message_number": highest,
            "buffered_messages": buffered, "waiting_since": null,
            "launch_missing": launch_missing})
    };
    let expected =
        [gap("silent", 1, 3, 2, true), gap("b", 2, 7, 2, false), gap("a/b", 4, 6, 1, false)];
    assert_eq!(gaps, Value::from(expected.to_vec()));
}

#[test]
fn a_rocket_that_gets_on_waits_anew() {
    let service = with_gaps();
    let before = service.read("/gaps");
    service.post(&[speed_up("silent", 5, 1)]);
    assert_eq!(service.read("/gaps")[0]["waiting_since"], before[0]["waiting_since"]);
    service.post(&[launch("silent")]);
    let after = service.read("/gaps");
    assert_eq!(ids(&after), ["b", "a/b", "silent"]);
    assert_eq!(after[2]["awaited_message_number"], 4);
    assert_ne!(after[2]["waiting_since"], before[0]["waiting_since"]);
    service.post(&[speed_up("silent", 4, 1)]);
    assert_eq!(ids(&service.read("/gaps")), ["b", "a/b"]);
}

#[test]
fn pages_lead_on_and_conditions_hold() {
    let service = with_gaps();
    let mut found = Vec::new();
    let mut target = "/gaps?limit=1".to_owned();
    loop {
        let response = service.get(&target);
        assert_eq!(response.header("x-total-count"), Some("3"));
        found.extend(ids(&response.json()).into_iter().map(ToOwned::to_owned));
        let Some(link) = response.header("link") else { break };
        let query = link.strip_prefix("<").unwrap().split_once('>').unwrap().0;
        target = format!("/gaps{query}");
    }
    assert_eq!(found, ["silent", "b", "a/b"]);
    for (query, expected) in [
        ("id=b", &["b"][..]),
        ("id=whole", &[]),
        ("id=unknown", &[]),
        ("id=silent&launch_missing=false", &[]),
        ("launch_missing=true", &["silent"]),
        ("launch_missing=FALSE", &["b", "a/b"]),
        ("status=exploded", &["a/b"]),
        ("status=launched", &["b"]),
        ("mission=%CF%89mega", &["a/b"]),
        ("rocket_type=falcon-9", &["b", "a/b"]),
        ("rocket_type=falcon-9&limit=1", &["b"]),
        ("rocket_type=other", &[]),
    ] {
        let response = service.get(&format!("/gaps?{query}"));
        assert_eq!(ids(&response.json()), expected, "{query}");
        if !query.contains("limit") {
            assert_eq!(response.header("x-total-count"), Some(&*expected.len().to_string()));
        }
    }
    for query in
        ["sort=id", "limit=0", "limit=1001", "limit=1&limit=1", "launch_missing=1", "cursor=x", "x"]
    {
        problem(&service.get(&format!("/gaps?{query}")), 400);
    }
    assert_eq!(service.get("/gaps?limit=1000").header("link"), None);
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let service = with_gaps();
    let tag = service.get("/gaps").header("etag").unwrap().to_owned();
    let again = || service.send(&Request::get("/gaps").header("if-none-match", &tag));
    assert_eq!(again().status, 304);
    service.post(&[speed_up("b", 2, 1)]);
    assert_eq!(again().status, 200);
}

fn everything(limit: usize) -> GapSelection {
    GapSelection { filter: Filter::default(), launch_missing: None, after: None, limit }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever comes, those that miss something are listed, each once, page by
    /// page, from the index and by a walk; and the order is that in which their
    /// waits began.
    #[test]
    fn those_that_miss_something_are_listed_by_their_waits(
        arrivals in prop::collection::vec((0usize..30, 1u64..8), 0..200),
        workers in 1usize..4,
        limit in 1usize..12,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let journal = Arc::new(MemoryJournal::default());
            let fleet = TestFleet::start(Shape { workers, ..shape() }, journal);
            let mut seen: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
            // Rockets that wait, with the awaited number, in the order of their waits.
            let mut expected: Vec<(String, u64)> = Vec::new();
            for (rocket, number) in arrivals {
                let id = format!("rocket {rocket}");
                let message = parse(&speed_up(&id, number, 1));
                fleet.fleet.submit(message, sleep_until(deadline())).await.unwrap();
                let numbers = seen.entry(id.clone()).or_default();
                numbers.insert(number);
                let awaited = (1..9).find(|number| !numbers.contains(number)).unwrap();
                let waits = numbers.last().is_some_and(|&last| last > awaited);
                let place = (id, awaited);
                if !(waits && expected.contains(&place)) {
                    expected.retain(|(id, _)| *id != place.0);
                    expected.extend(waits.then_some(place));
                }
            }
            for walked in [false, true] {
                // Every awaited first message is a launch that is missing, and any
                // other is none.
                let kinds: &[_] = if walked { &[Some(true), Some(false)] } else { &[None] };
                for &launch_missing in kinds {
                    let wanted: Vec<_> = expected
                        .iter()
                        .filter(|(_, awaited)| launch_missing.is_none_or(|it| it == (*awaited == 1)))
                        .cloned()
                        .collect();
                    let mut found = Vec::new();
                    let mut selection = GapSelection { launch_missing, ..everything(limit) };
                    loop {
                        let page = fleet.fleet.gaps(selection.clone(), deadline()).await.unwrap();
                        assert_eq!(page.total, wanted.len());
                        let of = |gap: &downlink::fleet::view::GapView| {
                            (gap.id.to_string(), gap.awaited_message_number)
                        };
                        found.extend(page.gaps.iter().map(of));
                        assert_eq!(page.more, found.len() < wanted.len());
                        let Some(last) = page.gaps.last().filter(|_| page.more) else { break };
                        selection.after = Some(GapPlace::of(last));
                    }
                    assert_eq!(found, wanted);
                }
            }
            fleet.stop().await;
        });
    }
}

/// Of so many rockets a page takes a look at so many as it shows: of what a
/// thousand times more cost, it would show.
#[test]
fn a_page_does_not_grow_with_the_fleet() {
    let limits = Limits {
        buffered_per_rocket: 1,
        buffered: 100_000,
        rockets: usize::MAX,
        history: HistoryLimits::NONE,
    };
    let mut roster = Roster::new(Arc::new(Quotas::new(limits)));
    for rocket in 0..100_000 {
        let message = parse(&speed_up(&format!("rocket {rocket}"), 2, 1));
        match roster.admit(&message) {
            Admission::Accepted(ticket) => drop(roster.apply(ticket, message.report, &mut ())),
            other => panic!("{other:?}"),
        }
    }
    let mut selection = everything(50);
    for page in 0..3 {
        let part = roster.gaps_by_index(&selection);
        assert_eq!((part.total, part.gaps.len(), part.more), (100_000, 50, true));
        assert_eq!(part.gaps[0].id, channel(&format!("rocket {}", page * 50)));
        selection.after = part.gaps.last().map(GapPlace::of);
    }
}
