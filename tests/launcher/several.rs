//! Several services of one fleet: they take turns, and the others take over from one
//! that fails.

use std::time::Duration;

use serde_json::{Value, json};

use super::stub::{Reply, Run, Stub, rockets};

fn launch(stubs: &[&Stub], arguments: &[&str]) -> Run {
    let urls: Vec<_> = stubs.iter().map(|stub| stub.url()).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    rockets(&[&["launch"], &urls[..], arguments].concat())
}

fn numbers(stub: &Stub) -> Vec<String> {
    let name = |message: &Value| {
        let metadata = &message["metadata"];
        format!("{} {}", metadata["channel"], metadata["messageNumber"])
    };
    stub.messages().iter().map(name).collect()
}

#[test]
fn they_take_turns() {
    let stubs = [Stub::accepting(), Stub::accepting(), Stub::accepting()];
    let run = launch(&[&stubs[0], &stubs[1], &stubs[2]], &["--max-messages=600"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    for stub in &stubs {
        assert_eq!(stub.messages().len(), 200);
    }
    // Separated by commas is the same.
    let stubs = [Stub::accepting(), Stub::accepting()];
    let urls = format!("{},{}", stubs[0].url(), stubs[1].url());
    let run = rockets(&["launch", &urls, "--max-messages=10", "--json"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert_eq!(run.json()["url"], json!(format!("{}, {}", stubs[0].url(), stubs[1].url())));
    assert_eq!(stubs.map(|stub| stub.messages().len()), [5, 5]);
}

#[test]
fn the_others_take_over_at_once_from_one_that_fails() {
    let refuses = Stub::answering(|_, _| Reply::Status(503, ""));
    let hangs = Stub::answering(|_, _| Reply::Hang(Duration::from_secs(60)));
    let closes = Stub::answering(|_, _| Reply::Close);
    for fails in [refuses, hangs, closes] {
        let good = Stub::accepting();
        let arguments = ["--max-messages=500", "--request-timeout=1s", "--json"];
        let run = launch(&[&fails, &good], &arguments);
        assert_eq!(run.code, 0, "{}{}", run.out, run.err);
        assert_eq!(numbers(&good).len(), 500);
        // It is passed over, and asked now and then.
        assert!(fails.seen().len() < 50, "{}", fails.seen().len());
    }
}

#[test]
fn one_that_comes_back_is_asked_again() {
    // Some answers of 503, and then all is well.
    let stub = Stub::answering(|n, _| if n < 2 { Reply::Status(503, "") } else { Reply::Accept });
    let good = Stub::accepting();
    let run = launch(&[&stub, &good], &["--max-messages=2000", "--rate=1000/s"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(stub.messages().len() > 100, "{}", stub.messages().len());
    assert_eq!(stub.messages().len() + good.messages().len(), 2000);
}

#[test]
fn what_is_refused_for_good_is_not_for_others_to_take() {
    let refuses = Stub::answering(|_, _| Reply::Status(400, ""));
    let good = Stub::accepting();
    let run = launch(&[&refuses, &good], &["--max-messages=10", "--json"]);
    assert_eq!(run.json()["failed_requests"]["400"], json!(refuses.seen().len()));
    assert!(!refuses.seen().is_empty());
}
