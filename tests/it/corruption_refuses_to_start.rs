//! Damage to what was kept: found, named, and never passed over.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use crate::support::process::{downlink, run};
use crate::support::{Request, Service, eventually, messages, wait_until_free};
use downlink::config::Durability;
use downlink::journal::sqlite::{self, SqliteJournal, Synchronous};
use downlink::journal::{JournalSource, OpenError, Recovered};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rusqlite::Connection;

/// A data directory with stored rockets and with a journal.
fn filled() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        let service = Service::start_with(|config| {
            config.durability = Durability::Os;
            config.data_dir = directory.path().to_owned();
        });
        eventually("the service is ready", || service.get("/readyz").status == 200);
        service
    };
    let service = start();
    for rocket in 0..60 {
        let channel = format!("rocket {rocket}");
        service.post(&[messages::launch(&channel), messages::speed_up(&channel, 3, 1)]);
    }
    service.stop().unwrap();
    let service = start();
    for rocket in 0..60 {
        service.post(&[messages::change_mission(&format!("rocket {rocket}"), 2, "APOLLO")]);
    }
    // As after a kill: the journal is not stored yet.
    let copy = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("{}{suffix}", sqlite::FILE);
        fs::copy(directory.path().join(&name), copy.path().join(&name)).unwrap();
    }
    service.stop().unwrap();
    let database = Connection::open(copy.path().join(sqlite::FILE)).unwrap();
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    copy
}

/// Everything that is kept, in text.
fn read(directory: &Path) -> Result<Vec<String>, OpenError> {
    read_as(directory, Synchronous::Full)
}

fn read_as(directory: &Path, synchronous: Synchronous) -> Result<Vec<String>, OpenError> {
    let mut all = Vec::new();
    wait_until_free(directory);
    let journal = SqliteJournal::at(directory, synchronous, Duration::ZERO);
    Box::new(journal).open()?.recover(&mut |item: Recovered| {
        all.push(format!("{item:?}"));
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

#[test]
fn a_flipped_byte_anywhere_is_found_out_or_does_no_harm() {
    let directory = filled();
    let whole = read(directory.path()).unwrap();
    assert_eq!(whole.len(), 120);
    let file = directory.path().join(sqlite::FILE);
    let original = fs::read(&file).unwrap();
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let used = used_pages(&file);
    let mut refused = 0;
    for _ in 0..400 {
        // Elsewhere the file has room that nothing is in yet, where nearly any
        // byte does no harm; some of it all the same.
        let page = if random.random_ratio(1, 20) {
            random.random_range(0..original.len() / PAGE)
        } else {
            used[random.random_range(0..used.len())]
        };
        let at = page * PAGE + random.random_range(0..PAGE);
        let mut broken = original.clone();
        broken[at] ^= random.random_range(1..=255_u8);
        fs::write(&file, &broken).unwrap();
        match read(directory.path()) {
            Ok(all) => assert_eq!(all, whole, "byte {at} of {}", original.len()),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(sqlite::FILE), "byte {at}: {error}");
            }
        }
    }
    assert!(refused > 60, "only {refused} of 400 flips were found");
}

const PAGE: usize = 4096;

/// The pages that hold something, from 0.
fn used_pages(file: &Path) -> Vec<usize> {
    let database = Connection::open(file).unwrap();
    let mut pages = database.prepare("SELECT pageno - 1 FROM dbstat").unwrap();
    let numbers = pages.query_map([], |row| row.get::<_, u32>(0)).unwrap();
    numbers.map(|number| number.unwrap() as usize).collect()
}

/// Breaks one thing with SQL and returns what the service says to it.
fn refusal(change: &str) -> String {
    let directory = filled();
    let database = Connection::open(directory.path().join(sqlite::FILE)).unwrap();
    assert!(database.execute(change, []).unwrap() > 0, "{change}");
    drop(database);
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--log", "off", "--data-dir"]).arg(directory.path());
    let (code, _, error) = run(command);
    assert_eq!(code, Some(1), "{change}: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains(&*directory.path().join(sqlite::FILE).to_string_lossy()), "{error}");
    error
}

#[test]
fn the_file_and_the_row_are_named() {
    for (change, place, problem) in [
        ("UPDATE rockets SET speed = speed + 1 WHERE id = 7", "table rockets, row 7", "checksum"),
        ("UPDATE rockets SET id = 700 WHERE id = 7", "table rockets, row 700", "checksum"),
        ("UPDATE rockets SET buffered = NULL WHERE id = 7", "table rockets, row 7", "checksum"),
        ("UPDATE rockets SET speed = 'fast' WHERE id = 7", "table rockets, row 7", ""),
        (
            "DELETE FROM journal WHERE seq = (SELECT min(seq) + 3 FROM journal)",
            "table journal, row",
            "is missing",
        ),
        (
            "DELETE FROM journal WHERE seq = (SELECT min(seq) FROM journal)",
            "table journal, row",
            "is missing",
        ),
        (
            "UPDATE journal SET records = x'0200000000' WHERE seq = (SELECT max(seq) FROM journal)",
            "table journal, row",
            "version 2",
        ),
        (
            "UPDATE journal SET records = x'01' WHERE seq = (SELECT max(seq) FROM journal)",
            "table journal, row",
            "cut short",
        ),
        (
            "UPDATE journal SET records = x'010000000001' WHERE seq = (SELECT max(seq) FROM journal)",
            "table journal, row",
            "checksum",
        ),
        ("UPDATE meta SET first_seq = -1", "meta", "first_seq"),
        ("UPDATE meta SET first_seq = 1000000", "meta", "first_seq is 1000000"),
        (
            "UPDATE journal SET seq = 9223372036854775807 WHERE seq = (SELECT max(seq) FROM journal)",
            "meta",
            "ends with row 9223372036854775807",
        ),
    ] {
        let error = refusal(change);
        assert!(error.contains(place) && error.contains(problem), "{change}: {error}");
    }
}

#[test]
fn the_database_of_another_program_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(sqlite::FILE);
    let other = Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE journal (x); PRAGMA user_version = 1;").unwrap();
    drop(other);
    let error = read(directory.path()).unwrap_err().to_string();
    assert!(error.contains("another program") && error.contains("application_id"), "{error}");
    let tables: i64 = Connection::open(&file)
        .unwrap()
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn another_format_and_what_is_no_database_are_refused() {
    let directory = filled();
    let file = directory.path().join(sqlite::FILE);
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 3).unwrap();
    let error = read(directory.path()).unwrap_err().to_string();
    assert!(error.contains("format version 3"), "{error}");
    let whole = fs::read(&file).unwrap();
    for broken in [&b"not a database, but long enough for the magic"[..], &whole[..whole.len() / 2]]
    {
        fs::write(&file, broken).unwrap();
        let error = read(directory.path()).unwrap_err().to_string();
        assert!(error.contains(sqlite::FILE), "{error}");
    }
}

/// A data directory as a kill leaves it, with all in the log, and where each
/// transaction of the log ends.
fn killed(launches: u64) -> (tempfile::TempDir, Vec<usize>) {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start_with(|config| {
        config.durability = Durability::Fsync;
        config.data_dir = directory.path().to_owned();
    });
    eventually("the service is ready", || service.get("/readyz").status == 200);
    let log = directory.path().join(LOG);
    let mut before = fs::read(&log).unwrap();
    let mut ends = Vec::new();
    for rocket in 0..launches {
        service.post(&[messages::launch(&format!("rocket {rocket}"))]);
        let after = fs::read(&log).unwrap();
        let last_changed = before.iter().zip(&after).rposition(|(old, new)| old != new);
        ends.push(last_changed.unwrap() + 1);
        before = after;
    }
    let copy = tempfile::tempdir().unwrap();
    for name in [sqlite::FILE, LOG] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    (copy, ends)
}

const LOG: &str = "downlink.db-wal";

#[test]
fn a_flipped_byte_of_the_log_is_found_out_unless_it_may_be_a_torn_write() {
    let (directory, ends) = killed(30);
    let [log, database] = [LOG, sqlite::FILE].map(|name| directory.path().join(name));
    let [original, stored] = [&log, &database].map(|file| fs::read(file).unwrap());
    let whole = read(directory.path()).unwrap();
    assert_eq!(whole.len(), ends.len());
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let last = ends[ends.len() - 2];
    let last_frame_before = last - (4096 + 24);
    let mut refused = 0;
    for _ in 0..200 {
        let at = match random.random_range(0..10) {
            0 => random.random_range(0..32),
            1 => random.random_range(last_frame_before..original.len()),
            _ => random.random_range(32..last_frame_before),
        };
        let mut broken = original.clone();
        broken[at] ^= random.random_range(1..=255_u8);
        fs::write(&log, &broken).unwrap();
        fs::write(&database, &stored).unwrap();
        match read(directory.path()) {
            Ok(kept) => {
                assert!(at >= last_frame_before, "byte {at} of {ends:?} is passed over");
                assert_eq!(kept, whole[..kept.len()], "byte {at}");
                assert!(kept.len() + 2 >= whole.len(), "byte {at}: {} are kept", kept.len());
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(LOG), "byte {at}: {error}");
            }
        }
    }
    assert!(refused > 100, "only {refused} of 200 flips were found");
}

/// What a frame says of all before it is read for the next one, too.
#[test]
fn a_flipped_checksum_of_the_log_is_found_out() {
    let (directory, ends) = killed(5);
    let log = directory.path().join(LOG);
    let original = fs::read(&log).unwrap();
    // The last transaction but two.
    for at in ends[1] + 16..ends[1] + 24 {
        let mut broken = original.clone();
        broken[at] ^= 1;
        fs::write(&log, broken).unwrap();
        let error = read(directory.path()).unwrap_err().to_string();
        assert!(error.contains(LOG) && error.contains("frame"), "byte {at}: {error}");
    }
}

#[test]
fn a_damaged_log_that_was_not_synced_is_only_told() {
    let (directory, ends) = killed(10);
    let log = directory.path().join(LOG);
    let mut bytes = fs::read(&log).unwrap();
    bytes[ends[4] + 1000] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let error = read(directory.path()).unwrap_err().to_string();
    assert!(error.contains("frame") && error.contains("--durability os"), "{error}");
    let kept = read_as(directory.path(), Synchronous::Normal).unwrap();
    assert_eq!(kept.len(), 5);
}

/// What a power cut leaves of a transaction that was never acknowledged.
#[test]
fn a_torn_last_page_of_the_log_is_no_corruption() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start_with(|config| {
        config.durability = Durability::Fsync;
        config.data_dir = directory.path().to_owned();
    });
    eventually("the service is ready", || service.get("/readyz").status == 200);
    service.post(&[messages::launch("a"), messages::speed_up("a", 2, 1)]);
    let copy = tempfile::tempdir().unwrap();
    let log = format!("{}-wal", sqlite::FILE);
    fs::copy(directory.path().join(sqlite::FILE), copy.path().join(sqlite::FILE)).unwrap();
    let acked = fs::read(directory.path().join(&log)).unwrap();
    service.post(&[messages::speed_up("a", 3, 1)]);
    let next = fs::read(directory.path().join(&log)).unwrap();
    assert_eq!(next.len(), acked.len(), "the log is as long as it gets");
    let changed = |(at, (old, new)): (usize, (&u8, &u8))| (old != new).then_some(at);
    let written: Vec<_> = acked.iter().zip(&next).enumerate().filter_map(changed).collect();
    let (first, last) = (written[0], written[written.len() - 1]);
    for cut in [first, first + 10, first + 2000, last] {
        let torn = [&next[..cut], &acked[cut..]].concat();
        fs::write(copy.path().join(&log), torn).unwrap();
        let kept = read(copy.path()).unwrap();
        assert_eq!(kept.len(), 2, "torn at {cut} of {first} to {last}: {kept:?}");
        // Opening made a WAL checkpoint; the next round starts as the first did.
        fs::copy(directory.path().join(sqlite::FILE), copy.path().join(sqlite::FILE)).unwrap();
    }
}

/// As a power cut leaves a transaction of which all but one page was written.
/// Behind it stands what was written and rolled back when the log was made long.
#[test]
fn a_last_transaction_that_lacks_a_page_is_no_corruption() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start_with(|config| {
        config.durability = Durability::Fsync;
        config.data_dir = directory.path().to_owned();
    });
    eventually("the service is ready", || service.get("/readyz").status == 200);
    service.post(&[messages::launch("a"), messages::speed_up("a", 2, 1)]);
    let [log, database] = [LOG, sqlite::FILE].map(|name| directory.path().join(name));
    let acked = fs::read(&log).unwrap();
    // Larger than some pages.
    let lines: Vec<_> = (3..103)
        .map(|number| messages::change_mission("a", number, &format!("{number:0250}")).to_string())
        .collect();
    let many = Request::post(lines.join("\n")).header("Content-Type", "application/x-ndjson");
    assert_eq!(service.send(&many).json()["applied"], 100);
    let mut torn = fs::read(&log).unwrap();
    let first = acked.iter().zip(&torn).position(|(old, new)| old != new).unwrap();
    let lacking = first + 100..first + 2000;
    torn[lacking.clone()].copy_from_slice(&acked[lacking]);
    let copy = tempfile::tempdir().unwrap();
    fs::write(copy.path().join(LOG), torn).unwrap();
    fs::copy(database, copy.path().join(sqlite::FILE)).unwrap();
    assert_eq!(read(copy.path()).unwrap().len(), 2);
}
