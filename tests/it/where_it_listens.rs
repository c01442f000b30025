//! `--listen` with names, several addresses and Unix sockets, whose files come
//! and go with the service.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::Request;
use crate::support::http::send;
use crate::support::logged::{Logged, over_socket};
use crate::support::messages::launch;
use crate::support::process::{downlink, run};

fn in_memory(arguments: &[&str]) -> Command {
    let mut command = downlink();
    command.args(["--durability", "memory"]).args(arguments);
    command
}

fn socket(path: &Path) -> String {
    format!("--listen=unix:{}", path.display())
}

#[test]
fn all_addresses_are_served_under_whatever_name() {
    let one = "--listen=127.0.0.1:0, [::1]:0";
    let service = Logged::start(in_memory(&[one, "--listen", "localhost:0", "--listen=:0"]));
    let addresses = service.addresses();
    assert!(addresses.len() >= 4, "{addresses:?}");
    for address in &addresses {
        let reachable = address.replace("[::]", "[::1]").replace("0.0.0.0", "127.0.0.1");
        let answer = send(reachable.parse().unwrap(), &Request::get("/readyz"));
        assert_eq!(answer.status, 200, "{address}");
    }
    let lines = service.stop();
    let first = &lines[0]["fields"];
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(first["durability"], "memory");
    assert_eq!(first["data_directory"], "none");
    let urls: Vec<_> = addresses.iter().map(|address| format!("http://{address}")).collect();
    assert_eq!(first["url"], urls.join(","));
}

#[test]
fn a_socket_has_its_mode_while_the_service_runs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("downlink.sock");
    for (arguments, mode) in [(&[][..], 0o660), (&["--unix-mode", "600"], 0o600)] {
        let mut command = in_memory(&[&socket(&path)]);
        command.args(arguments);
        let service = Logged::start(command);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
        assert_eq!(service.addresses(), [format!("unix:{}", path.display())]);
        let message = launch("a").to_string();
        let answer = over_socket(&path, "POST", "/messages", &message);
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
        let answer = over_socket(&path, "GET", "/rockets/a", "");
        assert!(answer.contains("Falcon-9"), "{answer}");
        service.stop();
        assert!(!path.exists());
    }
}

#[test]
fn a_socket_that_nobody_answers_on_is_replaced_and_no_other_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let killed = Logged::start(in_memory(&[&socket(&path)]));
    killed.child.signal("KILL");
    killed.wait();
    assert!(path.exists());
    let service = Logged::start(in_memory(&[&socket(&path)]));
    // Somebody answers by now.
    let (code, _, err) = run(in_memory(&[&socket(&path)]));
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.contains("unix:") && err.contains("in use"), "{err}");
    assert!(over_socket(&path, "GET", "/readyz", "").starts_with("HTTP/1.1 200"));
    // Another's is not removed.
    std::fs::rename(&path, directory.path().join("old")).unwrap();
    std::fs::write(&path, "mine").unwrap();
    service.stop();
    let (code, _, err) = run(in_memory(&[&socket(&path)]));
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn a_name_without_an_address_ends_the_program_with_exit_code_1() {
    let (code, _, err) = run(in_memory(&["--listen", "no-such-host.invalid:80"]));
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.contains("no-such-host.invalid:80"), "{err}");
}
