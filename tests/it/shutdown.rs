//! The ordered stop: what is in flight is finished, nothing that was
//! acknowledged is lost before the end, and the process says how it ended.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::support::faults::{Fault, Faults};
use crate::support::journal::{EmptyJournal, Gated, HeldJournal};
use crate::support::logged::Logged;
use crate::support::messages::{launch, speed_up};
use crate::support::process::{Process, downlink};
use crate::support::{
    self, Connection, Request, Service, eventually, on_one_thread_and_on_several,
};
use downlink::app::{self, Hurry};
use downlink::config::Config;
use downlink::journal::JournalSource;
use downlink::journal::sqlite::SqliteJournal;
use downlink::journal::sqlite::database::{Database, Storage, StorageError, Transaction};
use serde_json::Value;
use tokio::sync::oneshot;

/// Sends all but the end of a message's request, which is returned. The service
/// works on it by then: it asked for the body.
fn begin(connection: &mut Connection, message: &Value) -> Vec<u8> {
    let mut request = Request::message(message).header("expect", "100-continue").to_bytes();
    let body = request.split_off(request.len() - message.to_string().len());
    connection.send(&request);
    assert_eq!(connection.receive_head().unwrap().status, 100);
    let (most, rest) = body.split_at(body.len() - 20);
    connection.send(most);
    rest.to_vec()
}

/// Sends the head of a message's request, and waits until its body is asked for.
fn begin_in_chunks(connection: &mut Connection) {
    let head = b"POST /messages HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n\
                 expect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.send(head);
    assert_eq!(connection.receive_head().unwrap().status, 100);
}

fn refuses_connections(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err()
}

#[test]
fn a_request_in_flight_is_finished_and_no_new_connection_taken() {
    let mut service = Service::start();
    let address = service.address;
    let mut connection = service.connect();
    let rest = begin(&mut connection, &launch("a"));
    service.begin_stop();
    eventually("the listener is closed", || refuses_connections(address));
    connection.send(&rest);
    assert_eq!(connection.receive().outcome(), "applied");
    assert!(connection.is_closed());
    assert_eq!(service.stop(), Ok(()));
}

#[test]
fn connections_at_rest_do_not_hold_up_the_stop() {
    let service = Service::start();
    let mut used = service.connect();
    assert_eq!(used.request(&Request::get("/readyz")).status, 200);
    let mut unused = service.connect();
    assert_eq!(service.get("/readyz").status, 200);
    assert_eq!(service.stop(), Ok(()));
    assert!(used.is_closed());
    unused.read_until_closed();
}

#[test]
fn what_waits_for_its_commit_is_acknowledged_before_the_end() {
    on_one_thread_and_on_several(stop_during_a_commit);
}

fn stop_during_a_commit(threads: usize) {
    let journal = HeldJournal::new();
    let mut service = Service::over(journal.clone(), |config| config.threads = threads);
    let address = service.address;
    let mut connection = service.connect();
    connection.send(&Request::message(&launch("a")).to_bytes());
    eventually("a commit begins", || journal.waiting() == 1);
    service.begin_stop();
    eventually("the listener is closed", || refuses_connections(address));
    assert!(!connection.has_data());
    journal.release();
    assert_eq!(connection.receive().outcome(), "applied");
    assert_eq!(service.stop(), Ok(()));
}

/// Sends the messages of `channel` in order until the service at `address` is
/// gone, and keeps the number of the last one acknowledged.
fn load(address: SocketAddr, channel: &str, acknowledged: &AtomicU64) {
    let mut connection: Option<Connection> = None;
    let mut number = 1;
    loop {
        let message = if number == 1 { launch(channel) } else { speed_up(channel, number, 1) };
        let reused = connection.is_some();
        if connection.is_none() {
            let Ok(stream) = TcpStream::connect(address) else { return };
            connection = Some(Connection::new(stream));
        }
        let answer = connection.as_mut().unwrap().try_request(&Request::message(&message));
        match answer {
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{}", answer.text());
                acknowledged.store(number, Ordering::SeqCst);
                number += 1;
                if answer.header("connection") == Some("close") {
                    connection = None;
                }
            }
            // Closed between two requests, or never accepted.
            Err(_) if reused => connection = None,
            Err(_) => return,
        }
    }
}

/// Stops a service while clients write. For each writer there is a probe: a
/// request that is in flight when the stop begins and ends when the writer is
/// done. It brings the number behind the last one acknowledged, so it is
/// applied exactly if the effect of everything acknowledged is there.
fn stop_under_load(address: SocketAddr, stop: impl FnOnce()) {
    let channels: Vec<_> = (0..6).map(|n| format!("rocket {n}")).collect();
    let acknowledged: Vec<_> = channels.iter().map(|_| AtomicU64::new(0)).collect();
    let mut probes: Vec<_> = channels.iter().map(|_| Connection::open(address)).collect();
    probes.iter_mut().for_each(begin_in_chunks);
    std::thread::scope(|scope| {
        for (channel, acknowledged) in channels.iter().zip(&acknowledged) {
            scope.spawn(move || load(address, channel, acknowledged));
        }
        eventually("every writer is under way", || {
            acknowledged.iter().all(|count| count.load(Ordering::SeqCst) > 20)
        });
        stop();
    });
    // A child that another test starts has the listener too, until its exec.
    eventually("the listener is closed", || {
        // Those that stand still are cut.
        for probe in &mut probes {
            probe.send(b"1\r\n \r\n");
        }
        refuses_connections(address)
    });
    for ((mut probe, channel), count) in probes.into_iter().zip(&channels).zip(&acknowledged) {
        let next = count.load(Ordering::SeqCst) + 1;
        let message = speed_up(channel, next, 1).to_string();
        probe.send(format!("{:x}\r\n{message}\r\n0\r\n\r\n", message.len()).as_bytes());
        // Known already if it was taken and its answer got lost.
        let outcome = probe.receive().outcome();
        assert!(outcome == "applied" || outcome == "duplicate", "{channel} {next}: {outcome}");
    }
}

#[test]
fn a_stop_under_load_loses_nothing_that_was_acknowledged() {
    on_one_thread_and_on_several(stop_of_a_service_under_load);
}

fn stop_of_a_service_under_load(threads: usize) {
    let mut service = Service::start_with(|config| {
        config.threads = threads;
        config.workers = 4;
    });
    stop_under_load(service.address, || service.begin_stop());
    assert_eq!(service.stop(), Ok(()));
}

#[test]
fn sigterm_under_load_loses_nothing_that_was_acknowledged_and_exits_0() {
    let process = Process::start(&["--workers", "3"]);
    stop_under_load(process.address, || process.terminate());
    let (status, log) = process.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn both_signals_stop_the_service() {
    for signal in ["TERM", "INT"] {
        let process = Process::start(&[]);
        assert_eq!(support::http::send(process.address, &Request::get("/readyz")).status, 200);
        process.signal(signal);
        let (status, log) = process.wait();
        assert_eq!(status.code(), Some(0), "{signal}: {log}");
    }
}

#[test]
fn a_client_that_does_not_finish_holds_the_process_up_only_so_long() {
    let process = Process::start(&["--shutdown-timeout", "500ms"]);
    let mut connection = Connection::open(process.address);
    begin(&mut connection, &launch("a"));
    process.terminate();
    let (status, log) = process.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    connection.read_until_closed();
}

#[test]
fn a_listing_under_way_is_finished() {
    let mut service = Service::start();
    let address = service.address;
    let long = "x".repeat(250);
    let mut writer = service.connect();
    for batch in 0..30 {
        let mut bytes = Vec::new();
        for n in 0..200 {
            let channel = format!("rocket {batch} {n} {}", "y".repeat(100));
            let message = support::messages::launch_as(&channel, &long, 1, &long);
            bytes.extend(Request::post(message.to_string()).to_bytes());
        }
        writer.send(&bytes);
        (0..200).for_each(|_| assert_eq!(writer.receive().status, 204));
    }
    let mut reader = service.connect();
    reader.send(&Request::get("/rockets").to_bytes());
    let head = reader.receive_head().unwrap();
    service.begin_stop();
    eventually("the listener is closed", || refuses_connections(address));
    let body = reader.receive_body(&head).unwrap();
    let rockets: Vec<Value> = serde_json::from_slice(&body).unwrap();
    assert_eq!(rockets.len(), 6_000);
    assert_eq!(service.stop(), Ok(()));
}

#[test]
fn a_service_that_fails_to_keep_messages_stops_in_order_and_says_so() {
    let journal = HeldJournal::new();
    let service = Service::over(journal.clone(), |_| {});
    let mut connection = service.connect();
    connection.send(&Request::message(&launch("a")).to_bytes());
    eventually("a commit begins", || journal.waiting() == 1);
    journal.fail("disk full");
    assert_eq!(connection.receive().status, 503);
    service.stop_after_failure();
}

#[test]
fn sighup_ends_nothing_and_is_told() {
    let service = in_memory(&[]);
    for count in 1..=2 {
        service.child.signal("HUP");
        let told = "SIGHUP: there is nothing to reload";
        eventually("the signal is told", || service.said(told).len() == count);
        let address = service.addresses()[0].parse().unwrap();
        assert_eq!(support::http::send(address, &Request::get("/readyz")).status, 200);
    }
    service.stop();
}

/// A service that may take its time to stop.
fn in_memory(arguments: &[&str]) -> Logged {
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0"]);
    command.args(["--shutdown-timeout", "100s", "--request-timeout", "100s"]).args(arguments);
    Logged::start(command)
}

/// Far less than half of the time that a stop has here.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_second_signal_hastens_the_stop() {
    for second in ["TERM", "INT"] {
        let service = in_memory(&[]);
        let address = service.addresses()[0].parse().unwrap();
        let mut connection = Connection::open(address);
        begin_in_chunks(&mut connection);
        service.child.signal("TERM");
        eventually("the listener is closed", || refuses_connections(address));
        let start = Instant::now();
        let done = AtomicBool::new(false);
        let (code, lines) = std::thread::scope(|scope| {
            // What stands still would be cut by the first signal.
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) && connection.try_send(b"1\r\n \r\n").is_ok() {
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            service.child.signal(second);
            let ended = service.wait();
            done.store(true, Ordering::Relaxed);
            ended
        });
        assert_eq!(code, Some(0), "{lines:?}");
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        connection.read_until_closed();
    }
}

/// How a service over `journal` ended that was told to stop twice.
fn hastened(journal: Box<dyn JournalSource>, load: impl FnOnce(SocketAddr)) -> Result<(), String> {
    let (stop, stopped) = oneshot::channel::<()>();
    let (hurry, hurried) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
        Hurry::when(async move { drop(hurried.await) })
    };
    let service = Service::told(|config| config.shutdown_timeout = SOON, journal, shutdown);
    load(service.address);
    stop.send(()).unwrap();
    // Nobody listens once nothing is left to hasten.
    let _ = hurry.send(());
    service.stop()
}

#[test]
fn a_second_signal_leaves_the_last_checkpoint_out() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let rockets = 20_000;
    let ended = hastened(faults.journal(directory.path()), |address| {
        eventually("it is ready", || {
            support::http::send(address, &Request::get("/readyz")).status == 200
        });
        let lines: String =
            (0..rockets).map(|n| format!("{}\n", launch(&format!("{n}")))).collect();
        let many = Request::post(lines).header("content-type", "application/x-ndjson");
        assert_eq!(support::http::send(address, &many).json()["applied"], rockets);
        // Each slice of a checkpoint takes a commit: all of them take far longer
        // than a stop may.
        faults.set(Fault::Slow(Duration::from_secs(1)));
    });
    assert_eq!(ended, Ok(()));
    faults.set(Fault::None);
    let service = Service::opened(|_| {}, faults.journal(directory.path()));
    service.wait_until_ready();
    assert_eq!(service.read("/rockets").as_array().unwrap().len(), rockets);
}

#[test]
fn a_second_signal_does_not_wait_for_what_reads_the_journal() {
    let (gate, closed) = mpsc::channel();
    let journal = Box::new(Gated(closed, Box::new(EmptyJournal(HeldJournal::new()))));
    let config = Config::parse(["downlink", "--durability", "memory"]).unwrap();
    let runtime = config.threading().runtime().build().unwrap();
    let ended = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let twice = async { Hurry::when(async {}) };
        app::run_with(config, listener, twice, journal).await
    });
    // Now it may be read.
    drop(gate);
    assert!(ended.is_ok(), "{ended:?}");
}

/// A database that is closed with some delay, and says so then.
struct Lingers(Database, Arc<AtomicBool>);

impl Storage for Lingers {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), StorageError> {
        self.0.commit(transaction)
    }
}

impl Drop for Lingers {
    fn drop(&mut self) {
        std::thread::sleep(Duration::from_millis(200));
        self.1.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_journal_that_was_read_when_the_stop_came_is_closed_before_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let closed = Arc::new(AtomicBool::new(false));
    let told = closed.clone();
    let journal = SqliteJournal::fsync(directory.path(), Duration::ZERO)
        .with_storage(|database| Lingers(database, told));
    let (gate, wait) = mpsc::channel();
    // It is told to stop before anything is read.
    let shutdown = async move {
        drop(gate);
        Hurry::from(())
    };
    let change = |config: &mut Config| config.data_dir = directory.path().to_owned();
    let service = Service::told(change, Box::new(Gated(wait, Box::new(journal))), shutdown);
    assert_eq!(service.stop(), Ok(()));
    assert!(closed.load(Ordering::Relaxed));
}

#[test]
fn half_a_body_holds_no_stop_up() {
    for media in ["application/json", "application/x-ndjson"] {
        let service = in_memory(&[]);
        let mut half = Connection::open(service.addresses()[0].parse().unwrap());
        let head = format!(
            "POST /messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media}\r\n\
             content-length: 1000\r\nexpect: 100-continue\r\n\r\n"
        );
        half.send(head.as_bytes());
        assert_eq!(half.receive_head().unwrap().status, 100);
        half.send(b"\n{");
        let start = Instant::now();
        service.stop();
        assert!(start.elapsed() < SOON, "{media}: {:?}", start.elapsed());
        half.read_until_closed();
    }
}

#[test]
fn half_a_head_and_a_reader_that_does_not_read_hold_no_stop_up() {
    let service = in_memory(&[]);
    let address = service.addresses()[0].parse().unwrap();
    // More than the kernel takes for a reader that does not read.
    let long = "x".repeat(250);
    for batch in 0..4 {
        let line = |n| {
            format!("{}\n", support::messages::launch_as(&format!("{batch} {n}"), &long, 1, &long))
        };
        let lines: String = (0..10_000).map(line).collect();
        let many = Request::post(lines).header("content-type", "application/x-ndjson");
        assert_eq!(support::http::send(address, &many).status, 200);
    }
    let mut half = Connection::open(address);
    half.send(b"GET /rockets HTTP/1.1\r\nhost: localhost\r\naccep");
    let mut reader = Connection::open(address);
    reader.send(&Request::get("/rockets").to_bytes());
    reader.receive_head().unwrap();
    let start = Instant::now();
    service.stop();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    half.read_until_closed();
}
