//! Several messages in a request.

use std::collections::HashMap;

use super::stub::{Reply, Stub};

const ALL_TAKEN: Reply = Reply::Status(200, r#"{"status":"success","rejected":0,"errors":[]}"#);

/// The lines of each request.
fn requests(stub: &Stub) -> Vec<Vec<String>> {
    let lines = |body: &str| body.lines().map(str::to_owned).collect();
    stub.seen().iter().map(|seen| lines(&seen.body)).collect()
}

#[test]
fn every_message_goes_out_once_as_a_line_of_its_own() {
    let stub = Stub::answering(|_, _| ALL_TAKEN);
    let run = stub.launch(&["--max-messages=1050", "--bulk=100", "--shuffle=50", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let requests = requests(&stub);
    assert!(requests.iter().all(|lines| lines.len() <= 100));
    let mut lines: Vec<_> = requests.concat();
    assert_eq!(lines.len(), 1050);
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 1050);
    for seen in stub.seen() {
        assert_eq!(seen.headers["content-type"], "application/x-ndjson");
        assert!(seen.body.ends_with("}\n"));
    }
    let report = run.json();
    assert_eq!(report["acknowledged"], 1050);
    assert_eq!(report["requests"], 11);
    assert_eq!(report["retries"], 0);
}

#[test]
fn of_a_request_only_the_rejected_lines_are_sent_again() {
    let stub = Stub::answering(|n, _| match n {
        0 => Reply::Status(
            200,
            r#"{"status":"partial","rejected":2,"errors":[
                {"line":2,"error":"later","retry":true},{"line":5,"error":"never"}]}"#,
        ),
        _ => ALL_TAKEN,
    });
    let run = stub.launch(&["--max-messages=30", "--bulk=10", "--concurrency-level=1", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let requests = requests(&stub);
    assert_eq!(requests.len(), 4);
    assert_eq!(requests[3], [requests[0][1].clone(), requests[0][4].clone()]);
    let report = run.json();
    assert_eq!(report["retries"], 2);
    assert_eq!(report["acknowledged"], 30);
    assert_eq!(report["failed_requests"]["line refused for now"], 1);
    assert_eq!(report["failed_requests"]["line rejected"], 1);
}

#[test]
fn lines_behind_the_last_rejection_that_is_named_may_be_among_the_rest() {
    let stub = Stub::answering(|n, _| match n {
        0 => Reply::Status(
            200,
            r#"{"status":"partial","rejected":3,"errors":[{"line":4,"error":"x","retry":true}]}"#,
        ),
        _ => ALL_TAKEN,
    });
    let run = stub.launch(&["--max-messages=10", "--bulk=10", "--concurrency-level=1"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let requests = requests(&stub);
    assert_eq!(requests[1], requests[0][3..]);
}

#[test]
fn a_request_that_fails_is_sent_again_whole() {
    let stub = Stub::answering(|n, _| match n {
        0 => Reply::Status(503, "{}"),
        // Accepted, but nobody can tell what.
        1 => Reply::Status(200, "{"),
        _ => ALL_TAKEN,
    });
    let run = stub.launch(&["--max-messages=20", "--bulk=10", "--concurrency-level=1", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let mut times: HashMap<String, usize> = HashMap::new();
    for line in requests(&stub).concat() {
        *times.entry(line).or_default() += 1;
    }
    assert_eq!(times.len(), 20);
    assert!(times.values().all(|&times| times == 2));
    assert_eq!(run.json()["retries"], 20);
}

#[test]
fn lines_that_are_never_accepted_are_given_up_and_named() {
    let stub = Stub::answering(|_, body| match body.lines().count() {
        1 => Reply::Status(422, r#"{"detail":"every line was rejected"}"#),
        _ => Reply::Status(
            200,
            r#"{"status":"partial","rejected":1,"errors":[{"line":1,"error":"no"}]}"#,
        ),
    });
    let run = stub.launch(&["--max-messages=3", "--bulk=3", "--concurrency-level=1", "--json"]);
    assert_eq!(run.code, 1);
    let report = run.json();
    assert_eq!(report["acknowledged"], 2);
    assert_eq!(report["refused"], 1);
    assert_eq!(report["first_not_acknowledged"].as_array().unwrap().len(), 1);
}
