//! Every bound holds when it is reached: the refusal has its status, says when
//! to try again, and leaves what was accepted as it is.

use std::time::Duration;

use crate::support::fleet::Last;
use crate::support::journal::HeldJournal;
use crate::support::logged::Logged;
use crate::support::messages::{launch, speed_up};
use crate::support::process::downlink;
use crate::support::service::wide;
use crate::support::{
    self, Connection, Request, Response, Service, on_one_thread_and_on_several, passing_problem,
    problem,
};
use downlink::fleet::limits::Limits;
use downlink::journal::memory::MemoryJournal;
use serde_json::Value;

/// Short enough to wait for. Nothing but reaching it depends on it.
const SOON: Duration = Duration::from_secs(1);

fn limited(change: impl FnOnce(&mut Limits)) -> Service {
    let mut limits = wide();
    change(&mut limits);
    Service::start_with(|config| {
        config.limits = limits;
        config.workers = 4;
    })
}

#[track_caller]
fn refused(connection: &mut Connection, message: &Value, status: u16) -> String {
    passing_problem(&connection.request(&Request::message(message)), status)
}

#[test]
fn a_full_inbox_refuses_messages_until_it_drains() {
    on_one_thread_and_on_several(full_inbox);
}

fn full_inbox(threads: usize) {
    let journal = HeldJournal::new();
    let service = Service::over(journal.clone(), |config| {
        config.threads = threads;
        config.workers = 1;
        config.inbox_capacity = 2;
    });
    // Nothing is committed, so at most a few of these find room.
    let mut clients: Vec<_> = (0..50)
        .map(|n| {
            let mut client = service.connect();
            client.send(&Request::message(&launch(&n.to_string())).to_bytes());
            client
        })
        .collect();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let answers: Vec<_> =
            clients.iter_mut().map(|client| scope.spawn(|| client.receive())).collect();
        support::eventually("most are refused", || {
            answers.iter().filter(|answer| answer.is_finished()).count() >= 40
        });
        // Readers still get their turn.
        assert_eq!(service.read("/rockets"), Value::Array(Vec::new()));
        journal.release();
        answers.into_iter().map(|answer| answer.join().unwrap()).collect()
    });
    let mut accepted = Vec::new();
    for (n, answer) in answers.iter().enumerate() {
        if answer.status == 200 {
            accepted.push(n.to_string());
        } else {
            passing_problem(answer, 503);
        }
    }
    assert!(!accepted.is_empty());
    accepted.sort();
    let rockets = service.read("/rockets");
    let shown: Vec<_> =
        rockets.as_array().unwrap().iter().map(|rocket| rocket["id"].as_str().unwrap()).collect();
    assert_eq!(shown, accepted);
    for n in 0..50 {
        service.post(&[launch(&n.to_string())]);
    }
    assert_eq!(service.read("/rockets").as_array().unwrap().len(), 50);
}

#[test]
fn a_full_reorder_buffer_refuses_all_but_the_awaited_message() {
    let service = limited(|limits| limits.buffered_per_rocket = 3);
    let mut connection = service.connect();
    let outcome = service.post(&[speed_up("a", 2, 1), speed_up("a", 4, 1), speed_up("a", 5, 1)]);
    assert_eq!(outcome, "buffered");
    for number in [3, 6, 9_000] {
        let detail = refused(&mut connection, &speed_up("a", number, 1), 429);
        assert!(detail.contains('3'), "{detail}");
    }
    // What waits is known, other rockets have room of their own.
    assert_eq!(service.post(&[speed_up("a", 4, 1)]), "duplicate");
    assert_eq!(service.post(&[speed_up("b", 2, 1)]), "buffered");

    assert_eq!(service.post(&[launch("a")]), "applied");
    let rocket = service.read("/rockets/a");
    assert_eq!(
        (&rocket["last_message_number"], &rocket["buffered_messages"]),
        (&2.into(), &2.into())
    );
    assert_eq!(service.post(&[speed_up("a", 6, 1)]), "buffered");
    refused(&mut connection, &speed_up("a", 7, 1), 429);
    assert_eq!(service.post(&[speed_up("a", 3, 1)]), "applied");
    assert_eq!(service.post(&[speed_up("a", 7, 1)]), "applied");
    let rocket = service.read("/rockets/a");
    assert_eq!((&rocket["speed"], &rocket["buffered_messages"]), (&506.into(), &0.into()));
}

#[test]
fn a_full_fleet_wide_buffer_refuses_all_but_awaited_messages() {
    let service = limited(|limits| limits.buffered = 3);
    let mut connection = service.connect();
    service.post(&[speed_up("a", 2, 1), speed_up("a", 3, 1), speed_up("b", 2, 1)]);
    for message in [speed_up("c", 2, 1), speed_up("a", 4, 1), speed_up("b", 3, 1)] {
        let detail = refused(&mut connection, &message, 429);
        assert!(detail.contains("fleet"), "{detail}");
    }
    assert_eq!(service.post(&[speed_up("a", 3, 1)]), "duplicate");
    assert_eq!(service.post(&[launch("c")]), "applied");
    assert_eq!(service.post(&[launch("a")]), "applied");
    // Two have left.
    assert_eq!(service.post(&[speed_up("d", 2, 1), speed_up("d", 3, 1)]), "buffered");
    refused(&mut connection, &speed_up("d", 4, 1), 429);
    assert_eq!(service.post(&[launch("b"), launch("d")]), "applied");
    assert_eq!(service.read("/rockets/d")["last_message_number"], 3);
    let room = [speed_up("e", 2, 1), speed_up("e", 3, 1), speed_up("e", 4, 1)];
    assert_eq!(service.post(&room), "buffered");
    refused(&mut connection, &speed_up("e", 5, 1), 429);
}

#[test]
fn a_full_fleet_refuses_new_rockets_and_serves_those_it_has() {
    let service = limited(|limits| {
        limits.rockets = 2;
        limits.buffered = 1;
    });
    let mut connection = service.connect();
    assert_eq!(service.post(&[launch("a")]), "applied");
    assert_eq!(service.post(&[speed_up("b", 2, 1)]), "buffered");
    for channel in ["c", "d", "e", "c"] {
        let answer = connection.request(&Request::message(&launch(channel)));
        assert!(problem(&answer, 503).contains('2'), "{}", answer.text());
        assert_eq!(support::kind(&answer), "/problems/fleet-full");
        // It stays full.
        assert_eq!(answer.header("retry-after"), None);
        problem(&service.get(&format!("/rockets/{channel}")), 404);
    }
    assert_eq!(service.post(&[launch("a")]), "duplicate");
    assert_eq!(service.post(&[launch("b")]), "applied");
    // An early message that finds no place among the rockets leaves its place
    // among the early ones.
    for channel in ["c", "d", "e"] {
        problem(&connection.request(&Request::message(&speed_up(channel, 2, 1))), 503);
    }
    let lines = format!("{}\n{}\n", launch("f"), launch("a"));
    let many = Request::post(lines).header("content-type", "application/x-ndjson");
    let errors = connection.request(&many).json()["errors"].clone();
    assert_eq!(errors[0]["line"], 1);
    assert_eq!(errors[0].get("retry"), None, "{errors}");
    assert_eq!(service.post(&[speed_up("a", 3, 1)]), "buffered");
    assert_eq!(service.post(&[speed_up("a", 2, 1)]), "applied");
    assert_eq!(service.read("/rockets").as_array().unwrap().len(), 2);
}

#[test]
fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let service = Service::start_with(|config| config.http.max_body = 1000);
    let mut connection = service.connect();
    let padded = |channel: &str, length: usize| {
        let message = launch(channel).to_string();
        format!("{message}{}", " ".repeat(length - message.len()))
    };
    let fits = Request::post(padded("a", 1000)).header("accept", "*/*");
    assert_eq!(connection.request(&fits).outcome(), "applied");
    let fits = Request::post(padded("b", 1000)).header("accept", "*/*").chunked(7);
    assert_eq!(connection.request(&fits).outcome(), "applied");
    for length in [1001, 100_000] {
        for chunk in [None, Some(7), Some(1000), Some(1_000_000)] {
            let mut request = Request::post(padded("c", length));
            if let Some(size) = chunk {
                request = request.chunked(size);
            }
            let detail = problem(&connection.request(&request), 413);
            assert!(detail.contains("1000"), "{detail}");
        }
    }
    // A client that sends megabytes before it listens still hears of it.
    problem(&service.send(&Request::post(padded("c", 3 << 20))), 413);
    problem(&service.get("/rockets/c"), 404);
    assert_eq!(service.post(&[launch("c")]), "applied");
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_answered_408() {
    let service = Service::start_with(|config| config.http.request_timeout = SOON);
    let request = Request::message(&launch("a")).to_bytes();
    let chunked = Request::message(&launch("a")).chunked(50).to_bytes();
    for bytes in [&request[..request.len() - 1], &chunked[..chunked.len() - 5]] {
        let mut connection = service.connect();
        connection.send(bytes);
        problem(&connection.receive(), 408);
        assert!(connection.is_closed());
    }
    assert_eq!(service.read("/rockets"), Value::Array(Vec::new()));
}

#[test]
fn a_message_that_is_not_kept_in_time_is_answered_503_and_counts_once() {
    let journal = HeldJournal::new();
    let service = Service::over(journal.clone(), |config| config.http.request_timeout = SOON);
    let mut connection = service.connect();
    let detail = refused(&mut connection, &launch("a"), 503);
    assert!(detail.contains("send it again"), "{detail}");
    journal.release();
    assert_eq!(connection.request(&Request::message(&launch("a"))).outcome(), "duplicate");
    assert_eq!(service.read("/rockets").as_array().unwrap().len(), 1);
}

#[test]
fn a_query_that_one_partition_does_not_answer_fails_whole() {
    for last in [Last::Unread, Last::Gone] {
        let service =
            Service::wired(std::sync::Arc::new(MemoryJournal::default()), last, |config| {
                config.workers = 3;
                config.http.request_timeout = SOON;
            });
        // Enough that some belong to each partition. All at once, since some
        // have to wait.
        let channels: Vec<_> = (0..24).map(|n| n.to_string()).collect();
        let posts = channels.iter().map(|channel| Request::message(&launch(channel)));
        let kept: Vec<_> = all_at_once(&service, posts)
            .iter()
            .map(|answer| answer.status == 200 || passing_problem(answer, 503).is_empty())
            .collect();
        assert!(kept.contains(&true));
        let targets = [
            "/rockets",
            "/rockets?limit=1",
            "/rockets?sort=speed",
            "/rockets?sort=id&limit=1",
            "/rockets?mission=artemis",
            "/missions",
            "/missions/ARTEMIS",
        ];
        for answer in all_at_once(&service, targets.map(Request::get)) {
            passing_problem(&answer, 503);
        }
        let gets = channels.iter().map(|channel| Request::get(&format!("/rockets/{channel}")));
        for (answer, kept) in all_at_once(&service, gets).iter().zip(kept) {
            if kept {
                assert_eq!(answer.status, 200, "{}", answer.text());
            } else {
                passing_problem(answer, 503);
            }
        }
    }
}

fn all_at_once(service: &Service, requests: impl IntoIterator<Item = Request>) -> Vec<Response> {
    let mut clients: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let mut client = service.connect();
            client.send(&request.to_bytes());
            client
        })
        .collect();
    clients.iter_mut().map(Connection::receive).collect()
}

#[test]
fn connections_beyond_the_most_wait_for_a_place() {
    let service = Service::start_with(|config| config.http.max_connections = 2);
    let mut first = service.connect();
    let mut second = service.connect();
    for connection in [&mut first, &mut second] {
        assert_eq!(connection.request(&Request::get("/readyz")).status, 200);
    }
    let mut third = service.connect();
    third.send(&Request::get("/readyz").to_bytes());
    for _ in 0..100 {
        assert_eq!(first.request(&Request::get("/readyz")).status, 200);
        assert_eq!(second.request(&Request::get("/readyz")).status, 200);
    }
    assert!(!third.has_data(), "the third is served beside two others");
    drop(second);
    assert_eq!(third.receive().status, 200);
    assert_eq!(first.request(&Request::get("/readyz")).status, 200);
}

#[test]
fn a_connection_that_sends_no_whole_head_is_closed() {
    let service = Service::start_with(|config| config.http.idle_timeout = SOON);
    for head in [&b""[..], b"GET", b"GET /rockets HTTP/1.1\r\nhost: localhost\r\n"] {
        let mut connection = service.connect();
        connection.send(head);
        connection.read_until_closed();
    }
    // One that was used and then rests is closed too.
    let mut connection = service.connect();
    assert_eq!(connection.request(&Request::get("/readyz")).status, 200);
    assert!(connection.is_closed());
    assert_eq!(service.get("/readyz").status, 200);
}

#[test]
fn a_head_of_any_length_is_no_way_in() {
    let service = Service::start();
    let mut connection = service.connect();
    let _ = connection.try_send(b"GET /rockets HTTP/1.1\r\n");
    for _ in 0..300 {
        // Refused before all of it is sent.
        if connection.try_send(format!("x: {}\r\n", "y".repeat(1000)).as_bytes()).is_err() {
            break;
        }
    }
    connection.read_until_closed();
    assert_eq!(service.get("/readyz").status, 200);
}

#[test]
fn a_client_that_is_too_slow_at_a_stop_is_cut_off() {
    let mut service = Service::start_with(|config| config.shutdown_timeout = SOON);
    let request = Request::message(&launch("a")).to_bytes();
    let mut in_body = service.connect();
    in_body.send(&request[..request.len() - 1]);
    let mut in_head = service.connect();
    in_head.send(&request[..20]);
    // Both are taken, since connections are accepted in order.
    assert_eq!(service.get("/readyz").status, 200);
    service.begin_stop();
    assert_eq!(service.stop(), Ok(()));
    in_body.read_until_closed();
    in_head.read_until_closed();
}

#[test]
fn a_stop_that_cannot_finish_what_was_accepted_says_so() {
    let journal = HeldJournal::new();
    let mut service = Service::over(journal.clone(), |config| config.shutdown_timeout = SOON);
    let mut connection = service.connect();
    connection.send(&Request::message(&launch("a")).to_bytes());
    support::eventually("a commit begins", || journal.waiting() == 1);
    service.begin_stop();
    let error = service.stop().unwrap_err();
    assert!(error.contains("1s"), "{error}");
    // It is not acknowledged after all.
    assert!(connection.is_closed());
}

#[test]
fn each_limit_is_told_once_a_second_with_its_flag() {
    tell_limits(false);
    tell_limits(true);
}

fn tell_limits(has_to_wait: bool) {
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0", "--workers", "1"]);
    command.args(["--max-rockets=2", "--max-buffered=3", "--max-buffered-per-rocket=2"]);
    command.args(["--max-connections=2", "--max-body-bytes-held=10000"]);
    let service = Logged::start(command);
    let address = service.addresses()[0].parse().unwrap();
    let mut connection = Connection::open(address);
    let mut post = |message: Value, status: u16| {
        let answer = connection.request(&Request::message(&message));
        assert_eq!(answer.status, status, "{}", answer.text());
        (status != 200).then(|| support::kind(&answer))
    };
    for (channel, number) in [("a", 3), ("a", 4), ("b", 3)] {
        post(speed_up(channel, number, 1), 200);
    }
    let start = std::time::Instant::now();
    for _ in 0..50 {
        let kind = post(speed_up("a", 5, 1), 429);
        assert_eq!(kind.as_deref(), Some("/problems/rocket-buffer-full"));
        let kind = post(speed_up("b", 4, 1), 429);
        assert_eq!(kind.as_deref(), Some("/problems/fleet-buffer-full"));
        let kind = post(launch("c"), 503);
        assert_eq!(kind.as_deref(), Some("/problems/fleet-full"));
    }
    let seconds = start.elapsed().as_secs();
    // Both places are taken, and nobody waits yet.
    let mut other = Connection::open(address);
    assert_eq!(other.request(&Request::get("/readyz")).status, 200);
    other.send(b"POST /messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 20000\r\n\r\n");
    other.send(&[b'x'; 15_000]);
    assert_eq!(support::kind(&other.receive()), "/problems/body-bytes-held");
    if has_to_wait {
        // Whoever is silent makes place for them.
        let _more = [0, 1].map(|_| {
            let mut client = Connection::open(address);
            assert_eq!(client.request(&Request::get("/readyz")).status, 200);
            client
        });
    }
    drop((connection, other));
    let told: Vec<_> = service.stop().into_iter().filter(|line| line["level"] == "WARN").collect();
    for flag in ["--max-buffered-per-rocket", "--max-buffered", "--max-rockets"] {
        let of_flag: Vec<_> = told.iter().filter(|line| line["fields"]["flag"] == flag).collect();
        assert!(!of_flag.is_empty() && of_flag.len() as u64 <= seconds + 2, "{flag}: {told:?}");
        assert_eq!(of_flag[0]["fields"]["count"], 1, "{told:?}");
        // What was not told at once was told later, or at the stop.
        let counts = of_flag.iter().map(|line| line["fields"]["count"].as_u64().unwrap());
        assert_eq!(counts.sum::<u64>(), 50, "{told:?}");
    }
    for (flag, is_reached) in [("--max-body-bytes-held", true), ("--max-connections", has_to_wait)]
    {
        let is_told = told.iter().any(|line| line["fields"]["flag"] == flag);
        assert_eq!(is_told, is_reached, "{flag}: {told:?}");
    }
}
