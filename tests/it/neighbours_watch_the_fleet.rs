//! The examples of `docs/integrations` show what is posted, and what was before they
//! came.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::support::{PATIENCE, Service, messages};

/// Ends with the test, whichever way that does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::print_stderr, reason = "who runs the tests reads it there")]
fn is_here(program: &str) -> bool {
    let is_here = Command::new(program).arg("--version").output().is_ok();
    if !is_here {
        eprintln!("not tried: there is no {program} here");
    }
    is_here
}

fn example(program: &str, file: &str, address: impl std::fmt::Display) -> Command {
    let path = format!("{}/docs/integrations/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(program);
    command.args([path, format!("http://{address}")]);
    command
}

fn shows_the_fleet(program: &str, file: &str) {
    if !is_here(program) {
        return;
    }
    let service = Service::start();
    service.post(&[messages::launch("before")]);
    let mut child =
        example(program, file, &service.address).stdout(Stdio::piped()).spawn().unwrap();
    let shown = BufReader::new(child.stdout.take().unwrap());
    let _running = Running(child);
    let (line, lines) = mpsc::sync_channel(100);
    thread::spawn(move || {
        for shown in shown.lines() {
            let Ok(shown) = shown else { return };
            if line.send(shown).is_err() {
                return;
            }
        }
    });
    let until = |expected: &str| {
        while !lines.recv_timeout(PATIENCE).unwrap().starts_with(expected) {}
    };
    until("before Launched");
    service.post(&[messages::launch("meanwhile"), messages::explode("meanwhile", 2, "O-RING")]);
    until("meanwhile Exploded");
    service.post(&[messages::speed_up("before", 2, 77)]);
    until("before Launched");
    service.stop().unwrap();
}

/// An answer that ends in the middle of a chunk, as when the service is killed.
const CUT: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n100\r\n{\"event\":";

fn comes_back(program: &str, file: &str) {
    if !is_here(program) {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let _running = Running(example(program, file, address).spawn().unwrap());
    let (cut_off, times) = mpsc::sync_channel(2);
    thread::spawn(move || {
        for _ in 0..2 {
            let (client, _) = listener.accept().unwrap();
            let mut request = BufReader::new(&client);
            // The line without anything ends it.
            while request.read_line(&mut String::new()).unwrap() > 2 {}
            (&client).write_all(CUT).unwrap();
            cut_off.send(()).unwrap();
        }
    });
    for _ in 0..2 {
        times.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn python_comes_back_when_it_is_cut_off() {
    comes_back("python3", "watch.py");
}

#[test]
fn node_comes_back_when_it_is_cut_off() {
    comes_back("node", "watch.mjs");
}

#[test]
fn with_python() {
    shows_the_fleet("python3", "watch.py");
}

#[test]
fn with_node() {
    shows_the_fleet("node", "watch.mjs");
}
