//! What one client may take, and who it is when it comes by a proxy.

use std::num::NonZeroUsize;

use downlink::http::access::cors::CorsOrigin;
use serde_json::Value;

use crate::support::logged::Logged;
use crate::support::messages::{launch, speed_up};
use crate::support::process::{Process, downlink};
use crate::support::{Connection, Request, Response, Service, eventually, kind, passing_problem};

/// A service that allows a client so many requests in a second. There are so few
/// in these tests that no bucket fills up meanwhile, unless it says so.
fn with_rate(rate: usize, trusted: &[&str]) -> Service {
    Service::start_with(|config| {
        let limits = &mut config.http.of_one_client;
        limits.rate = NonZeroUsize::new(rate);
        limits.trusted_proxies = trusted.iter().map(|text| text.parse().unwrap()).collect();
    })
}

const OTHER: [u8; 4] = [127, 0, 0, 2];
const PROXY: [u8; 4] = [127, 0, 0, 3];

/// Takes all that a client may have: with its debt it has to wait for hours.
fn exhaust(mut client: Connection, headers: &[(&str, &str)]) {
    let lines = "\n".repeat(20_000);
    let request = Request::post(lines).header("content-type", "application/x-ndjson");
    let answer = client.request(&with(request, headers));
    assert_eq!(kind(&answer), "/problems/no-message");
}

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

fn get(client: &mut Connection, headers: &[(&str, &str)]) -> Response {
    client.request(&with(Request::get("/missions"), headers))
}

#[track_caller]
fn assert_too_fast(answer: &Response) {
    let detail = passing_problem(answer, 429);
    assert_eq!(kind(answer), "/problems/client-too-fast");
    assert!(detail.contains("--max-rate-per-client"), "{detail}");
}

#[test]
fn who_is_too_fast_is_told_when_to_come_back_and_others_are_served() {
    let service = with_rate(2, &[]);
    exhaust(service.connect_from(OTHER), &[]);
    let mut fast = service.connect_from(OTHER);
    let answer = get(&mut fast, &[]);
    assert_too_fast(&answer);
    // 20,001 are owed, of which the bucket had 2.
    let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((9_000..=10_001).contains(&wait), "{wait}");
    // Whatever it sends, over the same connection, and nothing of it counts.
    let message = Request::message(&launch("a"));
    for request in [&message, &message.clone().chunked(10), &Request::new("HEAD", "/missions")] {
        assert_eq!(fast.request(request).status, 429);
    }
    let mut honest = service.connect_from([127, 0, 0, 4]);
    assert_eq!(honest.request(&Request::get("/rockets")).json(), Value::Array(Vec::new()));
    assert_eq!(honest.request(&message).outcome(), "applied");
}

#[test]
fn a_page_that_may_read_gets_to_see_that_it_is_too_fast() {
    let page = "https://status.example";
    let service = Service::start_with(|config| {
        config.http.of_one_client.rate = NonZeroUsize::new(2);
        config.access.cors_origins = vec![CorsOrigin::parse(page).unwrap()];
    });
    exhaust(service.connect_from(OTHER), &[]);
    let mut fast = service.connect_from(OTHER);
    let answer = get(&mut fast, &[("origin", page)]);
    assert_too_fast(&answer);
    assert_eq!(answer.header("access-control-allow-origin"), Some(page));
    assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
    let answer = get(&mut fast, &[("origin", "https://other.example")]);
    assert_too_fast(&answer);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("vary"), Some("Origin"));
}

#[test]
fn a_large_body_of_who_is_too_fast_is_not_read() {
    let service = with_rate(2, &[]);
    exhaust(service.connect_from(OTHER), &[]);
    let mut fast = service.connect_from(OTHER);
    fast.send(b"POST /messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9000000\r\n\r\n");
    let answer = fast.receive();
    assert_too_fast(&answer);
    assert_eq!(answer.header("connection"), Some("close"));
    // Nor is it asked for.
    let mut asks = service.connect_from(OTHER);
    let head = "POST /messages HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 9\r\n";
    asks.send(format!("{head}\r\n").as_bytes());
    assert_too_fast(&asks.receive());
}

#[test]
fn each_message_of_many_counts_as_it_is_read() {
    let service = with_rate(2, &[]);
    let array = |from: u64| {
        let messages: Vec<_> = (from..from + 10_000).map(|at| speed_up("a", at, 1)).collect();
        Request::post(Value::Array(messages).to_string()).header("content-type", "application/json")
    };
    let mut client = service.connect_from(OTHER);
    // What was begun is finished.
    let answer = client.request(&array(2));
    assert_eq!((answer.status, &answer.json()["buffered"]), (200, &Value::from(10_000)));
    let answer = client.request(&array(20_000));
    assert_too_fast(&answer);
    let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((4_000..=5_001).contains(&wait), "{wait}");
}

#[test]
fn behind_a_trusted_proxy_each_client_has_its_own_share() {
    let service = with_rate(2, &["127.0.0.3", "10.0.0.0/8"]);
    let by = |client: &'static str| [("x-forwarded-for", client)];
    exhaust(service.connect_from(PROXY), &by("6.6.6.6, 192.0.2.1, 10.0.0.9"));
    // One connection of a proxy carries requests of many.
    let mut proxy = service.connect_from(PROXY);
    assert_too_fast(&get(&mut proxy, &by("192.0.2.1")));
    assert_eq!(get(&mut proxy, &by("192.0.2.2")).status, 200);
    assert_too_fast(&get(&mut proxy, &[("forwarded", "for=192.0.2.1:4711")]));
    assert_eq!(get(&mut proxy, &by("6.6.6.6")).status, 200);
    // What the client puts in front, or into the other header, is no disguise.
    assert_too_fast(&get(&mut proxy, &by("192.0.2.77, 192.0.2.1")));
    let two = [("forwarded", "for=192.0.2.78"), ("x-forwarded-for", "192.0.2.1")];
    exhaust(service.connect_from(PROXY), &two);
    assert_too_fast(&get(&mut proxy, &by("unknown")));
    // The proxy's own requests, such as its probes, are not among those.
    assert_eq!(get(&mut proxy, &[]).status, 200);
}

#[test]
fn nobody_else_is_believed() {
    let service = with_rate(2, &["127.0.0.3"]);
    exhaust(service.connect_from(OTHER), &[("x-forwarded-for", "192.0.2.1")]);
    let mut other = service.connect_from(OTHER);
    for header in [("x-forwarded-for", "192.0.2.2"), ("forwarded", "for=192.0.2.3")] {
        assert_too_fast(&get(&mut other, &[header]));
    }
    let mut proxy = service.connect_from(PROXY);
    assert_eq!(get(&mut proxy, &[("x-forwarded-for", "192.0.2.1")]).status, 200);
}

#[test]
fn one_client_has_no_more_connections_than_it_may() {
    let service = Service::start_with(|config| {
        config.http.of_one_client.connections = NonZeroUsize::new(2);
        config.http.of_one_client.trusted_proxies = vec!["127.0.0.3".parse().unwrap()];
    });
    let serve = |mut client: Connection| {
        assert_eq!(client.request(&Request::get("/missions")).status, 200);
        client
    };
    let mut held: Vec<_> = (0..2).map(|_| serve(service.connect_from(OTHER))).collect();
    // It is answered without being asked.
    let mut third = service.connect_from(OTHER);
    let answer = third.receive();
    let detail = passing_problem(&answer, 429);
    assert!(detail.contains("--max-connections-per-client"), "{detail}");
    assert_eq!(kind(&answer), "/problems/client-connections");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(third.is_closed());
    let _others: Vec<_> = (0..2).map(|_| serve(service.connect_from([127, 0, 0, 4]))).collect();
    let _proxies: Vec<_> = (0..5).map(|_| serve(service.connect_from(PROXY))).collect();
    drop(held.pop());
    eventually("there is room for another", || {
        let answer = service.connect_from(OTHER).try_request(&Request::get("/missions"));
        answer.is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn the_flags_take_effect_and_the_log_names_the_one_that_is_reached() {
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0"]);
    command.args(["--max-rate-per-client=1000", "--max-connections-per-client=1"]);
    command.env("DOWNLINK_TRUSTED_PROXY", " UNIX,10.0.0.0/8 ");
    let process = Process::spawn(command);
    let mut held = None;
    eventually("the only place is there", || {
        let mut client = Connection::open(process.address);
        let is_served = client.try_request(&Request::get("/")).is_ok_and(|it| it.status == 200);
        held = is_served.then_some(client);
        is_served
    });
    assert_eq!(Connection::open(process.address).receive().status, 429);
    // What is owed for these takes far longer than to read them.
    let lines =
        Request::post("\n".repeat(1_000_000)).header("content-type", "application/x-ndjson");
    let mut held = held.unwrap();
    assert_eq!(held.request(&lines).status, 400);
    let answer = held.request(&Request::get("/"));
    assert_too_fast(&answer);
    process.terminate();
    let (status, log) = process.wait();
    assert!(status.success(), "{log}");
    for flag in ["--max-rate-per-client", "--max-connections-per-client"] {
        assert!(log.contains(&format!("\"flag\":\"{flag}\"")), "{flag}: {log}");
    }
}

#[test]
fn to_trust_everybody_as_a_proxy_is_warned_about() {
    for (proxies, is_warned) in
        [("10.0.0.0/8,0.0.0.0/0", true), ("::/0", true), ("10.0.0.0/8,fd00::/8,unix", false)]
    {
        let mut command = downlink();
        command.args(["--durability", "memory", "--listen=127.0.0.1:0", "--trusted-proxy"]);
        command.arg(proxies);
        let said = format!("{:?}", Logged::start(command).stop());
        assert_eq!(said.contains("--trusted-proxy takes everybody"), is_warned, "{said}");
    }
}
