//! `id_prefix`, `waiting` and the order of IDs: the same rockets as a walk over all
//! of them finds, from an index or not, page by page.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use tokio::time::sleep_until;

use crate::support::fleet::{TestFleet, channel, deadline, parse, shape};
use crate::support::http::{encode, next_page};
use crate::support::messages::{launch_as, speed_up};
use crate::support::service::wide;
use crate::support::{Service, problem};
use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::query::{Field, Filter, Selection, Sort};
use downlink::fleet::roster::{Admission, Roster};
use downlink::fleet::workers::Shape;
use downlink::journal::memory::MemoryJournal;
use downlink::telemetry::Channel;

/// IDs of every kind, some the beginning of others.
fn id() -> impl Strategy<Value = String> {
    let uuid = (0u8..4, any::<u64>())
        .prop_map(|(head, rest)| format!("0{head}3270a9-c9cf-404a-8f83-{:012x}", rest >> 16));
    prop_oneof![uuid, "[01a]{1,4}", "(0|ä|Ä|z){1,3}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is launched before the order of IDs is made, meanwhile and after.
    #[test]
    fn the_order_of_ids_has_every_launched_rocket(
        ids in prop::collection::vec(id(), 1..300),
        (asked, ready) in (0usize..300, 0usize..300),
        prefix in prop_oneof![Just(None), id().prop_map(Some), "[01aäz]".prop_map(Some)],
        after in prop::option::of(id()),
        descending in any::<bool>(),
        limit in 1usize..40,
    ) {
        let limits = Limits { buffered_per_rocket: 9, buffered: 9, rockets: usize::MAX, history: HistoryLimits::NONE };
        let mut roster = Roster::new(Arc::new(Quotas::new(limits)));
        let mut model = BTreeMap::new();
        for (at, id) in ids.iter().enumerate() {
            if at == asked {
                prop_assert!(roster.wants_order_of_ids());
            }
            if at > asked && at <= ready && at % 3 == 0 {
                roster.order_ids();
            }
            let message = parse(&launch_as(id, "T", at as i64, "M"));
            if let Admission::Accepted(ticket) = roster.admit(&message) {
                model.entry(id.clone()).or_insert(at as i64);
                roster.apply(ticket, message.report, &mut ());
            }
        }
        roster.wants_order_of_ids();
        while roster.order_ids() {}
        let selection = Selection {
            filter: Filter { id_prefix: prefix.as_deref().map(channel), ..Filter::default() },
            sort: Sort { field: Field::Id, descending },
            after: after.as_deref().map(|after| downlink::fleet::query::Position {
                key: downlink::fleet::query::SortKey::Nothing,
                id: channel(after),
            }),
            limit: Some(limit),
        };
        let part = roster.by_index(&selection).unwrap();
        let begins = |id: &&String| prefix.as_ref().is_none_or(|prefix| id.starts_with(prefix));
        let mut wanted: Vec<_> = model.keys().filter(begins).cloned().collect();
        prop_assert_eq!(part.total, wanted.len());
        if descending {
            wanted.reverse();
        }
        wanted.retain(|id| match &after {
            Some(after) if descending => id < after,
            Some(after) => id > after,
            None => true,
        });
        let found: Vec<_> = part.rockets.take().concat();
        let shown: Vec<_> = found.iter().map(|rocket| rocket.id.to_string()).collect();
        prop_assert_eq!(part.more, wanted.len() > limit);
        wanted.truncate(limit);
        prop_assert_eq!(shown, wanted);
        prop_assert!(found.iter().all(|rocket| rocket.speed == model[&rocket.id.to_string()]));
    }
}

fn texts(rockets: &Value) -> Vec<String> {
    let id = |rocket: &Value| rocket["id"].as_str().unwrap().to_owned();
    rockets.as_array().unwrap().iter().map(id).collect()
}

#[test]
fn a_prefix_is_taken_byte_by_byte_with_any_order_and_condition() {
    let service = Service::start_with(|config| config.workers = 3);
    let ids = [
        "193270a9-c9cf-404a-8f83-838e71d9ae67",
        "193270A9-c9cf-404a-8f83-838e71d9ae67",
        "193270a9-0000-404a-8f83-838e71d9ae67",
        "2",
        "19",
        "193270a9",
        "Ärger 1",
        "Ärger 2",
        "a%b",
    ];
    for (speed, id) in (0..).zip(ids) {
        let mission = ["ARTEMIS", "APOLLO"][usize::from(speed % 2 == 0)];
        service.post(&[launch_as(id, "T", speed, mission), speed_up(id, 2, 100)]);
    }
    // Some wait, one of them for its launch.
    service.post(&[speed_up("19", 9, 1), speed_up("Ärger 2", 4, 1), speed_up("193", 2, 1)]);
    // The first asks for the order of IDs, later ones find it.
    for _ in 0..10 {
        for (prefix, count) in [
            ("193270a9", 3),
            ("193270a9-", 2),
            ("1932", 4),
            ("1", 5),
            ("Ä", 2),
            ("x", 0),
            ("a%", 1),
        ] {
            let prefix = encode(prefix);
            for order in ["", "&sort=speed", "&sort=speed&order=desc", "&sort=id&order=desc"] {
                let target = format!("/rockets?id_prefix={prefix}{order}");
                let whole = service.get(&target);
                assert_eq!(whole.header("x-total-count"), Some(&*count.to_string()), "{target}");
                let whole = texts(&whole.json());
                let mut pages = Vec::new();
                let mut next = Some(format!("{target}&limit=2"));
                while let Some(at) = next {
                    let page = service.get(&at);
                    pages.extend(texts(&page.json()));
                    next = next_page(&at, &page);
                }
                assert_eq!(pages, whole, "{target}");
                assert_eq!(whole.len(), count, "{target}");
            }
            let apollo = service.read(&format!("/missions/apollo?id_prefix={prefix}&sort=id"));
            let filtered = service.read(&format!("/rockets?mission=APOLLO&id_prefix={prefix}"));
            let mut filtered = texts(&filtered);
            filtered.sort_unstable();
            assert_eq!(texts(&apollo["rockets"]), filtered);
        }
        let both = service.read("/rockets?id=193270a9&id_prefix=1932");
        assert_eq!(texts(&both), ["193270a9"]);
        assert!(texts(&service.read("/rockets?id=193270a9&id_prefix=2")).is_empty());
        let waiting = service.get("/rockets?waiting=true&sort=id");
        assert_eq!(waiting.header("x-total-count"), Some("2"));
        assert_eq!(texts(&waiting.json()), ["19", "Ärger 2"]);
        assert_eq!(texts(&service.read("/rockets?waiting=FALSE")).len(), ids.len() - 2);
        assert_eq!(texts(&service.read("/rockets?waiting=true&id_prefix=%C3%84")), ["Ärger 2"]);
        assert_eq!(texts(&service.read("/gaps?id_prefix=19")), ["19", "193"]);
        assert_eq!(texts(&service.read("/gaps?id_prefix=%C3%84&limit=1")), ["Ärger 2"]);
    }
    for (path, query, detail) in [
        ("/rockets", "id_prefix=", "id_prefix: expected a text of 1 to 128 bytes, found 0 bytes"),
        ("/gaps", "id_prefix=%01", "id_prefix: expected a text without control characters"),
        ("/rockets", "waiting=1", "waiting: expected one of true, false; found \"1\""),
        ("/gaps", "waiting=true", "waiting: unknown parameter"),
    ] {
        let found = problem(&service.get(&format!("{path}?{query}")), 400);
        assert!(found.starts_with(detail), "{found}");
    }
}

/// More than are visited at once, among so many more that the range is walked, and
/// not all slots.
#[tokio::test]
async fn a_range_of_ids_is_walked_in_slices() {
    let shape = Shape { workers: 1, limits: wide(), ..shape() };
    let fleet = TestFleet::start(shape, Arc::new(MemoryJournal::default()));
    let post = async |message: Value| {
        fleet.fleet.submit(parse(&message), sleep_until(deadline())).await.unwrap()
    };
    for n in 0..12_000_i64 {
        let id = if n % 10 == 3 { format!("x{n:05}") } else { format!("y{n:05}") };
        post(launch_as(&id, "T", n * 7919 % 12_000, "M")).await;
    }
    let filter = Filter { id_prefix: Some(channel("x")), ..Filter::default() };
    let by = |field, limit| {
        let sort = Sort { field, descending: true };
        Arc::new(Selection { filter: filter.clone(), sort, after: None, limit })
    };
    for round in 0..30 {
        let page = fleet.fleet.rockets(by(Field::Id, Some(3)), deadline()).await.unwrap();
        let ids: Vec<_> = page.rockets.iter().map(|it| it.id.to_string()).collect();
        assert_eq!((page.total, page.more), (1200, true));
        assert_eq!(ids, ["x11993", "x11983", "x11973"], "{round}");
        let mut whole = fleet.fleet.whole(by(Field::Speed, None), deadline()).await.unwrap();
        let rockets = whole.next(2000);
        assert_eq!((rockets.len(), whole.total()), (1200, 1200));
        assert!(rockets.is_sorted_by_key(|rocket| std::cmp::Reverse(rocket.speed)));
        let mut ids: Vec<Channel> = rockets.into_iter().map(|rocket| rocket.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 1200);
    }
    fleet.stop().await;
}
