//! A backup of a running service, taken as docs/OPERATIONS.md says, restores all
//! that was acknowledged before it began. A copy that is not whole is refused.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::support::process::{Process, downlink, run};
use crate::support::{self, Connection as Client, Request, Service, eventually, messages};
use downlink::journal::sqlite;

const A: &str = "0e9e9df5-38fd-52e2-916f-c858b9eb4ea5";
const LOG: &str = "downlink.db-wal";

fn start(directory: &Path) -> Process {
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(directory);
    command.args(["--checkpoint-messages", "200", "--checkpoint-interval", "50ms"]);
    let service = Process::spawn(command);
    eventually("the service is ready", || get(&service, "/readyz").status == 200);
    service
}

fn get(service: &Process, target: &str) -> support::Response {
    support::http::send(service.address, &Request::get(target))
}

/// The last number of the rocket, and how many wait for an earlier one.
fn state(service: &Process) -> (u64, u64) {
    let rocket = get(service, &format!("/rockets/{A}")).json();
    let number = |field: &str| rocket[field].as_u64().unwrap();
    (number("last_message_number"), number("buffered_messages"))
}

/// Sends the rocket's next messages from `next` on, one after the other.
fn send(service: &Process, next: &AtomicU64, until: impl Fn(u64) -> bool) {
    let mut client = Client::open(service.address);
    loop {
        let number = next.load(Ordering::Acquire);
        if until(number) {
            return;
        }
        let message = match number {
            1 => messages::launch(A),
            n => messages::speed_up(A, n, 1),
        };
        let answer = client.request(&Request::message(&message));
        assert_eq!(answer.status, 200, "{}", answer.text());
        next.store(number + 1, Ordering::Release);
    }
}

/// Takes a backup under load and restores it, several times.
fn backup_under_load(backup: impl Fn(&Path, &Path)) {
    let directory = tempfile::tempdir().unwrap();
    let service = start(&directory.path().join("data"));
    let (next, over) = (AtomicU64::new(1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| send(&service, &next, |_| over.load(Ordering::Acquire)));
        // Also when an assertion fails.
        let _over = AtTheEnd(&over);
        for round in 0..5 {
            eventually("there is something new", || {
                next.load(Ordering::Acquire) > 100 + 150 * round
            });
            let acked = next.load(Ordering::Acquire) - 1;
            let restored = directory.path().join(format!("restored {round}"));
            fs::create_dir(&restored).unwrap();
            backup(&directory.path().join("data").join(sqlite::FILE), &restored.join(sqlite::FILE));
            let sent = next.load(Ordering::Acquire);
            let restored = start(&restored);
            let (last, buffered) = state(&restored);
            assert!((acked..=sent).contains(&last), "{acked} acknowledged, {last} restored");
            assert_eq!(buffered, 0);
            restored.terminate();
            assert!(restored.wait().0.success());
        }
    });
    let last = state(&service).0;
    assert_eq!(last, next.load(Ordering::Acquire) - 1);
    service.terminate();
    assert!(service.wait().0.success());
}

struct AtTheEnd<'a>(&'a AtomicBool);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn vacuum_into_is_whole() {
    backup_under_load(|from, to| {
        let from = Connection::open(from).unwrap();
        from.busy_timeout(Duration::from_secs(10)).unwrap();
        from.execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
    });
}

#[test]
fn sqlites_online_backup_is_whole() {
    backup_under_load(|from, to| {
        let from = Connection::open(from).unwrap();
        let mut to = Connection::open(to).unwrap();
        // In one step: the copy starts over when anybody writes between two.
        let step = Backup::new(&from, &mut to).unwrap().step(-1).unwrap();
        assert_eq!(step, StepResult::Done);
    });
}

/// Runs `downlink backup`: exit code, standard output, standard error.
fn back_up(from: &Path, to: &Path) -> (Option<i32>, String, String) {
    let mut command = downlink();
    command.arg("backup").arg(to).arg("--data-dir").arg(from);
    run(command)
}

#[test]
fn downlinks_own_backup_is_whole() {
    backup_under_load(|from, to| {
        let to = to.parent().unwrap();
        let (code, out, err) = back_up(from.parent().unwrap(), to);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert_eq!(out, format!("the backup is complete: {}\n", to.display()));
        let names = fs::read_dir(to).unwrap().map(|it| it.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, [sqlite::FILE, "lock"]);
        assert!(!is_marked(to), "nothing is missing beside it");
    });
}

#[test]
fn a_stopped_or_killed_service_can_be_backed_up_too() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let next = AtomicU64::new(1);
    for (round, signal) in ["KILL", "TERM"].into_iter().enumerate() {
        let service = start(&data);
        send(&service, &next, |number| number > 60 * (round as u64 + 1));
        service.signal(signal);
        service.wait();
        let to = directory.path().join(signal);
        assert_eq!(back_up(&data, &to).0, Some(0));
        assert_eq!(found(&to), next.load(Ordering::Acquire) - 1);
    }
    // A part is no less refused than by a start.
    let (_keep, part) = copy(&directory.path().join("TERM"), &[sqlite::FILE]);
    let mut file = fs::OpenOptions::new().append(true).open(part.join(sqlite::FILE)).unwrap();
    file.write_all(b"\nA part only: the rest is in downlink.db-wal, beside this file.\n").unwrap();
    let (code, _, err) = back_up(&part, &directory.path().join("of a part"));
    assert!(code == Some(1) && err.contains("is only a part"), "{err}");
}

#[test]
fn a_backup_goes_where_nothing_is_and_half_of_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let service = start(&data);
    send(&service, &AtomicU64::new(1), |number| number > 10);
    let full = directory.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("notes"), "").unwrap();
    for (from, to, problem) in [
        (&data, &full, "full is not empty: notes is there"),
        (&data, &data, "data is not empty: "),
        (&directory.path().join("missing"), &directory.path().join("to"), "no fleet is kept in"),
    ] {
        let (code, out, err) = back_up(from, to);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        assert!(err.contains(problem), "{err}");
    }
    assert!(!directory.path().join("to").exists());
    // As one that was killed leaves it.
    let half = directory.path().join("half");
    fs::create_dir(&half).unwrap();
    fs::copy(data.join(sqlite::FILE), half.join("downlink.db.part")).unwrap();
    assert!(refusal(&half).contains("downlink.db.part is what an import or a backup left"));
    assert!(!half.join(sqlite::FILE).exists());
    assert_eq!(back_up(&data, &half).0, Some(0));
    assert_eq!(found(&half), 10);
}

/// What a start on this directory says.
fn refusal(directory: &Path) -> String {
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--log", "off", "--data-dir"]).arg(directory);
    let (code, _, error) = run(command);
    assert_eq!(code, Some(1), "{error}");
    error
}

/// Copies these files into a new directory.
fn copy(from: &Path, files: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("data");
    fs::create_dir(&to).unwrap();
    for file in files {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    (directory, to)
}

/// Whether the database in this directory says that its log belongs to it.
fn is_marked(directory: &Path) -> bool {
    !fs::metadata(directory.join(sqlite::FILE)).unwrap().len().is_multiple_of(512)
}

/// How many messages of the rocket a start on this directory finds.
fn found(directory: &Path) -> u64 {
    let service = start(directory);
    let last = state(&service).0;
    service.terminate();
    assert!(service.wait().0.success());
    last
}

#[test]
fn a_copy_of_the_database_alone_is_whole_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let service = start(&data);
    let next = AtomicU64::new(1);
    // Over many checkpoints of the service and of the log.
    for sent in (1..=1500).step_by(50) {
        send(&service, &next, |number| number > sent);
        // While a checkpoint of the log ends, the database alone is whole.
        let (mut keep, mut alone) = copy(&data, &[sqlite::FILE]);
        eventually("the log matters again", || {
            let is_part = is_marked(&alone);
            if !is_part {
                (keep, alone) = copy(&data, &[sqlite::FILE]);
            }
            is_part
        });
        let error = refusal(&alone);
        assert!(error.contains("is only a part") && error.contains(LOG), "{error}");
        assert!(!alone.join(LOG).exists(), "a refused start changes nothing");
    }
    let last = next.load(Ordering::Acquire) - 1;

    // Killed: both files together are whole, and one is not.
    service.signal("KILL");
    service.wait();
    if is_marked(&data) {
        assert!(refusal(&copy(&data, &[sqlite::FILE]).1).contains(LOG));
    }
    assert_eq!(found(&copy(&data, &[sqlite::FILE, LOG]).1), last);

    // Without what was in the log, for who says so, and well again from then on.
    let (_keep, forced) = copy(&data, &[sqlite::FILE]);
    fs::write(forced.join(LOG), "").unwrap();
    let older = found(&forced);
    assert!(older <= last);
    assert_eq!(found(&forced), older);

    // Read by another program since, which brought the log into the database.
    let (_keep, read) = copy(&data, &[sqlite::FILE, LOG]);
    let rows: i64 = Connection::open(read.join(sqlite::FILE))
        .unwrap()
        .query_row("SELECT count(*) FROM rockets", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
    assert!(!read.join(LOG).exists());
    assert_eq!(found(&read), last);

    // Stopped: the database alone is whole.
    assert_eq!(found(&data), last);
    assert!(!data.join(LOG).exists());
    assert_eq!(found(&copy(&data, &[sqlite::FILE]).1), last);
}

#[test]
fn a_stop_before_anything_came_leaves_a_whole_database() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let service = Service::start_with(|config| {
            config.durability = downlink::config::Durability::Os;
            config.data_dir = directory.path().to_owned();
        });
        assert_eq!(service.stop(), Ok(()));
        assert!(!directory.path().join(LOG).exists());
        let length = fs::metadata(directory.path().join(sqlite::FILE)).unwrap().len();
        assert_eq!(length % 4096, 0);
    }
}
