//! More clients than places, or than open files: who is served.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::journal::HeldJournal;
use crate::support::messages::launch;
use crate::support::process::{Process, downlink};
use crate::support::{Connection, Request, Service, eventually};

/// The binary, started by a shell that sets limits first.
fn limited(limits: &str, arguments: &[&str]) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")]).arg(downlink().get_program());
    command.args(["--listen", "127.0.0.1:0", "--durability", "memory"]).args(arguments);
    Process::spawn(command)
}

fn is_ready(address: SocketAddr) -> bool {
    let stream = TcpStream::connect(address).map(Connection::new);
    let answer = stream.and_then(|mut it| it.try_request(&Request::get("/readyz")));
    answer.is_ok_and(|answer| answer.status == 200)
}

/// What a log says with this message.
fn lines(log: &str, message: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["fields"]["message"] == message).collect()
}

#[test]
fn with_few_open_files_somebody_is_answered_and_little_is_said() {
    let service = limited("ulimit -n 60", &[]);
    let address = service.address;
    let _idle: Vec<_> = (0..120).map(|_| TcpStream::connect(address).unwrap()).collect();
    let start = Instant::now();
    eventually("a probe is answered", || is_ready(address));
    assert!(start.elapsed() < Duration::from_secs(10), "only after {:?}", start.elapsed());
    std::thread::sleep(Duration::from_secs(1));
    let seconds = start.elapsed().as_secs() + 2;
    service.terminate();
    let (status, log) = service.wait();
    assert!(status.success(), "{log}");
    let told = lines(&log, "could not accept a connection").len() as u64;
    assert!(told <= seconds, "{told} lines in {seconds} s:\n{log}");
    assert!(log.contains("too few open files"), "{log}");
}

#[test]
fn the_limit_on_open_files_is_raised_to_what_is_needed() {
    let service = limited("ulimit -S -n 60", &["--max-connections", "200"]);
    let clients: Vec<_> = (0..150)
        .map(|_| {
            let mut client = Connection::open(service.address);
            assert_eq!(client.request(&Request::get("/readyz")).status, 200);
            client
        })
        .collect();
    drop(clients);
    service.terminate();
    let (_, log) = service.wait();
    let told = lines(&log, "open files are enough");
    assert!(told[0]["fields"]["descriptors"].as_u64() >= Some(232), "{log}");
}

#[test]
fn one_address_that_takes_all_places_and_keeps_busy_leaves_some_to_others() {
    let service = Service::start_with(|config| {
        config.http.max_connections = 8;
        // Nothing else ends what the flood keeps up.
        config.http.request_timeout = Duration::from_secs(100);
    });
    let head = "POST /messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60000\r\n\r\n";
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flood = || {
            let mut clients: Vec<_> =
                (0..20).map(|_| service.connect_from([127, 0, 0, 2])).collect();
            for client in &mut clients {
                let _ = client.try_send(head.as_bytes());
            }
            while !done.load(Ordering::Relaxed) {
                for client in &mut clients {
                    let _ = client.try_send(b" ");
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        };
        scope.spawn(flood);
        std::thread::sleep(Duration::from_millis(300));
        let start = Instant::now();
        for _ in 0..3 {
            let mut honest = service.connect_from([127, 0, 0, 3]);
            let answer = honest.try_request(&Request::get("/readyz"));
            done.store(answer.is_err(), Ordering::Relaxed);
            assert_eq!(answer.unwrap().status, 200);
        }
        done.store(true, Ordering::Relaxed);
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    });
}

#[test]
fn one_that_is_silent_gives_its_place_to_one_that_waits() {
    let service = Service::start_with(|config| config.http.max_connections = 2);
    let mut silent: Vec<_> = (0..2).map(|_| service.connect()).collect();
    for client in &mut silent {
        assert_eq!(client.request(&Request::get("/readyz")).status, 200);
    }
    let start = Instant::now();
    assert_eq!(service.get("/readyz").status, 200);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    // The one that was silent for longest.
    assert!(silent[0].is_closed());
}

#[test]
fn one_that_waits_for_us_amid_its_body_is_not_silent() {
    let journal = HeldJournal::new();
    let service = Service::over(journal.clone(), |config| {
        config.http.max_connections = 2;
        config.http.request_timeout = Duration::from_secs(100);
    });
    let lines: String = (0..20_000).map(|n| format!("{}\n", launch(&n.to_string()))).collect();
    let bulk = Request::post(lines).header("content-type", "application/x-ndjson");
    let mut sender = service.connect();
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| sender.try_request(&bulk));
        eventually("its lines wait to be kept", || journal.waiting() > 0);
        // Each takes the place of one before that does nothing any more.
        let mut others = Vec::new();
        for _ in 0..3 {
            let mut other = service.connect();
            assert_eq!(other.request(&Request::get("/missions")).status, 200);
            others.push(other);
        }
        journal.release();
        let answer = answer.join().unwrap().expect("it was not cut");
        assert_eq!(answer.json()["applied"], 20_000);
    });
}

#[test]
fn when_open_files_run_out_it_is_no_working_connection_that_ends() {
    let service = Process::start(&["--request-timeout=100s"]);
    let address = service.address;
    let done = AtomicBool::new(false);
    let message = launch("a").to_string();
    let head = format!(
        "POST /messages HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\ncontent-length: {}\r\n\r\n",
        message.len() + 30_000
    );
    // The oldest of all.
    let mut sender = Connection::open(address);
    sender.send(head.as_bytes());
    let mut idle: Vec<_> = (0..5).map(|_| Connection::open(address)).collect();
    for client in &mut idle {
        assert_eq!(client.request(&Request::get("/readyz")).status, 200);
    }
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut left = 30_000;
            while left > 0 {
                let piece = if done.load(Ordering::Relaxed) { left } else { left.min(1) };
                sender.try_send(&vec![b' '; piece])?;
                left -= piece;
                std::thread::sleep(Duration::from_millis(5));
            }
            sender.try_send(message.as_bytes())
        });
        let open = std::fs::read_dir(format!("/proc/{}/fd", service.id())).unwrap().count();
        service.limit_open_files(open);
        let mut newcomers: Vec<_> = (0..2).map(|_| Connection::open(address)).collect();
        for newcomer in &mut newcomers {
            newcomer.send(&Request::get("/readyz").to_bytes());
        }
        let answers: Vec<_> = newcomers.iter_mut().map(Connection::receive_head).collect();
        done.store(true, Ordering::Relaxed);
        sending.join().unwrap().expect("who sends is not cut");
        assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|it| it.status == 200)));
    });
    assert_eq!(sender.receive().outcome(), "applied");
    service.terminate();
    let (_, log) = service.wait();
    assert!(!lines(&log, "could not accept a connection").is_empty(), "{log}");
}

#[test]
fn there_may_be_more_places_than_could_ever_be_taken() {
    let service = Service::start_with(|config| config.http.max_connections = usize::MAX);
    assert_eq!(service.get("/readyz").status, 200);
}
