//! A service manager hears of the start once it is complete, of the stop, and of
//! every look at which the service moves; and of none at which it hangs.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc;

use downlink::journal::memory::MemoryJournal;
use tempfile::TempDir;

use crate::support::faults::{Fault, Faults};
use crate::support::http::send;
use crate::support::journal::Gated;
use crate::support::logged::{Guarded, Logged};
use crate::support::messages::{launch, speed_up};
use crate::support::odd_journal::{Does, OddJournal};
use crate::support::process::downlink;
use crate::support::{PATIENCE, Request, Service, eventually, passing_problem};

/// What a manager hears.
struct Heard {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Heard {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("notify")
    }

    /// The next word, by its lines.
    fn next(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let count = self.socket.recv(&mut bytes).unwrap();
        let text = std::str::from_utf8(&bytes[..count]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// All words up to the one with this line, which is the last.
    fn until(&self, line: &str) -> Vec<Vec<String>> {
        let mut words = Vec::new();
        loop {
            words.push(self.next());
            if words.last().unwrap().iter().any(|found| found == line) {
                return words;
            }
        }
    }

    /// What waits to be heard.
    fn rest(&self) -> Vec<Vec<String>> {
        self.socket.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4096];
        let mut words = Vec::new();
        while let Ok(count) = self.socket.recv(&mut bytes) {
            let text = std::str::from_utf8(&bytes[..count]).unwrap();
            words.push(text.lines().map(str::to_owned).collect());
        }
        self.socket.set_nonblocking(false).unwrap();
        words
    }
}

fn told(directory: &Path, heard: &Heard) -> Command {
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(directory);
    command.env("NOTIFY_SOCKET", heard.path());
    command
}

fn has(words: &[Vec<String>], line: &str) -> bool {
    words.iter().flatten().any(|found| found == line)
}

/// Another run of this test binary, for a service over a journal of ours: whom a
/// service tells stands in its process's environment. Each line that it reads
/// lets it go on.
struct Other(Guarded, ChildStdin);

impl Other {
    fn run(test: &str, heard: &Heard, watchdog: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let test = format!("a_service_manager_is_told::{test}");
        command.args(["--exact", &test, "--ignored", "--nocapture"]);
        command.env("NOTIFY_SOCKET", heard.path()).stdin(Stdio::piped()).stdout(Stdio::null());
        command.env_remove("WATCHDOG_PID").env_remove("WATCHDOG_USEC");
        if let Some(micros) = watchdog {
            command.env("WATCHDOG_USEC", micros);
        }
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        Self(Guarded(child), stdin)
    }

    fn go_on(&mut self) {
        self.1.write_all(b"\n").unwrap();
    }

    fn end(self) {
        let Self(mut child, stdin) = self;
        drop(stdin);
        assert!(child.wait().success());
    }
}

/// Waits for [`Other::go_on`], or its end.
fn wait_for_word() {
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn ready_comes_once_and_stopping_with_the_stop() {
    let (heard, directory) = (Heard::new(), tempfile::tempdir().unwrap());
    let service = Logged::start(told(directory.path(), &heard));
    let words = heard.until("READY=1");
    assert!(has(&words, "STATUS=ready"), "{words:?}");
    service.child.signal("TERM");
    let words = heard.until("STOPPING=1");
    assert!(!has(&words, "READY=1") && !has(&words, "WATCHDOG=1"), "{words:?}");
    let (code, lines) = service.wait();
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(!has(&heard.rest(), "READY=1"));
}

#[test]
fn ready_waits_for_what_was_kept_to_be_read() {
    let heard = Heard::new();
    let mut other = Other::run("a_service_that_reads_for_long", &heard, None);
    let words = heard.until("STATUS=starting: the journal is being read");
    assert!(!has(&words, "READY=1"), "{words:?}");
    let longer = |line: &String| line.starts_with("EXTEND_TIMEOUT_USEC=");
    assert!(words.iter().flatten().any(longer), "{words:?}");
    assert!(!has(&heard.rest(), "READY=1"));
    other.go_on();
    assert!(has(&heard.until("READY=1"), "STATUS=ready"));
    other.end();
    heard.until("STOPPING=1");
}

#[test]
#[ignore = "`ready_waits_for_what_was_kept_to_be_read` runs it in a process of its own"]
fn a_service_that_reads_for_long() {
    let (go_on, wait) = mpsc::sync_channel::<()>(1);
    let service =
        Service::opened(|_| {}, Box::new(Gated(wait, Box::new(MemoryJournal::default()))));
    passing_problem(&service.get("/readyz"), 503);
    assert_eq!(service.get("/livez").status, 200);
    wait_for_word();
    drop(go_on);
    service.wait_until_ready();
    wait_for_word();
    assert_eq!(service.stop(), Ok(()));
}

/// Half a second between looks.
const WATCHDOG: &str = "1000000";

#[test]
fn the_watchdog_is_fed_while_everything_moves_and_not_while_a_worker_hangs() {
    let heard = Heard::new();
    let mut other = Other::run("a_service_whose_worker_hangs", &heard, Some(WATCHDOG));
    heard.until("READY=1");
    (0..3).for_each(|_| drop(heard.until("WATCHDOG=1")));
    other.go_on();
    // How long it hangs by now is told at every look.
    let hangs = |word: &[String]| word[0].contains("has not moved for");
    eventually("it is told that it hangs", || hangs(&heard.next()));
    for _ in 0..4 {
        let word = heard.next();
        assert!(hangs(&word) && !word.contains(&"WATCHDOG=1".to_owned()), "{word:?}");
    }
    other.go_on();
    heard.until("STATUS=ready");
    heard.until("WATCHDOG=1");
    other.end();
}

#[test]
#[ignore = "the test above runs it in a process of its own"]
fn a_service_whose_worker_hangs() {
    let journal = OddJournal::new();
    // One thread is left when a worker keeps its own.
    let service = Service::over(journal.clone(), |config| {
        config.threads = 3;
        config.http.request_timeout = PATIENCE;
    });
    wait_for_word();
    journal.append.set(Does::Hangs);
    let mut writer = service.connect();
    writer.send(&Request::message(&launch("a")).to_bytes());
    eventually("it is no life", || service.get("/livez").status == 503);
    let detail = passing_problem(&service.get("/livez"), 503);
    assert!(detail.starts_with("the worker of partition "), "{detail}");
    wait_for_word();
    journal.append.set(Does::Well);
    assert_eq!(writer.receive().outcome(), "applied");
    service.wait_until_ready();
    wait_for_word();
    assert_eq!(service.stop(), Ok(()));
}

#[test]
fn a_worker_that_dies_ends_the_service_and_is_told() {
    let heard = Heard::new();
    let mut other = Other::run("a_service_whose_worker_dies", &heard, Some(WATCHDOG));
    heard.until("READY=1");
    heard.until("WATCHDOG=1");
    other.go_on();
    heard.until("STOPPING=1");
    other.end();
    assert!(!has(&heard.rest(), "WATCHDOG=1"));
}

#[test]
#[ignore = "the test above runs it in a process of its own"]
fn a_service_whose_worker_dies() {
    let journal = OddJournal::new();
    let service = Service::over(journal.clone(), |_| {});
    wait_for_word();
    journal.append.set(Does::Panics);
    passing_problem(&service.send(&Request::message(&launch("a"))), 503);
    eventually("the service ends by itself", || service.has_ended());
    assert!(service.stop().unwrap_err().contains("panicked"));
}

#[test]
fn a_disk_that_hangs_does_not_keep_the_process_from_life() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let service = Service::opened(
        |config| config.http.request_timeout = PATIENCE,
        faults.journal(directory.path()),
    );
    service.wait_until_ready();
    faults.set(Fault::Stalled);
    let mut writer = service.connect();
    writer.send(&Request::message(&launch("a")).to_bytes());
    eventually("it is not ready", || service.get("/readyz").status == 503);
    assert_eq!(service.get("/livez").status, 200);
    faults.set(Fault::None);
    assert_eq!(writer.receive().outcome(), "applied");
}

#[test]
fn a_manager_that_cannot_be_told_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let heard = Heard::new();
    // Nobody reads, and the system holds but few words for them.
    let mut command = told(directory.path(), &heard);
    command.env("WATCHDOG_USEC", "2000").args(["--durability", "memory"]);
    let service = Logged::start(command);
    let address = service.addresses()[0].parse().unwrap();
    for number in 1..=200 {
        let message = if number == 1 { launch("a") } else { speed_up("a", number, 1) };
        assert_eq!(send(address, &Request::message(&message)).outcome(), "applied");
    }
    let lines = service.stop();
    drop(heard);
    assert!(lines.iter().any(|line| line["fields"]["message"] == "stopped"));
}
