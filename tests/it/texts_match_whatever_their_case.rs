//! What readers ask for by text: missions and types match whatever their case
//! and normal form, in paths and in filters alike; IDs match exactly.

use crate::support::http::encode;
use crate::support::messages::{launch, launch_as, speed_up};
use crate::support::{Request, Service, problem};
use serde_json::{Value, json};

fn ids(rockets: &Value) -> Vec<&str> {
    let rockets = rockets.as_array().expect("an array");
    rockets.iter().map(|rocket| rocket["id"].as_str().expect("a text")).collect()
}

#[test]
fn missions_and_types_match_by_full_case_folding_in_any_normal_form() {
    let service = Service::start();
    let texts = [
        ("ΟΔΟΣ", "οδος"),
        ("straße", "STRASSE"),
        ("ﬁre", "FIRE"),
        ("µSat", "μsat"),
        ("ſputnik", "Sputnik"),
        ("caf\u{e9}", "CAFE\u{301}"),
        ("Apollo 11", "aPOLLO 11"),
    ];
    for (n, (sent, _)) in (0..).zip(texts) {
        service.post(&[launch_as(sent, sent, n, sent)]);
    }
    for (sent, asked) in texts {
        for asked in [sent, asked] {
            let asked = encode(asked);
            let mission = service.get(&format!("/missions/{asked}"));
            assert_eq!(mission.status, 200, "{sent} as {asked}");
            assert_eq!(mission.json()["mission"], sent);
            assert_eq!(ids(&mission.json()["rockets"]), [sent]);
            for parameter in ["mission", "rocket_type"] {
                for rest in ["", "&sort=speed", "&limit=1"] {
                    let target = format!("/rockets?{parameter}={asked}{rest}");
                    assert_eq!(ids(&service.read(&target)), [sent], "{target}");
                }
            }
        }
    }
    for other in ["", "odos", "STRASE", "cafe", "apollo11"] {
        assert_eq!(service.read(&format!("/rockets?mission={}", encode(other))), json!([]));
    }
}

/// More than a piece of a stream has, in several partitions.
#[test]
fn many_missions_are_streamed_in_order_and_each_is_found() {
    let service = Service::start_with(|config| config.workers = 3);
    let name = |n: u64| format!("Mission {:03} \"ß\"", n * 7919 % 900);
    let launches = (0..900).map(|n| launch_as(&n.to_string(), "T", 1, &name(n)).to_string());
    let request = Request::post(launches.collect::<Vec<_>>().join("\n"));
    let answer = service.send(&request.header("content-type", "application/x-ndjson"));
    assert_eq!(answer.json()["applied"], 900);
    // On a second spelling of one, in whichever partition.
    service.post(&[launch_as("x", "T", 1, "MISSION 000 \"SS\"")]);

    let mut expected: Vec<_> = (0..900).map(name).collect();
    expected.push("MISSION 000 \"SS\"".to_owned());
    expected.sort_unstable();
    let answer = service.get("/missions");
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), json!({"missions": expected}));
    let mut connection = service.connect();
    for n in 0..900 {
        let asked = encode(&name(n).to_uppercase());
        let mission = connection.request(&Request::get(&format!("/missions/{asked}"))).json();
        let is_two = name(n).contains(" 000 ");
        assert_eq!(mission["mission"], if is_two { expected[0].clone() } else { name(n) });
        assert_eq!(ids(&mission["rockets"]).len(), if is_two { 2 } else { 1 }, "{n}");
    }
    problem(&service.get("/missions/Mission%20900"), 404);
}

/// A client takes `/rockets/..` for `/`, encoded or not.
#[test]
fn a_rocket_is_found_by_its_id_where_no_path_can_hold_it() {
    let service = Service::start_with(|config| config.workers = 4);
    let names = [".", "..", "a", "A", "caf\u{e9}", "/", "193270a9-c9cf-404a-8f83-838e71d9ae67"];
    for id in names {
        service.post(&[launch(id)]);
    }
    service.post(&[speed_up("early", 2, 1)]);
    for id in names {
        let target = format!("/rockets?id={}", encode(id));
        let answer = service.get(&target);
        assert_eq!(ids(&answer.json()), [id]);
        assert_eq!(answer.header("x-total-count"), Some("1"));
        for (more, found) in [
            ("&limit=1", true),
            ("&sort=speed&order=desc", true),
            ("&mission=artemis&status=launched", true),
            ("&mission=apollo", false),
            ("&status=exploded", false),
        ] {
            let answer = service.get(&format!("{target}{more}"));
            assert_eq!(ids(&answer.json()), if found { vec![id] } else { vec![] }, "{more}");
            assert_eq!(answer.header("x-total-count"), Some(if found { "1" } else { "0" }));
            assert_eq!(answer.header("link"), None);
        }
    }
    assert_eq!(ids(&service.read("/missions/artemis?id=..")["rockets"]), [".."]);
    // Not launched, or unknown; also in another case or form.
    for id in ["early", "nobody", "193270A9-C9CF-404A-8F83-838E71D9AE67", "cafe\u{301}"] {
        let answer = service.get(&format!("/rockets?id={}", encode(id)));
        assert_eq!((answer.json(), answer.header("x-total-count")), (json!([]), Some("0")));
    }
    for (query, text) in [("id=", "1 to 128"), ("id=%00", "control"), ("id=a&id=b", "twice")] {
        let detail = problem(&service.get(&format!("/rockets?{query}")), 400);
        assert!(detail.starts_with("id: ") && detail.contains(text), "{detail}");
    }
    // Its place in an order counts, too.
    let link = service.get("/rockets?limit=1").header("link").expect("more").to_owned();
    let cursor = link.split_once("cursor=").and_then(|(_, rest)| rest.split_once('>'));
    let cursor = cursor.expect("a cursor").0;
    for (id, found) in [(".", false), ("a", true)] {
        let rockets = service.read(&format!("/rockets?id={id}&cursor={cursor}"));
        assert_eq!(!ids(&rockets).is_empty(), found, "{id}");
    }
}
