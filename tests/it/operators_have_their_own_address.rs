//! `--admin-listen`: what is for operators is there and nowhere else, has places
//! of its own, and is the last to go.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::http::send;
use crate::support::logged::{Logged, over_socket};
use crate::support::messages::launch;
use crate::support::process::{downlink, run};
use crate::support::{Connection, Request, Service, eventually, passing_problem, problem};

/// The service in memory with an address for operators, and both addresses.
fn with_admin(arguments: &[&str]) -> (Logged, SocketAddr, SocketAddr) {
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0"]);
    command.args(["--admin-listen", "127.0.0.1:0", "--shutdown-timeout", "100s"]).args(arguments);
    let service = Logged::start(command);
    let main = service.addresses()[0].parse().unwrap();
    let admin = admin_addresses(&service)[0].parse().unwrap();
    (service, main, admin)
}

fn admin_addresses(service: &Logged) -> Vec<String> {
    let said = service.said("listening for operators");
    said.iter().map(|fields| fields["address"].as_str().unwrap().to_owned()).collect()
}

const FOR_OPERATORS: [&str; 4] = ["/readyz", "/livez", "/healthz", "/metrics"];
const FOR_CLIENTS: [&str; 4] = ["/rockets", "/rockets/a", "/missions", "/missions/ARTEMIS"];

/// The paths that `GET /` lists.
fn listed(address: SocketAddr) -> Vec<String> {
    let index = send(address, &Request::get("/")).json();
    let endpoints = index["endpoints"].as_array().unwrap();
    endpoints.iter().map(|endpoint| endpoint["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_side_has_its_own_and_not_the_others() {
    let (service, main, admin) = with_admin(&[]);
    assert_eq!(send(main, &Request::post(launch("a").to_string())).status, 204);
    for path in FOR_OPERATORS {
        assert_eq!(send(admin, &Request::get(path)).status, 200, "{path}");
        problem(&send(main, &Request::get(path)), 404);
    }
    for path in FOR_CLIENTS {
        assert_eq!(send(main, &Request::get(path)).status, 200, "{path}");
        // Of a rocket it has what operators may do to it.
        let status = if path == "/rockets/a" { 405 } else { 404 };
        problem(&send(admin, &Request::get(path)), status);
    }
    let delete =
        |address, id: &str| send(address, &Request::new("DELETE", &format!("/rockets/{id}")));
    problem(&delete(admin, "nobody"), 404);
    problem(&delete(main, "a"), 405);
    let skip = |address| send(address, &Request::new("POST", "/gaps/a/skip"));
    problem(&skip(admin), 409);
    problem(&skip(main), 404);
    problem(&send(admin, &Request::message(&launch("b"))), 404);
    problem(&send(admin, &Request::get("/messages")), 404);
    problem(&send(main, &Request::get("/rockets/b")), 404);
    assert_eq!(
        listed(admin),
        [
            "/rockets/{id}",
            "/gaps",
            "/gaps/{id}/skip",
            "/cluster/checkpoint",
            "/readyz",
            "/livez",
            "/healthz",
            "/metrics",
            "/openapi.json",
            "/docs",
            "/docs/{file}",
            "/"
        ]
    );
    let main = listed(main);
    assert_eq!(main.len(), 13, "{main:?}");
    assert!(FOR_OPERATORS.iter().all(|path| !main.iter().any(|listed| listed == path)), "{main:?}");
    service.stop();
}

#[test]
fn without_it_everything_is_on_the_main_address() {
    let service = Service::start();
    service.post(&[launch("a")]);
    for path in FOR_OPERATORS.iter().chain(&FOR_CLIENTS) {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    assert_eq!(service.read("/livez"), json!({"status": "alive"}));
    assert_eq!(listed(service.address).len(), 19);
}

#[test]
fn it_answers_when_all_places_of_the_main_one_are_taken() {
    let (service, main, admin) = with_admin(&["--max-connections", "1"]);
    // Both are in the middle of a request, so that none gives way; the second
    // has no place.
    let half = b"POST /messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{";
    let mut busy: Vec<_> = (0..2).map(|_| Connection::open(main)).collect();
    for connection in &mut busy {
        connection.send(half);
    }
    eventually("all places are taken", || {
        !service.said("connections have to wait: all are taken").is_empty()
    });
    assert_eq!(send(admin, &Request::get("/readyz")).status, 200);
    drop(busy);
    service.stop();
}

#[test]
fn no_flag_is_blamed_for_the_places_of_operators() {
    let (service, main, admin) = with_admin(&[]);
    let crowd: Vec<_> = (0..40).map(|_| Connection::open(admin)).collect();
    let told = || service.said("connections of operators have to wait: all are taken");
    eventually("all places are taken", || !told().is_empty());
    assert!(told().iter().all(|line| line["flag"].is_null()), "{:?}", told());
    assert!(service.said("connections have to wait: all are taken").is_empty());
    assert_eq!(send(main, &Request::get("/rockets")).status, 200);
    drop(crowd);
    service.stop();
}

#[test]
fn it_tells_of_the_stop_until_that_is_done() {
    let (service, main, admin) = with_admin(&["--request-timeout", "100s"]);
    let mut probe = Connection::open(admin);
    assert_eq!(probe.request(&Request::get("/readyz")).status, 200);
    let mut connection = Connection::open(main);
    let message = launch("a").to_string();
    let head = format!(
        "POST /messages HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        message.len()
    );
    connection.send(head.as_bytes());
    assert_eq!(connection.receive_head().unwrap().status, 100);
    service.child.signal("TERM");
    eventually("the stop is told", || send(admin, &Request::get("/readyz")).status == 503);
    let detail = passing_problem(&probe.request(&Request::get("/readyz")), 503);
    assert_eq!(detail, "the service is stopping");
    assert_eq!(send(admin, &Request::get("/livez")).status, 200, "it moves");
    connection.send(message.as_bytes());
    assert_eq!(connection.receive().outcome(), "applied");
    let (code, lines) = service.wait();
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(probe.is_closed());
}

#[test]
fn it_may_be_a_socket_and_several_addresses() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let socket = format!("127.0.0.1:0,unix:{}", path.display());
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0", "--admin-listen", &socket]);
    let service = Logged::start(command);
    assert_eq!(admin_addresses(&service)[1], format!("unix:{}", path.display()));
    assert!(over_socket(&path, "GET", "/readyz", "").starts_with("HTTP/1.1 200"));
    assert!(over_socket(&path, "GET", "/rockets", "").starts_with("HTTP/1.1 404"));
    assert!(warned(&service.stop()).is_empty());
    assert!(!path.exists());
}

/// What was said about an address for operators that others can reach.
fn warned(lines: &[Value]) -> Vec<&Value> {
    let is_warning = |line: &&Value| {
        let text = line["fields"]["message"].as_str().unwrap_or_default();
        line["level"] == "WARN" && text.starts_with("--admin-listen can be reached from")
    };
    lines.iter().filter(is_warning).collect()
}

#[test]
fn one_that_other_machines_reach_is_warned_about() {
    for (address, warnings) in [("127.0.0.1:0", 0), ("[::1]:0", 0), (":0", 1), ("0.0.0.0:0", 1)] {
        let (service, ..) = with_admin(&["--admin-listen", address]);
        assert_eq!(warned(&service.stop()).len(), warnings, "{address}");
    }
}

#[test]
fn one_that_is_taken_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0"]);
    command.args(["--admin-listen", &address]);
    let (code, _, err) = run(command);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(&address) && err.contains("in use"), "{err}");
}

#[test]
fn told_to_stop_it_serves_on_until_those_who_probe_have_noticed() {
    let (service, main, admin) = with_admin(&["--drain-delay", "1day"]);
    assert_eq!(send(admin, &Request::get("/readyz")).status, 200);
    service.child.signal("TERM");
    eventually("it is unready", || send(admin, &Request::get("/readyz")).status == 503);
    // On connections of before and on new ones.
    for channel in ["a", "b"] {
        assert_eq!(send(main, &Request::message(&launch(channel))).outcome(), "applied");
        assert_eq!(send(main, &Request::get(&format!("/rockets/{channel}"))).status, 200);
    }
    assert_eq!(send(admin, &Request::get("/livez")).status, 200);
    assert!(service.said("stopping").is_empty());
    service.child.signal("TERM");
    let (code, lines) = service.wait();
    assert_eq!(code, Some(0), "{lines:?}");
}

#[test]
fn what_readiness_is_made_of_is_listed_by_name_for_who_asks() {
    let (service, _, admin) = with_admin(&[]);
    let ask = || send(admin, &Request::get("/readyz?verbose"));
    let answer = ask();
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("ready")));
    let names = |answer: &Value| -> Vec<String> {
        let checks = answer["checks"].as_array().unwrap();
        checks.iter().map(|check| check["name"].as_str().unwrap().to_owned()).collect()
    };
    let listed = names(&answer.json());
    for name in ["the phase", "checkpoints", "the accept loop", "commits of partition 0"] {
        assert!(listed.iter().any(|listed| listed == name), "{name} in {listed:?}");
    }
    let all_well = |answer: &Value| {
        let checks = answer["checks"].as_array().unwrap().clone();
        checks.iter().all(|check| check["status"] == "ok" && check.get("detail").is_none())
    };
    assert!(all_well(&answer.json()), "{}", answer.text());
    assert!(send(admin, &Request::get("/readyz")).json().get("checks").is_none());
    service.stop();

    let (service, _, admin) = with_admin(&["--drain-delay", "1day"]);
    service.child.signal("TERM");
    let ask = || send(admin, &Request::get("/readyz?verbose"));
    eventually("it is unready", || ask().status == 503);
    let answer = ask();
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["detail"], "the service is stopping");
    assert_eq!(names(&answer.json()), listed);
    let phase = &answer.json()["checks"][0];
    let expected =
        json!({"name": "the phase", "status": "failed", "detail": "the service is stopping"});
    assert_eq!(*phase, expected);
    service.child.signal("TERM");
    assert_eq!(service.wait().0, Some(0));
}
