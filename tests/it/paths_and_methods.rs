//! One rocket, missions, readiness, and every path and method that leads
//! nowhere.

use crate::support::http::{encode, next_page};
use crate::support::journal::Gated;
use crate::support::messages::{at, change_mission, explode, launch, launch_as, speed_up};
use crate::support::{Request, Service, passing_problem, problem};
use downlink::journal::memory::MemoryJournal;
use serde_json::json;

#[test]
fn a_rocket_is_shown_with_every_field() {
    let service = Service::start();
    let id = "193270a9-c9cf-404a-8f83-838e71d9ae67";
    service.post(&[
        at(launch(id), "2022-02-02T19:39:05.86337+01:00"),
        at(speed_up(id, 2, 6000), "2022-02-02T19:40:00+01:00"),
        at(speed_up(id, 9, 1), "2022-02-02T20:00:00Z"),
    ]);
    let mut expected = json!({
        "id": id,
        "launch_time": "2022-02-02T18:39:05.86337Z",
        "last_update_time": "2022-02-02T18:40:00Z",
        "last_message_number": 2,
        "speed": 6500,
        "rocket_type": "Falcon-9",
        "mission": "ARTEMIS",
        "status": "Launched",
        "explosion_reason": null,
        "buffered_messages": 1,
        "lost_messages": 0,
        "conflicts": 0,
    });
    assert_eq!(service.read(&format!("/rockets/{id}")), expected);
    assert_eq!(service.read("/rockets"), json!([expected]));
    assert_eq!(
        service.read("/missions/artemis"),
        json!({"mission": "ARTEMIS", "rockets": [expected]})
    );

    service.post(&[at(explode(id, 3, "UNKNOWN"), "2022-02-02T21:00:00Z")]);
    expected["last_update_time"] = "2022-02-02T21:00:00Z".into();
    expected["last_message_number"] = 3.into();
    expected["status"] = "Exploded".into();
    expected["explosion_reason"] = "UNKNOWN".into();
    assert_eq!(service.read(&format!("/rockets/{id}")), expected);
    assert_eq!(service.read("/rockets"), json!([expected]));
}

#[test]
fn a_rocket_that_is_not_there_is_404_and_says_why() {
    let service = Service::start();
    let detail = problem(&service.get("/rockets/a"), 404);
    assert!(detail.contains("\"a\"") && !detail.contains("launch"), "{detail}");
    service.post(&[speed_up("a", 2, 1), speed_up("a", 4, 1)]);
    let detail = problem(&service.get("/rockets/a"), 404);
    assert!(detail.contains("launch message is missing") && detail.contains('2'), "{detail}");
    // Numbers from 1 on, but none of them a launch.
    service.post(&[speed_up("b", 1, 1)]);
    let detail = problem(&service.get("/rockets/b"), 404);
    assert!(detail.contains("launch"), "{detail}");
    assert_eq!(service.read("/rockets"), json!([]));
    assert_eq!(service.read("/missions"), json!({"missions": []}));
    // What cannot be a channel is unknown, not an error.
    for id in ["A", "a%00", "%FF", "%ff%fe", &"x".repeat(129), "%", "%zz"] {
        problem(&service.get(&format!("/rockets/{id}")), 404);
    }
}

#[test]
fn missions_are_those_in_use_once_and_sorted() {
    let service = Service::start();
    service.post(&[
        launch_as("a", "T", 1, "GEMINI"),
        launch_as("b", "T", 1, "APOLLO"),
        launch_as("c", "T", 1, "GEMINI"),
        launch_as("d", "T", 1, "apollo"),
        launch_as("e", "T", 1, "Ωmega"),
        launch_as("f", "T", 1, "APOLLO_SOYUZ"),
        // Not launched, so nobody is on it.
        change_mission("g", 2, "SKYLAB"),
    ]);
    let missions = ["APOLLO", "APOLLO_SOYUZ", "GEMINI", "apollo", "Ωmega"];
    assert_eq!(service.read("/missions"), json!({"missions": missions}));
    // The last one leaves a mission, and it is gone.
    service.post(&[change_mission("a", 2, "MERCURY"), change_mission("b", 2, "GEMINI")]);
    let missions = ["APOLLO_SOYUZ", "GEMINI", "MERCURY", "apollo", "Ωmega"];
    assert_eq!(service.read("/missions"), json!({"missions": missions}));
    problem(&service.get("/missions/SKYLAB"), 404);
    // Those who exploded are still on theirs.
    service.post(&[explode("a", 3, "X"), change_mission("c", 2, "MERCURY")]);
    let mercury = service.read("/missions/mercury");
    assert_eq!(mercury["rockets"].as_array().unwrap().len(), 2);
}

#[test]
fn a_mission_is_found_whatever_its_case_with_its_rockets_by_launch_time() {
    let service = Service::start();
    service.post(&[
        at(launch_as("c", "T", 1, "Ares"), "2022-01-01T03:00:00Z"),
        at(launch_as("b", "T", 1, "ARES"), "2022-01-01T01:00:00Z"),
        at(launch_as("a", "T", 1, "ares"), "2022-01-01T02:00:00Z"),
        at(launch_as("0", "T", 1, "ares"), "2022-01-01T02:00:00Z"),
        at(launch_as("x", "T", 1, "ARES 2"), "2022-01-01T00:00:00Z"),
        at(launch_as("y", "T", 1, "Ärger/ß 🚀"), "2021-01-01T00:00:00Z"),
    ]);
    let ids = |target: &str| -> Vec<String> {
        let body = service.read(target);
        let rockets = body["rockets"].as_array().unwrap();
        rockets.iter().map(|rocket| rocket["id"].as_str().unwrap().to_owned()).collect()
    };
    for mission in ["ARES", "ares", "aReS"] {
        assert_eq!(ids(&format!("/missions/{mission}")), ["b", "0", "a", "c"]);
    }
    assert_eq!(ids("/missions/ares%202"), ["x"]);
    assert_eq!(ids(&format!("/missions/{}", encode("äRGER/ß 🚀"))), ["y"]);
    assert_eq!(service.read("/missions/ares%202")["mission"], "ARES 2");

    // The same parameters as the fleet has, and no others.
    assert_eq!(ids("/missions/ares?sort=id&order=desc"), ["c", "b", "a", "0"]);
    assert_eq!(ids("/missions/ares?status=exploded"), Vec::<String>::new());
    assert_eq!(ids("/missions/ares?mission=ARES%202"), Vec::<String>::new());
    let page = service.get("/missions/ares?limit=3");
    assert_eq!(page.header("x-total-count"), Some("4"));
    let next = next_page("/missions/ares", &page).unwrap();
    assert_eq!(ids(&next), ["c"]);
    assert_eq!(service.get(&next).header("link"), None);
    // A link holds no path, however odd the one that was asked for.
    service.post(&[launch_as("z", "T", 1, "Ärger/ß 🚀")]);
    let odd = "/missions/Ärger%2Fß%20🚀";
    let page = service.get(&format!("{odd}?limit=1"));
    assert_eq!(ids(&next_page(odd, &page).unwrap()), ["z"]);
    let detail = problem(&service.get("/missions/ares?colour=red"), 400);
    assert!(detail.contains("colour"), "{detail}");

    for mission in ["ARE", "ARES%20", "%FF", "ares%2F", &"x".repeat(1000)] {
        problem(&service.get(&format!("/missions/{mission}")), 404);
    }
}

#[test]
fn path_segments_are_percent_decoded() {
    let service = Service::start();
    for name in ["a b", "a/b", "a%2Fb", "ä€🚀", "?x=1#y", "a+b", "//", "\"\\"] {
        service.post(&[launch_as(name, "T", 1, name)]);
        let everything: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for segment in [encode(name), everything] {
            assert_eq!(service.read(&format!("/rockets/{segment}"))["id"], name);
            let mission = service.read(&format!("/missions/{segment}"));
            assert_eq!(mission["mission"], name);
            assert_eq!(mission["rockets"][0]["id"], name);
        }
    }
    // A plus is a plus in a path.
    assert_eq!(service.read("/rockets/a+b")["id"], "a+b");
}

#[test]
fn readiness_is_told() {
    let (go_on, wait) = std::sync::mpsc::sync_channel::<()>(1);
    let service =
        Service::opened(|_| {}, Box::new(Gated(wait, Box::new(MemoryJournal::default()))));
    // Until what is kept has been read, nothing is shown and nothing taken.
    for path in
        ["/readyz", "/rockets", "/rockets?sort=id", "/rockets/a", "/missions", "/missions/a"]
    {
        let detail = passing_problem(&service.get(path), 503);
        assert!(detail.contains("journal"), "{path}: {detail}");
    }
    passing_problem(&service.send(&Request::message(&launch("a"))), 503);
    drop(go_on);
    service.wait_until_ready();
    assert_eq!(service.read("/readyz"), json!({"status": "ready"}));
    assert_eq!(service.post(&[launch("a")]), "applied");
}

#[test]
fn the_root_lists_what_there_is() {
    let service = Service::start();
    let index = service.read("/");
    assert_eq!(index["version"], env!("CARGO_PKG_VERSION"));
    let endpoints = index["endpoints"].as_array().unwrap();
    assert!(endpoints.contains(&json!({"path": "/messages", "methods": ["POST"]})), "{index}");
    for endpoint in endpoints {
        let path = endpoint["path"].as_str().unwrap().replace(['{', '}'], "");
        let methods: Vec<_> =
            endpoint["methods"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        let wrong = service.send(&Request::new("BREW", &path));
        assert_eq!(wrong.header("allow"), Some(methods.join(", ").as_str()), "{path}");
    }
}

#[test]
fn a_path_that_leads_nowhere_is_404() {
    let service = Service::start();
    service.post(&[launch("a")]);
    for path in [
        "/nothing",
        "/rocket",
        "/Rockets",
        "/messages/1",
        "/rockets/a/b",
        "/missions/a/b",
        "/readyz/x",
        "/%72ockets",
        "//rockets",
        "//",
        "/rockets//",
        "/messages//",
        "/readyz//",
        "/rockets//a",
        "/../rockets",
        "/rockets/a/b/c/d",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = service.send(&Request::new(method, path));
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
            problem(&answer, 404);
        }
    }
}

#[test]
fn a_parameter_where_none_is_allowed_is_refused_by_name() {
    let service = Service::start();
    service.post(&[launch("a")]);
    for path in ["/rockets/a", "/rockets/unknown", "/missions", "/"] {
        let detail = problem(&service.get(&format!("{path}?colour=red")), 400);
        assert!(detail.starts_with("colour"), "{path}: {detail}");
        assert_ne!(service.get(&format!("{path}?")).status, 400, "{path}");
    }
}

#[test]
fn a_wrong_method_is_405_and_names_the_right_ones() {
    let service = Service::start();
    service.post(&[launch("a")]);
    for (path, allowed) in [
        ("/messages", "POST"),
        ("/rockets", "GET, HEAD"),
        ("/rockets/a", "GET, HEAD, DELETE"),
        ("/rockets/unknown", "GET, HEAD, DELETE"),
        ("/rockets?limit=1", "GET, HEAD"),
        ("/", "GET, HEAD"),
        ("/ui/main.js", "GET, HEAD"),
        ("/missions", "GET, HEAD"),
        ("/missions/ARTEMIS", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
        ("/livez", "GET, HEAD"),
        ("/gaps", "GET, HEAD"),
        ("/events", "GET, HEAD"),
        ("/gaps/a/skip", "POST"),
        ("/healthz", "GET, HEAD"),
        ("/messages/", "POST"),
        ("/rockets/", "GET, HEAD"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            if allowed.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            let answer = service.send(&Request::new(method, path));
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text());
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
            if method != "HEAD" {
                problem(&answer, 405);
            }
        }
    }
    assert_eq!(service.read("/rockets").as_array().unwrap().len(), 1);
}

/// warp's `path::full` panics on such a target.
#[test]
fn a_target_without_a_path_is_400() {
    let service = Service::start();
    for (method, target) in [
        ("CONNECT", "x:80"),
        ("GET", "localhost"),
        ("POST", "x:80"),
        ("GET", "mailto:a"),
        ("DELETE", "[::1]:80"),
    ] {
        let answer = service.send(&Request::new(method, target));
        let detail = problem(&answer, 400);
        assert!(detail.contains("no path"), "{method} {target}: {detail}");
    }
    // These have one, if only a short one.
    problem(&service.send(&Request::new("OPTIONS", "*")), 404);
    assert_eq!(service.read("http://localhost"), service.read("/"));
    assert_eq!(service.read("http://localhost/rockets"), json!([]));
}

#[test]
fn head_tells_what_get_would_without_the_body() {
    let service = Service::start();
    service.post(&[launch("a"), launch("b")]);
    let mut connection = service.connect();
    for path in [
        "/rockets",
        "/rockets?limit=1",
        "/rockets?colour=red",
        "/rockets/a",
        "/rockets/none",
        "/missions",
        "/missions/artemis",
        "/readyz",
        "/livez",
        "/nothing",
    ] {
        let get = connection.request(&Request::get(path));
        let head = connection.request(&Request::new("HEAD", path));
        assert_eq!(head.status, get.status, "{path}");
        for name in ["content-type", "content-length", "x-total-count", "link", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}
