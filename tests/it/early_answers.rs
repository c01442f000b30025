//! Answers that are known before the request's body is there, to clients that
//! write all of it before they read.

use std::time::{Duration, Instant};

use crate::support::messages::launch;
use crate::support::{Connection, Request, Service, problem};

const MEGABYTE: usize = 1_000_000;

/// What is refused or answered whatever its body holds.
fn early() -> Vec<(&'static str, &'static str, &'static str, u16)> {
    vec![
        ("POST", "/message", "text/plain", 404),
        ("POST", "/rockets", "application/json", 405),
        ("PUT", "/messages", "application/json", 405),
        // Not JSON, which might be an array, for which there is more room.
        ("POST", "/messages", "text/plain", 413),
        ("GET", "/missions", "application/json", 200),
        ("GET", "/missions?x=1", "application/json", 400),
        ("POST", "localhost", "application/json", 400),
    ]
}

fn head(method: &str, target: &str, media: &str, length: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media}\r\n{length}\r\n\r\n"
    )
}

/// Sends everything, at some `pace`, and only then looks for an answer.
fn late_reader(service: &Service, head: &str, body: &[u8], pace: Duration) -> Connection {
    let mut client = service.connect();
    client.send(head.as_bytes());
    for piece in body.chunks(64 * 1024) {
        client.send(piece);
        std::thread::sleep(pace);
    }
    client
}

#[test]
fn a_client_that_writes_all_before_it_reads_sees_the_status() {
    let service = Service::start();
    for megabytes in [2, 10] {
        let body = vec![b'x'; megabytes * MEGABYTE];
        let length = format!("content-length: {}", body.len());
        for (method, target, media, status) in early() {
            let head = head(method, target, media, &length);
            for pace in [Duration::ZERO, Duration::from_millis(1)] {
                let mut client = late_reader(&service, &head, &body, pace);
                let answer = client.receive();
                assert_eq!(answer.status, status, "{method} {target}: {}", answer.text());
                assert_eq!(answer.header("connection"), Some("close"), "{method} {target}");
                assert!(client.is_closed(), "{method} {target}");
            }
        }
    }
    assert_eq!(service.get("/readyz").status, 200);
}

#[test]
fn chunks_without_end_are_let_go_with_the_status() {
    let service = Service::start();
    for (method, target, media, status) in early() {
        let head = head(method, target, media, "transfer-encoding: chunked");
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        let mut client = late_reader(&service, &head, chunk.repeat(40).as_bytes(), Duration::ZERO);
        let answer = client.receive();
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.header("connection"), Some("close"), "{method} {target}");
    }
}

#[test]
fn a_bulk_request_that_is_refused_early_is_told_so() {
    let service = Service::start_with(|config| config.http.max_bulk_body = MEGABYTE);
    let body = vec![b'\n'; 10 * MEGABYTE];
    for length in [format!("content-length: {}", body.len()), "transfer-encoding: chunked".into()] {
        let head = head("POST", "/messages", "application/x-ndjson", &length);
        let body = if length.starts_with("content") {
            body.clone()
        } else {
            [b"989680\r\n", &body[..], b"\r\n0\r\n\r\n"].concat()
        };
        let mut client = late_reader(&service, &head, &body, Duration::ZERO);
        problem(&client.receive(), 413);
    }
}

#[test]
fn a_request_after_an_early_answer_is_never_taken_for_a_body() {
    let service = Service::start();
    for (method, target, media, status) in early() {
        let mut client = service.connect();
        let next = Request::message(&launch("smuggled")).to_bytes();
        // It waits to be asked, is not, and so sends its next request.
        let length = format!("expect: 100-continue\r\ncontent-length: {}", 1000 * next.len());
        client.send(head(method, target, media, &length).as_bytes());
        let answer = client.receive();
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.header("connection"), Some("close"), "{method} {target}");
        // Too late, or not: it is not answered, and not taken in.
        let _ = client.try_send(&next);
        assert!(client.is_closed(), "{method} {target}");
    }
    assert_eq!(service.read("/missions")["missions"].as_array().unwrap().len(), 0);
}

#[test]
fn a_small_body_that_nobody_wants_does_not_cost_the_connection() {
    let service = Service::start();
    let mut client = service.connect();
    for (method, target, media, status) in early() {
        if target == "localhost" || status == 413 {
            continue;
        }
        for length in [0, 1, 1000, 100_000] {
            client
                .send(head(method, target, media, &format!("content-length: {length}")).as_bytes());
            client.send(&vec![b'x'; length]);
            let answer = client.receive();
            assert_eq!(answer.status, status, "{method} {target} {length}");
            assert_eq!(answer.header("connection"), None, "{method} {target} {length}");
        }
    }
    let next = Request::message(&launch("a"));
    assert_eq!(client.request(&next).outcome(), "applied");
}

#[test]
fn a_client_that_goes_on_for_ever_is_let_go() {
    let service = Service::start_with(|config| config.http.max_connections = 1);
    let mut client = service.connect();
    client.send(head("POST", "/nowhere", "text/plain", "content-length: 1000000000").as_bytes());
    let start = Instant::now();
    let mut sent = 0;
    while client.try_send(&vec![b'x'; 65_536]).is_ok() {
        sent += 65_536;
    }
    assert!(sent < 100 * MEGABYTE, "{sent} bytes in {:?}", start.elapsed());
    // There is no other place to be served in.
    assert_eq!(service.get("/readyz").status, 200);
}
