//! `POST /messages` with one message a line.

use crate::support::fleet::{Last, TestFleet, parse, shape};
use crate::support::journal::HeldJournal;
use crate::support::{
    self, Request, Response, Service, messages, oracle, passing_problem, problem,
};
use downlink::fleet::intake::Intake;
use downlink::fleet::outcome::SubmitError;
use serde_json::{Value, json};

fn bulk(lines: &[String]) -> Request {
    Request::post(lines.join("\n")).header("Content-Type", "application/x-ndjson")
}

fn lines(messages: &[Value]) -> Vec<String> {
    messages.iter().map(ToString::to_string).collect()
}

fn counts(answer: &Response) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("errors");
    body
}

#[test]
fn lines_are_counted_by_their_outcome() {
    let service = Service::start();
    let sent = [
        messages::launch("a"),
        messages::speed_up("a", 2, 5),
        messages::speed_up("a", 2, 5),
        messages::launch("b"),
        messages::speed_up("b", 3, 5),
    ];
    let mut all = lines(&sent);
    // Blank lines and line ends of either kind do not count.
    all.insert(2, "  \r".to_owned());
    all.push(String::new());
    let answer = service.send(&bulk(&all));
    let expected =
        json!({"status": "success", "applied": 3, "buffered": 1, "duplicate": 1, "rejected": 0});
    assert_eq!(counts(&answer), expected);
    assert_eq!(answer.json()["errors"], json!([]));
    assert_eq!(service.read("/rockets"), Value::from(oracle::rockets(&sent)));
}

#[test]
fn bad_lines_are_told_and_leave_the_others_alone() {
    let service = Service::start();
    let mut all = vec!["{".to_owned(), messages::launch("a").to_string(), String::new()];
    all.push(messages::launch("b").to_string().replace("Falcon-9", ""));
    all.push("x".repeat(70_000));
    all.push(messages::speed_up("a", 2, 1).to_string());
    let answer = service.send(&bulk(&all));
    let expected =
        json!({"status": "partial", "applied": 2, "buffered": 0, "duplicate": 0, "rejected": 3});
    assert_eq!(counts(&answer), expected);
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap();
    for (error, (line, text)) in errors.iter().zip([
        (1, "not valid JSON"),
        (4, "message.type"),
        (5, "larger than 65536 bytes"),
    ]) {
        assert_eq!(error["line"], line, "{error}");
        assert!(error["error"].as_str().unwrap().contains(text), "{error}");
        assert_eq!(error.get("retry"), None, "{error}");
    }
    assert_eq!(service.read("/rockets/a")["last_message_number"], 2);
}

#[test]
fn only_the_first_hundred_errors_are_shown_in_order() {
    let service = Service::start();
    let mut all = vec!["nonsense".to_owned(); 250];
    all.push(messages::launch("a").to_string());
    let body = service.send(&bulk(&all)).json();
    assert_eq!(body["rejected"], 250);
    let shown: Vec<_> =
        body["errors"].as_array().unwrap().iter().map(|e| e["line"].as_u64().unwrap()).collect();
    assert_eq!(shown, (1..=100).collect::<Vec<_>>());
}

#[test]
fn nothing_but_bad_lines_is_422_with_the_errors() {
    let service = Service::start();
    let answer = service.send(&bulk(&["[]".to_owned(), "{".to_owned()]));
    assert_eq!(answer.status, 422);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let body = answer.json();
    assert_eq!((&body["status"], &body["rejected"]), (&json!(422), &json!(2)));
    assert_eq!(body["errors"][1]["line"], 2);
    assert_eq!(body["error"], body["detail"]);
}

#[test]
fn a_shuffled_fleet_over_many_chunks_is_folded_as_one() {
    let service = Service::start_with(|config| config.workers = 3);
    let mut sent: Vec<Value> = Vec::new();
    for number in (1..=3000).rev() {
        for rocket in ["a", "b", "c", "0e9e9df5-38fd-52e2-916f-c858b9eb4ea5"] {
            sent.push(if number == 1 {
                messages::launch(rocket)
            } else {
                messages::speed_up(rocket, number, 1)
            });
        }
    }
    let whole = bulk(&lines(&sent));
    assert_eq!(counts(&service.send(&whole))["rejected"], 0);
    let again = counts(&service.send(&whole.chunked(1000)));
    assert_eq!(again["duplicate"], 12_000);
    assert_eq!(service.read("/rockets"), Value::from(oracle::rockets(&sent)));
}

#[test]
fn a_full_buffer_refuses_lines_that_may_be_sent_again() {
    let service = Service::start_with(|config| config.limits.buffered_per_rocket = 2);
    let sent = [
        messages::launch("a"),
        messages::speed_up("a", 5, 1),
        messages::speed_up("a", 4, 1),
        messages::speed_up("a", 6, 1),
        messages::speed_up("a", 2, 1),
    ];
    let answer = service.send(&bulk(&lines(&sent)));
    assert_eq!(counts(&answer)["rejected"], 1);
    let error = &answer.json()["errors"][0];
    assert_eq!((&error["line"], &error["retry"]), (&json!(4), &json!(true)));
}

#[test]
fn a_full_inbox_takes_what_fits_and_refuses_the_rest_for_now() {
    // The worker never reads its mail, so what was taken is never answered.
    let service = Service::wired(HeldJournal::new(), Last::Unread, |config| {
        config.workers = 1;
        config.inbox_capacity = 3;
        config.http.request_timeout = std::time::Duration::from_millis(300);
    });
    let sent: Vec<_> = (1..=5).map(|number| messages::speed_up("a", number, 1)).collect();
    let answer = service.send(&bulk(&lines(&sent)));
    let detail = passing_problem_with_errors(&answer);
    assert_eq!(detail, "every message was refused for now");
    let body = answer.json();
    let texts: Vec<_> =
        body["errors"].as_array().unwrap().iter().map(|e| e["error"].as_str().unwrap()).collect();
    assert!(texts[2].contains("not acknowledged in time"), "{texts:?}");
    assert!(texts[3].contains("too many messages wait"), "{texts:?}");
}

fn passing_problem_with_errors(answer: &Response) -> String {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_body_over_the_limit_is_413_chunked_or_not() {
    let service = Service::start_with(|config| config.http.max_bulk_body = 2000);
    let sent: Vec<_> = (1..=20).map(|number| messages::speed_up("a", number, 1)).collect();
    let request = bulk(&lines(&sent));
    problem(&service.send(&request), 413);
    // Told by its length, it is refused before any line of it is taken.
    problem(&service.get("/rockets/a"), 404);
    problem(&service.send(&request.chunked(700)), 413);
}

#[test]
fn while_nothing_can_be_kept_the_whole_request_is_refused() {
    let journal = HeldJournal::new();
    let service = Service::over(journal.clone(), |_| {});
    let launch = Request::message(&messages::launch("a"));
    let mut connection = service.connect();
    connection.send(&launch.to_bytes());
    support::eventually("a batch waits", || journal.waiting() == 1);
    journal.fail("gone");
    passing_problem(&connection.receive(), 503);
    passing_problem(&service.send(&bulk(&lines(&[messages::launch("b")]))), 503);
    journal.release();
    service.stop_after_failure();
}

#[test]
fn a_refused_sender_that_sends_all_before_it_reads_hears_why() {
    let journal = HeldJournal::new();
    let service = Service::over(journal.clone(), |_| {});
    let mut connection = service.connect();
    connection.send(&Request::message(&messages::launch("a")).to_bytes());
    support::eventually("a batch waits", || journal.waiting() == 1);
    journal.fail("gone");
    passing_problem(&connection.receive(), 503);
    let lines = vec![messages::launch("b").to_string(); 50_000];
    let mut connection = service.connect();
    connection.send(&bulk(&lines).to_bytes());
    passing_problem(&connection.receive(), 503);
    journal.release();
    service.stop_after_failure();
}

/// What is late is the journal, and not the client.
#[test]
fn lines_that_take_too_long_to_keep_are_503_with_what_was_taken() {
    let journal = HeldJournal::new();
    let mut service = Service::over(journal.clone(), |config| {
        config.workers = 1;
        config.http.request_timeout = std::time::Duration::from_millis(500);
    });
    let sent: Vec<_> = (1..=40_000).map(|n| messages::speed_up("a", n, 1).to_string()).collect();
    let answer = service.send(&bulk(&sent));
    let detail = passing_problem_with_errors(&answer);
    assert!(detail.starts_with("not all lines were taken in time"), "{detail}");
    let body = answer.json();
    assert_eq!((&body["applied"], &body["errors"][0]["retry"]), (&json!(0), &json!(true)));
    // And the lines behind those that were late were never handed over: nobody
    // would have waited for them. A stop finishes whatever was.
    service.begin_stop();
    let mut handed_over = 0;
    support::eventually("the service has ended", || {
        let batches = std::iter::from_fn(|| journal.commit_oldest());
        handed_over += batches.map(|keys| keys.len()).sum::<usize>();
        service.has_ended()
    });
    let refused = body["rejected"].as_u64().unwrap();
    assert!(handed_over > 0 && (handed_over as u64) < refused, "{handed_over} of {refused}");
    assert!(refused < 20_000, "{refused}");
}

#[tokio::test]
async fn what_is_not_handed_over_for_want_of_time_is_told_as_that() {
    let fleet = TestFleet::start(shape(), HeldJournal::new());
    // Nothing is in any inbox.
    let mut intake = Intake::new(fleet.fleet.clone(), tokio::time::Instant::now());
    intake.push((), parse(&messages::launch("a")));
    let mut told = Vec::new();
    intake.finish(&mut |(), result| told.push(result)).await;
    assert_eq!(told, [Err(SubmitError::NotTaken)]);
    fleet.stop().await;
}

/// However few lines of it each partition gets.
#[test]
fn a_long_body_is_handed_over_before_its_end() {
    let service = Service::start_with(|config| config.workers = 64);
    let lines: String =
        (0..9000).map(|n| format!("{}\n", messages::launch(&n.to_string()))).collect();
    let mut connection = service.connect();
    let head = "POST /messages HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/x-ndjson\r\nContent-Length: 9000000\r\n\r\n";
    connection.send(head.as_bytes());
    connection.send(lines.as_bytes());
    support::eventually("rockets are launched", || {
        service.get("/rockets?limit=1").header("x-total-count").unwrap() != "0"
    });
}
