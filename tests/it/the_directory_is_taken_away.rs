//! The data directory, or a file of it, is deleted, moved or replaced while the
//! service runs: nothing is acknowledged from then on, and what is in its place
//! is left alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::http::send;
use crate::support::process::{Process, downlink};
use crate::support::{Request, Service, eventually, messages, passing_problem};
use downlink::config::Durability;
use downlink::fleet::checkpoint::Interval;
use downlink::journal::sqlite;

const A: &str = "0e9e9df5-38fd-52e2-916f-c858b9eb4ea5";

fn start(directory: &Path) -> Service {
    Service::start_with(|config| {
        config.durability = Durability::Fsync;
        config.data_dir = directory.to_owned();
        // A checkpoint all the time, and it must do no harm.
        config.checkpoints = Interval { records: 1, time: Duration::from_millis(100) };
    })
}

/// What a service says to the first message after `take` was done to its
/// directory, or to the parent of it.
fn refusal(take: impl FnOnce(&Path)) -> String {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("data");
    let service = start(&directory);
    assert_eq!(service.post(&[messages::launch(A)]), "applied");
    take(&directory);
    let refused = service.send(&Request::message(&messages::speed_up(A, 2, 7)));
    let detail = passing_problem(&refused, 503);
    // Not ready, and so it stays; what was shown before is shown.
    let not_ready = passing_problem(&service.get("/readyz"), 503);
    assert!(not_ready.contains("downlink.db") && not_ready.contains("while the service ran"));
    passing_problem(&service.send(&Request::message(&messages::launch("b"))), 503);
    assert_eq!(service.read(&format!("/rockets/{A}"))["speed"], 500);
    service.stop_after_failure();
    detail
}

#[test]
fn a_directory_that_is_gone_ends_acknowledgements() {
    for detail in [
        refusal(|directory| fs::remove_dir_all(directory).unwrap()),
        refusal(|directory| fs::rename(directory, directory.with_extension("old")).unwrap()),
        refusal(|directory| fs::remove_file(directory.join(sqlite::FILE)).unwrap()),
    ] {
        assert!(detail.contains("downlink.db was deleted or moved away"), "{detail}");
    }
}

#[test]
fn the_end_of_acknowledgements_is_logged_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--workers", "4", "--data-dir"]).arg(directory.path());
    let service = Process::spawn(command);
    fs::remove_file(directory.path().join(sqlite::FILE)).unwrap();
    // To all partitions.
    for rocket in 0..20 {
        let launch = Request::message(&messages::launch(&rocket.to_string()));
        passing_problem(&send(service.address, &launch), 503);
    }
    let text = "messages are not accepted any more; restart the service";
    eventually("it is told", || service.logged(text) > 0);
    service.terminate();
    let (status, log) = service.wait();
    assert_eq!((status.code(), log.matches(text).count()), (Some(1), 1), "{log}");
}

#[test]
fn a_log_that_is_gone_ends_acknowledgements() {
    let detail = refusal(|directory| fs::remove_file(directory.join("downlink.db-wal")).unwrap());
    assert!(detail.contains("downlink.db-wal was deleted or moved away"), "{detail}");
}

#[test]
fn who_hears_nothing_notices_too_and_is_ready_again_once_it_is_back() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("data");
    // Without a checkpoint, which would notice it for good.
    let service = Service::start_with(|config| {
        config.durability = Durability::Fsync;
        config.data_dir.clone_from(&directory);
    });
    assert_eq!(service.post(&[messages::launch(A)]), "applied");
    let elsewhere = directory.with_extension("old");
    fs::rename(&directory, &elsewhere).unwrap();
    let mut detail = None;
    eventually("it is not ready", || {
        let answer = service.get("/readyz");
        detail = (answer.status == 503).then(|| passing_problem(&answer, 503));
        detail.is_some()
    });
    let detail = detail.unwrap();
    assert!(detail.contains("downlink.db was deleted or moved away"), "{detail}");
    fs::rename(&elsewhere, &directory).unwrap();
    service.wait_until_ready();
    assert_eq!(service.post(&[messages::speed_up(A, 2, 7)]), "applied");
    assert_eq!(service.stop(), Ok(()));
}

/// Somebody restores a backup under a service that was not stopped.
#[test]
fn what_was_put_in_its_place_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let other = parent.path().join("other");
    let running = start(&other);
    running.post(&[messages::launch("other")]);
    // As after a kill: with all in the log.
    let restored = parent.path().join("restored");
    fs::create_dir(&restored).unwrap();
    for name in [sqlite::FILE, "downlink.db-wal"] {
        fs::copy(other.join(name), restored.join(name)).unwrap();
    }
    drop(running);
    let files = || [sqlite::FILE, "downlink.db-wal"].map(|name| fs::read(restored.join(name)).ok());
    let before = files();

    let detail = refusal(|directory| {
        fs::rename(directory, directory.with_extension("old")).unwrap();
        // By name, as a mount does it.
        std::os::unix::fs::symlink(&restored, directory).unwrap();
    });
    assert!(detail.contains("downlink.db was replaced by another file"), "{detail}");
    assert!(files() == before, "the stop changed what is not its own");
    let service = start(&restored);
    assert_eq!(service.post(&[messages::launch("other")]), "duplicate");
}
