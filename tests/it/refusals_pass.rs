//! What cannot be written for now is refused for now: somebody else's lock and a
//! full disk pass without a restart, and nothing is lost or counted twice.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::faults::{Fault, Faults};
use crate::support::journal::HeldJournal;
use crate::support::process::{Process, downlink, under_file_limit};
use crate::support::{self, Connection, Request, Response, Service};
use crate::support::{eventually, messages, passing_problem};
use downlink::journal::sqlite;
use rusqlite::Connection as Database;

const A: &str = "0e9e9df5-38fd-52e2-916f-c858b9eb4ea5";

const ARGUMENTS: [&str; 5] = ["--listen", "127.0.0.1:0", "--durability", "fsync", "--data-dir"];

fn start(directory: &Path) -> Process {
    let mut command = downlink();
    command.args(ARGUMENTS).arg(directory);
    Process::spawn(command)
}

fn send(service: &Process, request: &Request) -> Response {
    support::http::send(service.address, request)
}

fn database(directory: &Path) -> Database {
    Database::open(directory.join(sqlite::FILE)).unwrap()
}

fn bytes_of_wal(directory: &Path) -> u64 {
    std::fs::metadata(directory.join(format!("{}-wal", sqlite::FILE))).unwrap().len()
}

#[test]
fn somebody_elses_lock_is_waited_for_and_then_refused_and_passes() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path());
    assert_eq!(send(&service, &Request::message(&messages::launch(A))).outcome(), "applied");
    let other = database(directory.path());

    // A short one goes unnoticed.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut sender = Connection::open(service.address);
    sender.send(&Request::message(&messages::speed_up(A, 2, 1)).to_bytes());
    std::thread::sleep(Duration::from_millis(100));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(sender.receive().outcome(), "applied");

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let third = Request::message(&messages::speed_up(A, 3, 1));
    for _ in 0..3 {
        let detail = passing_problem(&send(&service, &third), 503);
        assert!(detail.contains("database is locked"), "{detail}");
    }
    let detail = passing_problem(&send(&service, &Request::get("/readyz")), 503);
    assert!(detail.contains("database is locked"), "{detail}");
    let rocket = send(&service, &Request::get(&format!("/rockets/{A}"))).json();
    assert_eq!(rocket["last_message_number"], 2);
    other.execute_batch("ROLLBACK").unwrap();

    // By itself, without a message.
    eventually("it is ready", || send(&service, &Request::get("/readyz")).status == 200);
    assert_eq!(send(&service, &third).outcome(), "applied");
    service.terminate();
    let (status, log) = service.wait();
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("messages are not accepted for now").count(), 1, "{log}");
    assert_eq!(log.matches("messages are accepted again").count(), 1, "{log}");
}

#[test]
fn a_reader_that_stays_is_told_of_and_leaves_no_long_log() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = downlink();
    // Without syncs: so much of it would hold up the tests beside this one.
    command.args(["--listen", "127.0.0.1:0", "--durability", "os", "--data-dir"]);
    command.arg(directory.path());
    let service = Process::spawn(command);
    let mut connection = Connection::open(service.address);
    let mut sent = 0;
    let mut post = |count: u64| {
        for _ in 0..count {
            let answer = connection.request(&thousand(sent));
            assert_eq!(answer.json()["applied"], 1000, "{}", answer.text());
            sent += 1000;
        }
    };
    post(1);
    let reader = database(directory.path());
    reader.execute_batch("BEGIN; SELECT count(*) FROM journal").unwrap();
    while bytes_of_wal(directory.path()) < 34 << 20 {
        post(1);
    }
    // It is looked at once a second, and only when there is something to write.
    let long = Instant::now();
    while long.elapsed() < Duration::from_secs(2) {
        post(1);
        std::thread::sleep(Duration::from_millis(100));
    }
    reader.execute_batch("COMMIT").unwrap();
    // One copies what is there, and the next begins a new log.
    let mut more = 0;
    while bytes_of_wal(directory.path()) > 17 << 20 {
        assert!(more < 10, "{}", bytes_of_wal(directory.path()));
        post(1);
        more += 1;
    }
    service.terminate();
    let (status, log) = service.wait();
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("the write-ahead log grows").count(), 1, "{log}");
}

#[test]
fn a_full_disk_loses_nothing_and_is_used_again_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = under_file_limit(8_000_000);
    // No checkpoint: what is in the journal is to grow.
    command.args(["--checkpoint-interval", "1h", "--checkpoint-messages", "100000000"]);
    command.args(ARGUMENTS).arg(directory.path());
    let service = Process::spawn(command);
    let mut connection = Connection::open(service.address);
    let mut acked = 0;
    let refused = loop {
        let answer = connection.request(&thousand(acked));
        if answer.status != 200 || answer.json()["applied"] != 1000 {
            break answer;
        }
        acked += 1000;
        assert!(acked < 1_000_000, "the disk is never full");
    };
    assert!(acked > 1000, "only {acked}: {}", refused.text());
    // Whatever was refused in the midst was refused for now.
    assert!(refused.text().contains("for now") || refused.status == 503, "{}", refused.text());
    let ready = Request::get("/readyz");
    let detail = passing_problem(&connection.request(&ready), 503);
    assert!(detail.contains(sqlite::FILE) && detail.contains("room"), "{detail}");
    let rocket = connection.request(&Request::get(&format!("/rockets/{A}"))).json();
    assert!(rocket["last_message_number"].as_u64().unwrap() >= acked, "{rocket}");

    service.lift_file_limit();
    eventually("it is ready", || connection.request(&ready).status == 200);
    let again = connection.request(&thousand(acked)).json();
    let kept = again["applied"].as_u64().unwrap() + again["duplicate"].as_u64().unwrap();
    assert_eq!(kept, 1000, "{again}");
    service.signal("KILL");
    service.wait();

    let service = start(directory.path());
    let mut connection = Connection::open(service.address);
    for first in (0..=acked).step_by(1000) {
        let answer = connection.request(&thousand(first));
        assert_eq!(answer.json()["duplicate"], 1000, "from {first} of {acked}");
    }
    let rocket = connection.request(&Request::get(&format!("/rockets/{A}"))).json();
    assert_eq!(rocket["last_message_number"], acked + 1000);
}

/// The thousand messages of a rocket after `before`, each nearly as large as
/// can be.
fn thousand(before: u64) -> Request {
    let message = |number| match number {
        1 => messages::launch(A),
        n => messages::change_mission(A, n, &format!("{n:0250}")),
    };
    let lines: Vec<_> =
        (before + 1..=before + 1000).map(|number| message(number).to_string()).collect();
    Request::post(lines.join("\n")).header("Content-Type", "application/x-ndjson")
}

#[test]
fn a_rocket_that_a_refused_checkpoint_did_not_store_is_stored_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let service = Service::opened(
        |config| {
            config.checkpoints.records = u64::MAX;
            config.checkpoints.time = Duration::from_millis(300);
        },
        faults.journal(directory.path()),
    );
    service.wait_until_ready();
    let rockets: Vec<_> = (0..300).map(|rocket| format!("rocket {rocket}")).collect();
    let launches: Vec<_> = rockets.iter().map(|rocket| messages::launch(rocket)).collect();
    service.post(&launches);
    faults.set(Fault::NoRoom);
    eventually("a checkpoint is refused", || service.get("/readyz").status == 503);
    faults.set(Fault::None);
    service.wait_until_ready();
    let database = database(directory.path());
    let count = |table| {
        let query = format!("SELECT count(*) FROM {table}");
        database.query_row(&query, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    eventually("the journal is trimmed", || count("journal") == 0);
    assert_eq!(count("rockets"), 300);
    assert_eq!(service.stop(), Ok(()));
}

/// Sends a message, and waits until the journal holds it.
fn hand_over(service: &Service, journal: &HeldJournal, message: &serde_json::Value) -> Connection {
    let mut connection = service.connect();
    let before = journal.waiting();
    connection.send(&Request::message(message).to_bytes());
    eventually("it is handed over", || journal.waiting() == before + 1);
    connection
}

#[test]
fn a_refused_message_is_taken_back_and_its_successors_wait_for_it() {
    let journal = HeldJournal::new();
    let service = Service::over(journal.clone(), |config| {
        config.workers = 1;
        // Room for the one that waits, and for no other.
        config.limits.buffered_per_rocket = 1;
        config.limits.buffered = 1;
    });
    let post = |message: &serde_json::Value| hand_over(&service, &journal, message);
    let mut launch = post(&messages::launch(A));
    journal.commit_oldest();
    assert_eq!(launch.receive().outcome(), "applied");

    let mut second = post(&messages::speed_up(A, 2, 10));
    let mut third = post(&messages::speed_up(A, 3, 100));
    journal.refuse("injected: no room");
    let detail = passing_problem(&second.receive(), 503);
    assert!(detail.contains("for now") && detail.contains("injected: no room"), "{detail}");
    // What comes behind it is early, and not the next any more: there is room for
    // one, while nobody counts the third yet.
    let mut fourth = post(&messages::speed_up(A, 4, 1));
    let fifth = Request::message(&messages::speed_up(A, 5, 1));
    passing_problem(&service.send(&fifth), 429);
    journal.commit_oldest();
    assert_eq!(third.receive().outcome(), "buffered");
    journal.refuse("injected: no room");
    passing_problem(&fourth.receive(), 503);
    passing_problem(&service.send(&fifth), 429);
    assert_eq!(service.read(&format!("/rockets/{A}"))["last_message_number"], 1);

    let mut second = post(&messages::speed_up(A, 2, 10));
    journal.commit_oldest();
    assert_eq!(second.receive().outcome(), "applied");
    let rocket = service.read(&format!("/rockets/{A}"));
    assert_eq!(rocket["last_message_number"], 3);
    assert_eq!(rocket["speed"], 610);

    // The room that refused early ones had is free again.
    for _ in 0..3 {
        let mut early = post(&messages::speed_up(A, 5, 1));
        journal.refuse("injected: no room");
        passing_problem(&early.receive(), 503);
    }
    let mut early = post(&messages::speed_up(A, 5, 1));
    journal.commit_oldest();
    assert_eq!(early.receive().outcome(), "buffered");
    journal.release();
}

#[test]
fn a_new_rocket_that_was_refused_takes_no_place_in_the_fleet() {
    let journal = HeldJournal::new();
    let service = Service::over(journal.clone(), |config| {
        config.workers = 1;
        config.limits.rockets = 1;
    });
    let post = |message: &serde_json::Value| hand_over(&service, &journal, message);
    // In order and early, one by one and many at once.
    for number in [1, 7] {
        for name in ["a", "b", "c"] {
            let mut refused = post(&messages::speed_up(name, number, 1));
            assert_eq!(service.send(&Request::message(&messages::launch("other"))).status, 503);
            journal.refuse("injected: no room");
            passing_problem(&refused.receive(), 503);
            assert_eq!(service.get(&format!("/rockets/{name}")).status, 404);
        }
    }
    // One whose successor is on its way is there still, and stays.
    let mut launch = post(&messages::launch("kept"));
    let mut second = post(&messages::speed_up("kept", 2, 10));
    journal.refuse("injected: no room");
    passing_problem(&launch.receive(), 503);
    let other = Request::message(&messages::launch("other"));
    assert_eq!(service.send(&other).status, 503);
    journal.commit_oldest();
    assert_eq!(second.receive().outcome(), "buffered");
    journal.release();
    assert_eq!(service.send(&other).status, 503);
    assert_eq!(service.post(&[messages::launch("kept")]), "applied");
    assert_eq!(service.read("/rockets/kept")["speed"], 510);
    assert_eq!(service.read("/rockets").as_array().unwrap().len(), 1);
}
