//! A start that was cut short, or that has no room, keeps no later one from its
//! work: what it leaves behind is taken away, and what it could not do is done.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::process::{Process, downlink, under_file_limit};
use crate::support::{self, Request, Service, eventually, messages, passing_problem};
use downlink::config::Durability;
use downlink::journal::sqlite;
use rusqlite::Connection;

const ARGUMENTS: [&str; 5] = ["--listen", "127.0.0.1:0", "--durability", "fsync", "--data-dir"];

fn database(directory: &Path) -> Connection {
    Connection::open(directory.join(sqlite::FILE)).unwrap()
}

fn start(directory: &Path) -> Service {
    Service::start_with(|config| {
        config.durability = Durability::Fsync;
        config.data_dir = directory.to_owned();
    })
}

#[test]
fn a_kill_at_any_moment_of_the_first_start_does_no_harm() {
    // All moments until it is ready, and some after.
    for step in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let mut command = downlink();
        command.args(ARGUMENTS).arg(directory.path()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(4 * step));
        child.kill().unwrap();
        child.wait().unwrap();
        let service = start(directory.path());
        assert_eq!(service.post(&[messages::launch("a")]), "applied");
        drop(service);
    }
}

/// What earlier releases left when they were killed while they started.
#[test]
fn what_an_earlier_start_left_behind_is_taken_away() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path());
    assert_eq!(service.post(&[messages::launch("a")]), "applied");
    drop(service);
    let before = database(directory.path());
    before
        .execute_batch(
            "CREATE TABLE reserve (bytes BLOB); INSERT INTO reserve VALUES (zeroblob(1000000));",
        )
        .unwrap();
    // The other holds the lock: the start does not wait for it, and leaves it
    // to the next one.
    before.execute_batch("BEGIN IMMEDIATE").unwrap();
    let service = Service::opened(
        |_| {},
        Box::new(sqlite::SqliteJournal::fsync(directory.path(), Duration::ZERO)),
    );
    eventually("it is started", || {
        let answer = service.get("/readyz");
        answer.status == 503 && answer.text().contains("locked")
    });
    before.execute_batch("ROLLBACK").unwrap();
    service.wait_until_ready();
    assert_eq!(service.post(&[messages::launch("a")]), "duplicate");
    drop(service);
    drop(start(directory.path()));
    let left = "SELECT count(*) FROM sqlite_schema WHERE name = 'reserve'";
    assert_eq!(before.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[test]
fn a_reader_does_not_hold_up_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path());
    service.post(&[messages::launch("a")]);
    let reader = database(directory.path());
    reader.execute_batch("BEGIN; SELECT count(*) FROM journal").unwrap();
    service.post(&[messages::launch("b")]);
    drop(service);
    let begun = Instant::now();
    let service = start(directory.path());
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(service.post(&[messages::launch("b")]), "duplicate");
}

/// As `reads_are_served` says, of a service that has no room when it starts;
/// `make_room` gives it some.
fn serves_reads_until(service: &Process, make_room: impl FnOnce()) {
    let send = |request: &Request| support::http::send(service.address, request);
    eventually("reads are served", || send(&Request::get("/rockets/a")).status == 200);
    let detail = passing_problem(&send(&Request::get("/readyz")), 503);
    assert!(detail.contains(sqlite::FILE) && detail.contains("room"), "{detail}");
    passing_problem(&send(&Request::message(&messages::speed_up("a", 2, 1))), 503);
    make_room();
    eventually("it is ready", || send(&Request::get("/readyz")).status == 200);
    assert_eq!(send(&Request::message(&messages::launch("a"))).outcome(), "duplicate");
    assert_eq!(send(&Request::message(&messages::speed_up("a", 2, 1))).outcome(), "applied");
}

#[test]
fn a_start_without_room_serves_reads_and_goes_on_when_there_is_some() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path());
    service.post(&[messages::launch("a")]);
    drop(service);
    // Enough for what is there, and not for the log to grow.
    let mut command = under_file_limit(100_000);
    command.args(ARGUMENTS).arg(directory.path());
    let service = Process::spawn_listening(command);
    serves_reads_until(&service, || service.lift_file_limit());
    service.terminate();
    let (status, log) = service.wait();
    assert!(status.success(), "{log}");
    let again = start(directory.path());
    assert_eq!(again.post(&[messages::speed_up("a", 2, 1)]), "duplicate");
}

/// Takes a mount away again, also where a test fails.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // With `-l`, for whoever may have a file open there yet.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// A file system of its own, without a byte left. Only root can mount one.
#[test]
fn a_start_on_a_full_disk_serves_reads_and_goes_on_when_there_is_room() {
    let mount = tempfile::tempdir().unwrap();
    let run = |line: &str| {
        Command::new("sh").args(["-c", line, "sh"]).arg(mount.path()).output().unwrap()
    };
    if !run("mount -t tmpfs -o size=12m tmpfs \"$1\" 2>&1").status.success() {
        println!("skipped: nothing can be mounted here");
        return;
    }
    let _mounted = Mounted(mount.path());
    let directory = mount.path().join("data");
    let service = start(&directory);
    service.post(&[messages::launch("a")]);
    drop(service);
    let fill = run("cat /dev/zero > \"$1/ballast\" 2>/dev/null; df \"$1\" | tail -1");
    println!("{}", String::from_utf8_lossy(&fill.stdout));
    let mut command = downlink();
    command.args(ARGUMENTS).arg(&directory);
    let service = Process::spawn_listening(command);
    serves_reads_until(&service, || {
        std::fs::remove_file(mount.path().join("ballast")).unwrap();
    });
    service.terminate();
    let (status, log) = service.wait();
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("started, for reads only").count(), 1, "{log}");
}
