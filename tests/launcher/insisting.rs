//! What happens when a service refuses, hangs, closes, or is not there.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::stub::{Reply, Stub};

/// Every message was accepted in the end.
fn assert_all_arrived(stub: &Stub, messages: usize) {
    let accepted = stub.seen().into_iter().filter(|seen| seen.accepted);
    let bodies: HashSet<String> = accepted.map(|seen| seen.body).collect();
    assert_eq!(bodies.len(), messages);
}

#[test]
fn a_503_is_sent_again_after_half_a_second() {
    let stub = Stub::answering(|n, _| match n {
        0 | 3 => Reply::Status(503, "{}"),
        _ => Reply::Accept,
    });
    let begun = Instant::now();
    let run = stub.launch(&["--max-messages=20", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(begun.elapsed().as_millis() >= 500);
    let seen = stub.seen();
    assert_eq!(seen.iter().filter(|request| request.body == seen[0].body).count(), 2);
    assert_all_arrived(&stub, 20);
    let report = run.json();
    assert_eq!(report["retries"], 2);
    assert_eq!(report["requests"], 22);
    assert_eq!(report["failed_requests"]["503"], 2);
    assert_eq!(report["acknowledged"], 20);
}

#[test]
fn retries_still_waiting_when_all_has_been_generated_are_not_dropped() {
    // The last ten messages are refused at first.
    let stub = Stub::answering(|n, _| match n {
        40..50 => Reply::Status(429, "buffer full"),
        _ => Reply::Accept,
    });
    let run = stub.launch(&["--max-messages=50", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_all_arrived(&stub, 50);
    assert_eq!(run.json()["retries"], 10);
}

#[test]
fn a_waiting_retry_does_not_hold_up_the_others() {
    let stub = Stub::answering(|n, _| match n {
        0 => Reply::Status(503, ""),
        _ => Reply::Accept,
    });
    let run = stub.launch(&["--max-messages=20", "--concurrency-level=1"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let seen = stub.seen();
    assert_eq!(seen.last().unwrap().body, seen[0].body);
}

#[test]
fn retries_do_not_keep_new_messages_from_being_sent() {
    // Nothing but the launch is taken until the last message has been seen, and
    // the service is so slow that retries alone could keep it busy.
    let last_seen = AtomicBool::new(false);
    let stub = Stub::answering(move |n, body| {
        #[expect(clippy::disallowed_methods, reason = "a slow service")]
        thread::sleep(Duration::from_millis(2));
        if body.contains(r#""messageNumber":500,"#) {
            last_seen.store(true, Ordering::Relaxed);
        }
        if n == 0 || last_seen.load(Ordering::Relaxed) {
            Reply::Accept
        } else {
            Reply::Status(429, "")
        }
    });
    let arguments = "--max-messages=500 --rockets=1 --concurrency-level=1 --give-up-after=5s";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let run = stub.launch(&arguments);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_all_arrived(&stub, 500);
}

#[test]
fn any_other_status_is_sent_again_too() {
    for status in [301, 400, 404, 500] {
        let stub = Stub::answering(move |n, _| match n {
            0 => Reply::Status(status, ""),
            _ => Reply::Accept,
        });
        let run = stub.launch(&["--max-messages=5"]);
        assert_eq!(run.code, 0, "{}", run.err);
        assert_all_arrived(&stub, 5);
    }
}

#[test]
fn a_connection_closed_without_an_answer_is_replaced() {
    let stub = Stub::answering(|n, _| match n {
        // The first request of a connection, and one of a connection in use.
        0 | 30 => Reply::Close,
        _ => Reply::Accept,
    });
    let run = stub.launch(&["--max-messages=60", "--json", "--concurrency-level=2"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_all_arrived(&stub, 60);
    assert_eq!(run.json()["failed_requests"]["connection closed"], 2);
}

#[test]
fn a_server_that_closes_connections_when_idle_or_after_an_answer_is_no_failure() {
    let stub =
        Stub::answering(
            |n, _| {
                if n % 2 == 0 { Reply::AcceptThenClose } else { Reply::AcceptAndSayClose }
            },
        );
    let arguments = "--max-messages=12 --message-delay=60ms --concurrency-level=1 --json";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let run = stub.launch(&arguments);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_all_arrived(&stub, 12);
    let connections: HashSet<usize> = stub.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections.len(), 12);
}

#[test]
fn a_request_that_is_not_answered_in_time_is_sent_again() {
    let stub = Stub::answering(|n, _| match n {
        0 => Reply::Hang(Duration::from_secs(60)),
        _ => Reply::Accept,
    });
    let run = stub.launch(&["--max-messages=5", "--request-timeout=300ms", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_all_arrived(&stub, 5);
    assert_eq!(run.json()["failed_requests"]["timed out"], 1);
}

#[test]
fn a_refused_connection_is_tried_again_until_the_service_is_there() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    drop(held);
    let url = format!("http://{address}/messages");
    let mut child = Command::new(env!("CARGO_BIN_EXE_rockets"))
        .args(["launch", &url, "--max-messages=10", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says so, and goes on trying.
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("; trying again") {
        assert!(log.read_line(&mut said).unwrap() > 0, "it ended: {said}");
    }
    assert!(said.contains(&url) && said.contains("refused"), "{said}");
    let stub = Stub::accepting_at(address);
    log.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_all_arrived(&stub, 10);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["failed_requests"]["connection refused"].as_u64() >= Some(1));
}

#[test]
fn without_progress_it_gives_up_exits_1_and_names_what_is_left() {
    let stub = Stub::answering(|n, _| match n {
        0..8 => Reply::Accept,
        _ => Reply::Status(503, r#"{"detail":"inbox full"}"#),
    });
    let arguments = ["--max-messages=10", "--give-up-after=1200ms"];
    let run = stub.launch(&[&arguments[..], &["--json"]].concat());
    assert_eq!(run.code, 1);
    let report = run.json();
    assert_eq!(report["outcome"], "gave_up");
    assert_eq!(report["not_acknowledged"], 2);
    assert_eq!(report["first_not_acknowledged"].as_array().unwrap().len(), 2);
    assert!(run.err.contains("2 of 10 messages were not acknowledged"), "{}", run.err);
    assert!(run.err.contains("503") && run.err.contains("inbox full"), "{}", run.err);
    let left = stub.seen().last().unwrap().body.clone();
    let channel = left.split('"').nth(5).unwrap();
    let named = report["first_not_acknowledged"].to_string();
    assert!(named.contains(channel), "{channel} in {named}");
}

#[test]
fn a_single_message_left_does_not_keep_it_from_giving_up() {
    let stub = Stub::answering(|n, _| match n {
        // To end all the same, should it insist.
        0..8 => Reply::Status(503, ""),
        _ => Reply::Accept,
    });
    let run = stub.launch(&["--max-messages=1", "--give-up-after=1200ms", "--json"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.json()["outcome"], "gave_up");
    assert!(run.err.contains("no acknowledgement for 1s 200ms"), "{}", run.err);
}

#[test]
fn messages_refused_for_good_end_the_run_with_what_the_server_said() {
    let stub = Stub::answering(|_, _| Reply::Status(404, r#"{"detail":"no such path"}"#));
    let run = stub.launch(&["--max-messages=100000", "--json"]);
    assert_eq!(run.code, 1);
    let report = run.json();
    assert_eq!(report["outcome"], "refused");
    assert_eq!(report["not_acknowledged"], 100_000);
    // Some hundred messages at most, ten times each.
    assert!(stub.seen().len() <= 1100, "{}", stub.seen().len());
    assert!(run.err.contains("404 Not Found: no such path"), "{}", run.err);
}

#[test]
fn one_message_refused_for_good_does_not_stop_the_others() {
    let stub = Stub::answering(|_, body| {
        if body.contains(r#""messageNumber":3,"#) {
            Reply::Status(422, r#"{"detail":"bad by"}"#)
        } else {
            Reply::Accept
        }
    });
    let run = stub.launch(&["--max-messages=200", "--rockets=1", "--verify"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("1 of 200 messages"), "{}", run.err);
    assert!(run.err.contains("422") && run.err.contains("bad by"), "{}", run.err);
    assert!(run.out.contains("#3 "), "{}", run.out);
    assert!(run.out.contains("not done: not everything was acknowledged"), "{}", run.out);
    assert_all_arrived(&stub, 199);
}

/// Runs until some messages arrived, and interrupts it then.
fn interrupted(arguments: &[&str]) -> std::process::Output {
    let stub = Stub::accepting();
    let child = Command::new(env!("CARGO_BIN_EXE_rockets"))
        .args(["launch", &stub.url(), "--message-delay=20ms"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while stub.seen().len() < 3 {
        #[expect(clippy::disallowed_methods, reason = "between looks")]
        thread::sleep(Duration::from_millis(10));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    child.wait_with_output().unwrap()
}

#[test]
fn an_interrupt_ends_the_run_with_a_report_and_exit_1() {
    let output = interrupted(&["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcome"], "interrupted");
    let left = report["not_acknowledged"].as_u64().unwrap();
    assert_eq!(report["acknowledged"].as_u64().unwrap() + left, 100_000);
    assert!(String::from_utf8(output.stderr).unwrap().contains("interrupted"));
}

#[test]
fn what_an_interrupt_kept_from_being_sent_is_not_called_lost() {
    let output = interrupted(&[]);
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("\nnot sent "), "{report}");
    let said = report + &String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("lost"), "{said}");
}

#[test]
fn a_report_that_nobody_reads_is_no_error_of_its_own() {
    let stub = Stub::accepting();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rockets"))
        .args(["launch", &stub.url(), "--max-messages=10"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
