//! The examples of `docs/integrations` show what is posted, and what was before they
//! came.

use std::io::{BufRead, BufReader};
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
fn shows_the_fleet(program: &str, file: &str) {
    if Command::new(program).arg("--version").output().is_err() {
        eprintln!("not tried: there is no {program} here");
        return;
    }
    let service = Service::start();
    service.post(&[messages::launch("before")]);
    let path = format!("{}/docs/integrations/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(program)
        .args([path, format!("http://{}", service.address)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
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

#[test]
fn with_python() {
    shows_the_fleet("python3", "watch.py");
}

#[test]
fn with_node() {
    shows_the_fleet("node", "watch.mjs");
}
