//! Requests as large as they may be, and larger.

use super::raw::{self, Then, body, head, post};
use super::victim::Victim;

#[test]
fn heads_beyond_the_limits_are_refused_and_those_within_are_not() {
    let victim = Victim::start(&[]);
    let with = |headers: &str| {
        format!("GET /missions HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").into_bytes()
    };
    let line =
        |target: &str| format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes();
    let hidden = post("hidden");
    for (name, bytes, status) in [
        ("100 headers", with(&"x: y\r\n".repeat(99)), 200),
        ("101 headers", with(&"x: y\r\n".repeat(100)), 431),
        ("100,000 headers", with(&"x: y\r\n".repeat(100_000)), 431),
        ("a value of 60,000", with(&format!("x: {}\r\n", "y".repeat(60_000))), 200),
        ("a value of 200,000", with(&format!("x: {}\r\n", "y".repeat(200_000))), 431),
        ("a value of 10 MB", with(&format!("x: {}\r\n", "y".repeat(10_000_000))), 431),
        ("a name of 200,000", with(&format!("{}: y\r\n", "x".repeat(200_000))), 431),
        ("a path of 60,000", line(&format!("/{}", "a".repeat(60_000))), 404),
        ("a path of 200,000", line(&format!("/{}", "a".repeat(200_000))), 431),
        ("a query of 60,000", line(&format!("/rockets?{}", "a".repeat(60_000))), 400),
        ("15,000 parameters", line(&format!("/rockets?{}", "a=1&".repeat(15_000))), 400),
        ("a mission of 63,000", line(&format!("/rockets?mission={}", "%41".repeat(21_000))), 200),
        ("70,000 line ends", "\r\n".repeat(70_000).into_bytes(), 431),
    ] {
        let exchange = if status == 431 {
            let bytes = [bytes, hidden.clone()].concat();
            raw::talk(victim.address(), &bytes, Then::Nothing)
        } else {
            victim.talk(&bytes, "/rockets/last")
        };
        // What is small enough may go on, and then does so in step.
        let expected = if status == 431 { vec![431] } else { vec![status, 404] };
        assert_eq!(exchange.statuses, expected, "{name}");
    }
    assert!(!victim.has("hidden"));
    victim.recovers_from("heads");
}

#[test]
fn long_lists_in_headers_cost_little() {
    let victim = Victim::start(&[]);
    for (name, value) in [
        ("accept", "a/b;q=0.1,".repeat(6000)),
        ("accept", ",".repeat(60_000)),
        ("accept", format!("\"{}", "\\\"".repeat(30_000))),
        ("accept-encoding", "gzip;q=0.5,".repeat(5000)),
        ("if-none-match", "W/\"a\",".repeat(9000)),
        ("if-none-match", "\"".repeat(60_000)),
        ("content-type", format!("text/plain{}", ";a=b".repeat(15_000))),
        ("x-forwarded-for", "1.2.3.4, ".repeat(6000)),
        ("cookie", "a=b; ".repeat(12_000)),
        ("connection", "x,".repeat(30_000)),
    ] {
        for n in 0..20 {
            let id = format!("{name}-{n}");
            let length = body(&id).len();
            let message = head(&format!("{name}: {value}\r\ncontent-length: {length}\r\n"));
            let read = format!(
                "GET /rockets?limit=10 HTTP/1.1\r\nhost: localhost\r\n{name}: {value}\r\n\r\n"
            );
            let bytes = [message, body(&id), read.into_bytes()].concat();
            let statuses = victim.talk(&bytes, "/readyz").statuses;
            assert_eq!(statuses.len(), 3, "{name}: {statuses:?}");
            assert!([200, 204].contains(&statuses[0]), "{name}: {statuses:?}");
            assert_eq!(statuses[1..], [200, 200], "{name}");
        }
    }
    victim.recovers_from("lists");
    assert_eq!(victim.logged("panicked"), 0);
}
