//! What a restart finds, with another number of workers too; how it tells that
//! it is not done yet; and who may not start.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::journal::{EndlessJournal, Gated};
use crate::support::oracle::Lost;
use crate::support::past;
use crate::support::process::{downlink, run};
use crate::support::{self, Request, Service, eventually, messages, passing_problem, problem};
use downlink::config::Durability;
use downlink::fleet::limits::MOST_BUFFERED_PER_ROCKET;
use downlink::fleet::retention::Policy;
use downlink::journal::JournalSource;
use downlink::journal::sqlite::{self, SqliteJournal, Synchronous};
use serde_json::{Value, json};

fn start(directory: &Path, workers: usize) -> Service {
    let service = Service::start_with(|config| {
        config.durability = Durability::Fsync;
        config.data_dir = directory.to_owned();
        config.workers = workers;
    });
    eventually("the service is ready", || service.get("/readyz").status == 200);
    service
}

fn journal(directory: PathBuf) -> Box<dyn JournalSource> {
    Box::new(SqliteJournal::at(directory, Synchronous::Full, Duration::ZERO))
}

/// Every state that a rocket can be stored in.
fn story() -> Vec<Value> {
    vec![
        messages::launch("11111111-1111-4111-8111-111111111111"),
        messages::speed_up("11111111-1111-4111-8111-111111111111", 2, 1500),
        messages::launch_as("not a uuid / ä", "Scout", 0, "ÄPOLLO"),
        messages::slow_down("not a uuid / ä", 2, 700),
        messages::explode("not a uuid / ä", 3, "O-RING"),
        messages::launch("waiting"),
        messages::speed_up("waiting", 3, 1),
        messages::explode("waiting", 5, "X"),
        messages::change_mission("not launched", 2, "LATER"),
        messages::speed_up("silent", 1, 9),
    ]
}

fn fleet(service: &Service) -> Value {
    json!([service.read("/rockets"), service.read("/missions")])
}

/// That repeats are known, and what waited goes on.
fn goes_on(service: &Service) {
    for message in story() {
        assert_eq!(service.post(std::slice::from_ref(&message)), "duplicate", "{message}");
    }
    let detail = problem(&service.get("/rockets/not%20launched"), 404);
    assert!(detail.contains("earlier one: 1"), "{detail}");
    assert_eq!(service.post(&[messages::speed_up("waiting", 2, 1)]), "applied");
    let waiting = service.read("/rockets/waiting");
    assert_eq!(waiting["last_message_number"], 3);
    assert_eq!(waiting["buffered_messages"], 1);
    assert_eq!(service.post(&[messages::launch("not launched")]), "applied");
    assert_eq!(service.read("/rockets/not%20launched")["mission"], "LATER");
    let mut launch = messages::launch("silent");
    launch["metadata"]["messageNumber"] = 2.into();
    assert_eq!(service.post(&[launch]), "applied");
}

#[test]
fn a_clean_stop_leaves_rockets_that_can_be_read_and_no_journal() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path(), 1);
    service.post(&story());
    let before = fleet(&service);
    assert_eq!(service.stop(), Ok(()));

    let database = rusqlite::Connection::open(directory.path().join(sqlite::FILE)).unwrap();
    let count = |query| database.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM journal"), 0);
    assert_eq!(count("SELECT count(*) FROM rockets"), 5);
    let readable: (String, String, i64, String, String) = database
        .query_row(
            "SELECT launch_time, last_update_time, speed, rocket_type, explosion_reason
             FROM rockets WHERE channel = 'not a uuid / ä'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )
        .unwrap();
    let expected = ("2022-02-01T00:00:01Z", "2022-02-01T00:00:03Z", -700, "Scout", "O-RING");
    let (launched, updated, speed, kind, reason) = &readable;
    assert_eq!((&**launched, &**updated, *speed, &**kind, &**reason), expected);
    drop(database);

    let service = start(directory.path(), 7);
    assert_eq!(fleet(&service), before);
    goes_on(&service);
}

#[test]
fn the_journal_stays_bounded_by_the_checkpoints() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start_with(|config| {
        config.durability = Durability::Os;
        config.data_dir = directory.path().to_owned();
        config.checkpoints.records = 50;
    });
    eventually("the service is ready", || service.get("/readyz").status == 200);
    let all: Vec<_> = (2..2000).map(|number| messages::speed_up("a", number, 1)).collect();
    service.post(&[messages::launch("a")]);
    service.post(&all);
    let database = rusqlite::Connection::open(directory.path().join(sqlite::FILE)).unwrap();
    eventually("the journal is trimmed", || {
        let rows: i64 =
            database.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
        rows < 200
    });
    drop(service);
    let service = start(directory.path(), 2);
    assert_eq!(service.read("/rockets/a")["last_message_number"], 1999);
}

#[test]
fn more_early_messages_of_a_rocket_than_may_be_allowed_now_are_read() {
    let directory = tempfile::tempdir().unwrap();
    // As earlier releases allowed it.
    let service = Service::start_with(|config| {
        config.durability = Durability::Os;
        config.data_dir = directory.path().to_owned();
        config.limits.buffered_per_rocket = 1_000_000;
    });
    eventually("the service is ready", || service.get("/readyz").status == 200);
    let more = MOST_BUFFERED_PER_ROCKET as u64 + 1;
    let numbers: Vec<_> = (2..more + 2).collect();
    for numbers in numbers.chunks(5_000) {
        let line = |&number: &u64| format!("{}\n", messages::speed_up("a", number, 1));
        let lines: String = numbers.iter().map(line).collect();
        let many = Request::post(lines).header("content-type", "application/x-ndjson");
        assert_eq!(service.send(&many).json()["buffered"], numbers.len());
    }
    // Stores them in one row.
    assert_eq!(service.stop(), Ok(()));
    let service = start(directory.path(), 2);
    let next = Request::message(&messages::speed_up("a", more + 2, 1));
    passing_problem(&service.send(&next), 429);
    assert_eq!(service.post(&[messages::launch("a")]), "applied");
    assert_eq!(service.read("/rockets/a")["last_message_number"], more + 1);
}

#[test]
fn the_port_answers_from_the_start_and_tells_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let (go_on, told) = mpsc::sync_channel(1);
    let service = Service::opened(|_| {}, Box::new(Gated(told, journal(path))));
    let launch = Request::message(&messages::launch("a"));
    for request in [Request::get("/readyz"), Request::get("/rockets"), launch.clone()] {
        let detail = passing_problem(&service.send(&request), 503);
        assert!(detail.contains("the journal is being read"), "{detail}");
    }
    go_on.send(()).unwrap();
    eventually("the service is ready", || service.get("/readyz").status == 200);
    assert_eq!(service.send(&launch).status, 200);
}

#[test]
fn a_stop_during_recovery_ends_it() {
    let mut service = Service::opened(|_| {}, Box::new(EndlessJournal));
    service.begin_stop();
    assert_eq!(service.stop(), Ok(()));
}

/// What a second process says that is to serve `directory`.
fn refused(directory: &Path) -> String {
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--log", "off", "--data-dir"]).arg(directory);
    let (code, _, error) = run(command);
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    error
}

#[test]
fn a_second_process_is_told_who_has_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let _service = start(directory.path(), 1);
    let error = refused(directory.path());
    let holder = format!("in use by process {}", std::process::id());
    assert!(error.contains(&holder), "{error}");
}

#[test]
fn a_lock_that_is_deleted_lets_nobody_in() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path(), 1);
    service.post(&[messages::launch("a")]);
    let lock = directory.path().join("lock");
    std::fs::remove_file(&lock).unwrap();
    let error = refused(directory.path());
    assert!(error.contains("in use by another process") && !lock.exists(), "{error}");
    // Nor does the stop of the one depend on it, nor the start of the next.
    service.stop().unwrap();
    support::wait_until_free(directory.path());
    let service = start(directory.path(), 1);
    assert_eq!(service.get("/rockets/a").status, 200);
}

#[test]
fn whoever_holds_the_file_alone_has_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(directory.path().join("lock")).unwrap();
    file.lock().unwrap();
    std::fs::write(directory.path().join("lock"), "process 7").unwrap();
    let error = refused(directory.path());
    assert!(error.contains("in use by process 7"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_written_to_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    // Neither a file in the way nor the kernel's own files bow to root.
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.as_path(), &file.join("below"), Path::new("/proc/downlink")] {
        let mut command = downlink();
        command.args(["--listen", "127.0.0.1:0", "--log", "off", "--data-dir"]).arg(path);
        let (code, _, error) = run(command);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(&*path.to_string_lossy()), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

/// Once buffers say what was lost, and the journal has skips.
fn story_with_a_loss() -> Vec<Value> {
    let more = [messages::launch("gappy"), messages::speed_up("gappy", 4, 7)];
    [story(), more.to_vec(), vec![messages::speed_up("gappy", 6, 1)]].concat()
}

/// Written by earlier releases; later ones must read it for ever.
#[test]
fn databases_of_every_format_are_read() {
    let lost = [2, 3].map(|number| ("gappy".to_owned(), number)).into();
    let first = support::oracle::rockets(&story());
    let second = support::oracle::rockets_without(&story_with_a_loss(), &lost);
    let third = [story_with_a_loss(), vec![messages::launch("again")]].concat();
    let third = support::oracle::rockets_without(&third, &lost);
    for (fixture, rockets) in [
        ("v1-checkpoint.db", &first),
        ("v1-journal.db", &first),
        ("v2-checkpoint.db", &second),
        ("v2-journal.db", &second),
        // Rockets are forgotten, and it is known since when one is quiet.
        ("v3-checkpoint.db", &third),
        ("v3-journal.db", &third),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
        std::fs::copy(&path, directory.path().join(sqlite::FILE)).unwrap();
        let service = start(directory.path(), 3);
        let before = fleet(&service);
        let missions = json!({"missions": ["ARTEMIS", "ÄPOLLO"]});
        assert_eq!(before, json!([rockets, missions]), "{fixture}");
        // Earlier releases stored no past, but what the journal has makes one; and
        // that of a launch alone is in what is known of the rocket.
        let past = |id: &str| service.read(&format!("/rockets/{id}/history"))["entries"].clone();
        let known = fixture != "v1-checkpoint.db" && fixture != "v2-checkpoint.db";
        let expected = |id: &str| json!(past::history(&story(), &Lost::new(), id));
        assert_eq!(past("waiting"), expected("waiting"), "{fixture}");
        let flown = "11111111-1111-4111-8111-111111111111";
        assert_eq!(past(flown), if known { expected(flown) } else { json!([]) }, "{fixture}");
        goes_on(&service);
    }
}

#[test]
fn what_is_kept_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("new/data");
    let service = start(&data, 2);
    service.post(&[messages::launch("a")]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut files = 0;
    for file in std::fs::read_dir(&data).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        files += 1;
    }
    assert!(files >= 3, "the database, its WAL and the lock");
    service.stop().unwrap();
}

/// Makes the fixtures. Only to be run when a new format version is made, under
/// names of its own.
#[test]
#[ignore = "makes the fixtures of a new format version"]
fn make_fixtures() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start_with(|config| {
        config.durability = Durability::Fsync;
        config.data_dir = directory.path().to_owned();
        config.retention = Policy { after: Some(Duration::from_secs(86_400)), archives: false };
    });
    service.post(&story_with_a_loss());
    assert_eq!(service.send(&Request::new("POST", "/gaps/gappy/skip")).status, 200);
    service.post(&[messages::launch("again"), messages::speed_up("again", 2, 9)]);
    assert_eq!(service.send(&Request::new("DELETE", "/rockets/again")).status, 204);
    service.post(&[messages::launch("again")]);
    // All in the journal yet: a copy as after a kill, after a WAL checkpoint.
    let copy = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("{}{suffix}", sqlite::FILE);
        std::fs::copy(directory.path().join(&name), copy.path().join(&name)).unwrap();
    }
    let database = rusqlite::Connection::open(copy.path().join(sqlite::FILE)).unwrap();
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(database);
    std::fs::copy(copy.path().join(sqlite::FILE), fixtures.join("v3-journal.db")).unwrap();
    service.stop().unwrap();
    let checkpoint = directory.path().join(sqlite::FILE);
    std::fs::copy(checkpoint, fixtures.join("v3-checkpoint.db")).unwrap();
}
