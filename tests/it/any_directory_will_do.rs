//! A data directory's name is a path, whatever it looks like: what was
//! acknowledged is in that directory, and there after a kill.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::support::process::{Process, downlink};
use crate::support::{self, Request, messages};
use downlink::journal::sqlite;

fn start(within: &Path, name: &OsStr) -> Process {
    let mut command = downlink();
    command.current_dir(within).args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(name);
    Process::spawn(command)
}

fn post(service: &Process) -> String {
    support::http::send(service.address, &Request::message(&messages::launch("a"))).outcome()
}

fn is_kept_in(name: &OsStr) {
    let within = tempfile::tempdir().unwrap();
    let service = start(within.path(), name);
    assert_eq!(post(&service), "applied", "{}", name.display());
    service.signal("KILL");
    service.wait();
    let file = within.path().join(name).join(sqlite::FILE);
    assert!(file.is_file(), "nothing at {}", file.display());
    let service = start(within.path(), name);
    assert_eq!(post(&service), "duplicate", "{}", name.display());
    service.terminate();
    assert!(service.wait().0.success());
}

#[test]
fn what_looks_like_a_uri_is_a_path() {
    for name in ["file:data", "file:data?mode=memory", "file:///data", ":memory:"] {
        is_kept_in(OsStr::new(name));
    }
}

#[test]
fn any_character_is_one_of_the_name() {
    for name in ["a?b=c", "a#b", "100%25", "a b", "ÄÖ ☃ \u{1F680}", "-", "a'b\"c", "a&cache=shared"]
    {
        is_kept_in(OsStr::new(name));
    }
    is_kept_in(OsStr::from_bytes(b"not \xff UTF-8"));
}
