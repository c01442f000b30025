//! Standard error whose reader is gone, stands still, or has no room: lines are
//! lost, and nothing else. And what a terminal gets to see.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, PipeReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::send;
use crate::support::logged::Guarded;
use crate::support::messages::{explode, launch, speed_up};
use crate::support::process::downlink;
use crate::support::scrape::Scrape;
use crate::support::{Connection, Request, eventually};

/// Lines that may wait to be written, and more; each request makes several.
const FLOOD: usize = 10_000;

/// A service that says much, and so much more with each request.
fn talkative(listen: &str) -> Command {
    let mut command = downlink();
    command.args(["--durability", "memory", "--workers", "2", "--log", "trace"]);
    command.args(["--log-format", "json", "--listen", listen]);
    command
}

/// Starts it with standard error on a pipe; returns where it listens, and the
/// pipe's other end, read up to there.
fn on_a_pipe() -> (Guarded, SocketAddr, BufReader<PipeReader>) {
    let (reader, writer) = std::io::pipe().unwrap();
    // The smallest, so that it is full after some lines.
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    let mut command = talkative("127.0.0.1:0");
    let child = Guarded(command.stdout(Stdio::null()).stderr(writer).spawn().unwrap());
    // Which has the writing end too.
    drop(command);
    let mut lines = BufReader::new(reader);
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the log ends");
        let entry: Value = serde_json::from_str(&line).unwrap();
        if entry["fields"]["message"] == "listening" {
            let address = entry["fields"]["address"].as_str().unwrap();
            return (child, address.parse().unwrap(), lines);
        }
    }
}

/// Anomalies of several rockets, which are warned of, and a flood of requests.
fn make_it_talk(address: SocketAddr) {
    eventually("the service is ready", || send(address, &Request::get("/readyz")).status == 200);
    let mut connection = Connection::open(address);
    for n in 0..20 {
        let channel = format!("rocket {n}");
        for message in [launch(&channel), explode(&channel, 2, "x"), explode(&channel, 3, "y")] {
            assert_eq!(connection.request(&Request::message(&message)).outcome(), "applied");
        }
    }
    for _ in 0..FLOOD {
        assert_eq!(connection.request(&Request::get("/readyz")).status, 200);
    }
}

/// It takes messages as before, is ready, and ends well.
fn goes_on(mut child: Guarded, address: SocketAddr) {
    assert!(child.0.try_wait().unwrap().is_none(), "the service ended");
    let mut connection = Connection::open(address);
    for n in 0..20 {
        let message = Request::message(&speed_up(&format!("rocket {n}"), 4, 1));
        assert_eq!(connection.request(&message).outcome(), "applied", "rocket {n}");
    }
    assert_eq!(connection.request(&Request::get("/readyz")).json(), json!({"status": "ready"}));
    child.signal("TERM");
    assert_eq!(child.wait().code(), Some(0));
}

#[test]
fn a_reader_that_is_gone_ends_nothing() {
    let (child, address, lines) = on_a_pipe();
    drop(lines);
    make_it_talk(address);
    eventually("lost lines are counted", || {
        let scrape = Scrape::read(&send(address, &Request::get("/metrics")));
        scrape.get("downlink_log_lines_lost_total", &[]) >= 1.0
    });
    goes_on(child, address);
}

#[test]
fn a_reader_that_stands_still_stalls_nothing() {
    let (child, address, _lines) = on_a_pipe();
    make_it_talk(address);
    goes_on(child, address);
}

#[test]
fn a_full_disk_behind_the_log_stops_nothing() {
    // No line can tell the port.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = talkative(&address.to_string());
    let child = Guarded(command.stdout(Stdio::null()).stderr(full).spawn().unwrap());
    eventually("the service listens", || std::net::TcpStream::connect(address).is_ok());
    make_it_talk(address);
    goes_on(child, address);
}

#[test]
fn lines_that_were_lost_are_counted_once_the_way_is_free() {
    let (mut child, address, lines) = on_a_pipe();
    make_it_talk(address);
    // Reads on, until the loss is told.
    let (told, heard) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            let entry: Value = serde_json::from_str(&line).unwrap();
            if entry["fields"]["message"] == "log lines were lost" {
                let _ = told.send(entry["fields"]["lines"].as_u64().unwrap());
            }
        }
    });
    let mut lost = 0;
    eventually("the loss is told", || {
        assert_eq!(send(address, &Request::get("/readyz")).status, 200);
        lost += heard.recv_timeout(Duration::from_millis(50)).unwrap_or(0);
        lost > 0
    });
    child.signal("TERM");
    assert_eq!(child.wait().code(), Some(0));
    reader.join().unwrap();
}

/// Runs the service with a terminal as standard error, and returns what is
/// written to it until it is ready.
fn on_a_terminal(variable: &str, value: &str) -> String {
    let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
    let screen = rustix::pty::openpt(flags).unwrap();
    rustix::pty::grantpt(&screen).unwrap();
    rustix::pty::unlockpt(&screen).unwrap();
    let name = rustix::pty::ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
    let terminal = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let mut command = downlink();
    command.env_remove("NO_COLOR").env("TERM", "xterm").env(variable, value);
    command.args(["--durability", "memory", "--log", "debug", "--listen", "127.0.0.1:0"]);
    let mut child = Guarded(command.stdout(Stdio::null()).stderr(terminal).spawn().unwrap());
    drop(command);
    let mut shown = String::new();
    let mut screen = std::fs::File::from(screen);
    while !shown.contains("ready") {
        let mut piece = [0; 1024];
        let length = screen.read(&mut piece).unwrap();
        shown.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    child.signal("TERM");
    assert_eq!(child.wait().code(), Some(0));
    shown
}

#[test]
fn only_a_terminal_that_wants_colours_gets_them() {
    for (variable, value, coloured) in [
        ("TERM", "xterm", true),
        ("TERM", "dumb", false),
        ("NO_COLOR", "1", false),
        ("NO_COLOR", "", true),
    ] {
        let shown = on_a_terminal(variable, value);
        assert_eq!(shown.contains('\u{1b}'), coloured, "{variable}={value}: {shown}");
    }
}
