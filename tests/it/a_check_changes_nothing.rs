//! `downlink check` says what a start would find, with its exit code, and leaves
//! everything as it was.

use std::fs;
use std::path::Path;

use crate::support::messages::{explode, launch, speed_up};
use crate::support::process::{Process, downlink, run};
use crate::support::{Request, http, tls, wait_until_free};
use downlink::journal::sqlite::FILE;

fn check(arguments: &[&str], directory: &Path) -> (Option<i32>, String, String) {
    let mut command = downlink();
    command.arg("check").args(arguments).arg("--data-dir").arg(directory);
    run(command)
}

/// A service with three rockets, one of which waits.
fn service(directory: &Path) -> Process {
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(directory);
    let service = Process::spawn(command);
    for message in [launch("a"), explode("a", 2, "X"), launch("b"), speed_up("c", 5, 1)] {
        http::send(service.address, &Request::message(&message));
    }
    service
}

/// Every file with its content and the time of its last change.
fn files(directory: &Path) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let changed = entry.metadata().unwrap().modified().unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap(), changed)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn it_tells_what_there_is_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (code, out, err) = check(&[], &data);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("nothing is kept there yet"), "{out}");
    assert!(!data.exists(), "it is made by a start");

    let found = |served: &str, journal: &str| {
        // What the kernel has of a log that is mapped has no place in it.
        let before = files(&data);
        let (code, out, err) = check(&[], &data);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        for line in [
            served,
            "tables        version 1",
            journal,
            "rockets       3: 2 launched, 1 of them exploded; 1 not launched",
            "waiting       1 rocket, with 1 message",
            "lost          0 messages",
        ] {
            assert!(out.contains(line), "{line}: {out}");
        }
        let names = |files: &[(String, Vec<u8>, _)]| {
            files.iter().map(|(name, ..)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&files(&data)), names(&before));
        (before, files(&data))
    };
    let running = service(&data);
    found(&format!("served        by process {}", running.id()), "with 4 messages");
    running.signal("KILL");
    running.wait();
    wait_until_free(&data);
    let (before, after) = found("served        by nobody", "with 4 messages");
    assert_eq!(before, after);

    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    let service = Process::spawn(command);
    service.terminate();
    assert!(service.wait().0.success());
    wait_until_free(&data);
    let (before, after) = found("served        by nobody", "0 rows, with 0 messages");
    assert_eq!(before, after);
}

#[test]
fn it_fails_where_a_start_would() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    service(&data).signal("KILL");
    wait_until_free(&data);
    let refused = |arguments: &[&str], code: i32, problem: &str| {
        let before = files(&data);
        let (found, _, err) = check(arguments, &data);
        assert_eq!((found, err.lines().count()), (Some(code), 1), "{problem}: {err}");
        assert!(err.contains(problem), "{problem}: {err}");
        assert_eq!(files(&data), before, "{problem}");
    };
    refused(&["--workers", "0"], 2, "--workers");
    refused(&["--read-token-file", "missing"], 2, "--read-token-file missing");
    refused(&["--tls-cert", "missing", "--tls-key", "missing"], 2, "--tls-cert missing");
    refused(&["--listen", "nowhere"], 2, "--listen");

    let log = data.join("downlink.db-wal");
    let whole = fs::read(&log).unwrap();
    let mut damaged = whole.clone();
    damaged[32 + 24 + 100] ^= 1;
    fs::write(&log, &damaged).unwrap();
    refused(&[], 1, "is corrupt");
    fs::remove_file(&log).unwrap();
    refused(&[], 1, "is only a part");
    fs::write(&log, &whole).unwrap();
    let other = data.join("downlink.db.part");
    fs::write(&other, "").unwrap();
    refused(&[], 1, "an import or a backup left");
    fs::remove_file(&other).unwrap();
    assert_eq!(check(&[], &data).0, Some(0));

    // And one that is damaged after a stop.
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    let service = Process::spawn(command);
    service.terminate();
    service.wait();
    wait_until_free(&data);
    let database = rusqlite::Connection::open(data.join(FILE)).unwrap();
    assert_eq!(database.execute("UPDATE rockets SET mission = 'B' WHERE id = 1", []), Ok(1));
    drop(database);
    refused(&[], 1, "table rockets, row 1: its checksum does not match");
}

#[test]
fn certificates_and_the_configuration_are_part_of_it() {
    let files = tls::Files::new(&tls::Authority::new("authority").issue());
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| files.path(name));
    let cert = cert.to_str().unwrap();
    let mut command = downlink();
    command.args(["check", "--durability", "memory", "--tls-cert", cert]);
    command.env("DOWNLINK_TLS_KEY", key);
    let (code, out, err) = run(command);
    assert_eq!(code, Some(0), "{err}");
    for line in [
        "valid (given by flags: 2, by variables: 1, by the file: 0)",
        cert,
        "none, with --durability memory",
    ] {
        assert!(out.contains(line), "{out}");
    }
}
