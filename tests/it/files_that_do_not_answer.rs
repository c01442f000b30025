//! Files of tokens that do not answer, as those on a file server that is gone: at
//! the start and at SIGHUP. Pipes stand in for them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::eventually;
use crate::support::http::{Request, send};
use crate::support::logged::{Guarded, Logged};
use crate::support::messages::launch;
use crate::support::process::downlink;

const OLD: &str = "an-old-token-0123456789";
const NEW: &str = "a-new-token-0123456789";

/// A file of tokens, and a service to be started with it.
fn guarded(directory: &Path) -> (PathBuf, Command) {
    let file = directory.join("tokens");
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0", "--ingest-token-file"]);
    command.arg(&file);
    (file, command)
}

/// Puts something else in a file's place.
fn replace(file: &Path, make: impl FnOnce(&Path)) {
    let new = file.with_extension("new");
    make(&new);
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&new, file).unwrap();
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn is_taken(address: SocketAddr, token: &str) -> bool {
    let message = Request::message(&launch("a"));
    send(address, &message.header("authorization", &format!("Bearer {token}"))).status == 200
}

#[test]
fn a_start_says_what_it_waits_for() {
    let directory = tempfile::tempdir().unwrap();
    let (tokens, mut with_tokens) = guarded(directory.path());
    let certificate = directory.path().join("certificate");
    let mut with_tls = downlink();
    with_tls.args(["--durability", "memory", "--listen", "127.0.0.1:0", "--tls-cert"]);
    with_tls.arg(&certificate).arg("--tls-key").arg(&certificate);
    for (flag, file, command) in [
        ("--ingest-token-file", &tokens, &mut with_tokens),
        ("--tls-cert", &certificate, &mut with_tls),
    ] {
        pipe(file);
        let mut child = Guarded(command.stderr(Stdio::piped()).spawn().unwrap());
        let mut said = BufReader::new(child.0.stderr.take().unwrap()).lines();
        let expected =
            format!("waiting for a file that does not answer: {flag} {}", file.display());
        assert_eq!(said.next().unwrap().unwrap(), expected);
        // What comes in the end counts; this is neither.
        fs::File::options().write(true).open(file).unwrap().write_all(b"x").unwrap();
        assert_eq!(child.wait().code(), Some(2));
        assert!(said.next().unwrap().unwrap().contains(flag));
    }
}

#[test]
fn a_hangup_while_it_starts_ends_nothing_and_is_obeyed() {
    let directory = tempfile::tempdir().unwrap();
    let (file, command) = guarded(directory.path());
    replace(&file, pipe);
    let service = Logged::start_when(command, |child| {
        // Held open by the service once this is done.
        let mut writer = fs::File::options().write(true).open(&file).unwrap();
        child.signal("HUP");
        replace(&file, |new| fs::write(new, NEW).unwrap());
        writer.write_all(OLD.as_bytes()).unwrap();
    });
    eventually("it is obeyed", || service.said("SIGHUP: tokens reloaded").len() == 1);
    let address = service.addresses()[0].parse().unwrap();
    assert!(is_taken(address, NEW) && !is_taken(address, OLD));
    service.stop();
}

#[test]
fn a_file_that_does_not_answer_is_told_and_holds_up_no_later_hangup() {
    let directory = tempfile::tempdir().unwrap();
    let (file, command) = guarded(directory.path());
    replace(&file, |new| fs::write(new, OLD).unwrap());
    let service = Logged::start(command);
    let address = service.addresses()[0].parse().unwrap();
    replace(&file, pipe);
    service.child.signal("HUP");
    let told = || service.said("SIGHUP: tokens not reloaded; the old stay");
    eventually("it is told", || told().len() == 1);
    let error = told()[0]["error"].to_string();
    assert!(error.contains("not read within 5s"), "{error}");
    assert!(is_taken(address, OLD));
    let hanging = fs::File::options().read(true).write(true).open(&file).unwrap();
    replace(&file, |new| fs::write(new, NEW).unwrap());
    service.child.signal("HUP");
    eventually("the next is obeyed", || service.said("SIGHUP: tokens reloaded").len() == 1);
    assert!(is_taken(address, NEW) && !is_taken(address, OLD));
    // What comes of the first one in the end is too late.
    (&hanging).write_all(OLD.as_bytes()).unwrap();
    drop(hanging);
    service.child.signal("HUP");
    eventually("so is another", || service.said("SIGHUP: tokens reloaded").len() == 2);
    assert!(is_taken(address, NEW) && !is_taken(address, OLD));
    service.stop();
}
