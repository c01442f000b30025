//! The end of anything that the service cannot do without makes it unready, and
//! ends it with an error.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use downlink::fleet::health::{Health, LOOK, Phase};
use downlink::fleet::supervisor::Supervisor;
use downlink::fleet::vitals::Vital;
use downlink::http::access::{Access, Gate};
use downlink::http::listener::Listeners;
use downlink::http::server::{ServerLimits, serve};
use downlink::journal::sqlite::SqliteJournal;
use downlink::journal::sqlite::database::{Storage, StorageError, Transaction};
use downlink::journal::{
    JournalSource, OpenError, OpenedJournal, Recovered, RocketSnapshot, RunningJournal,
};
use tokio::time::sleep_until;
use warp::Filter;
use warp::reply::{Reply, Response};

use crate::support::fleet::{TestFleet, deadline, parse, shape};
use crate::support::messages::launch;
use crate::support::odd_journal::{Does, OddJournal};
use crate::support::{
    Connection, PATIENCE, Request, Service, eventually, on_one_thread_and_on_several,
    passing_problem,
};

/// Waits for the end of a service that nobody told to stop.
#[track_caller]
fn end_of(service: Service) -> String {
    eventually("the service ends by itself", || service.has_ended());
    service.stop().unwrap_err()
}

#[test]
fn a_worker() {
    on_one_thread_and_on_several(|threads| {
        let journal = OddJournal::new();
        let service = Service::over(journal.clone(), |config| config.threads = threads);
        journal.append.set(Does::Panics);
        passing_problem(&service.send(&Request::message(&launch("a"))), 503);
        let end = end_of(service);
        assert!(end.starts_with("the worker of partition "), "{end}");
        assert!(end.ends_with(" panicked: the test wants it so"), "{end}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_anybody_who_stops_the_service() {
    let journal = OddJournal::new();
    journal.append.set(Does::Panics);
    let TestFleet { fleet, health, .. } = &TestFleet::start(shape(), journal);
    fleet.submit(parse(&launch("a")), sleep_until(deadline())).await.unwrap_err();
    let begun = Instant::now();
    let reason = loop {
        match health.ready() {
            Err(reason) => break reason.0,
            Ok(()) => assert!(begun.elapsed() < PATIENCE, "it stays ready"),
        }
        tokio::task::yield_now().await;
    };
    assert!(reason.contains("panicked: the test wants it so"), "{reason}");
}

#[test]
fn a_worker_with_a_client_that_does_not_finish() {
    let journal = OddJournal::new();
    let service = Service::over(journal.clone(), |config| {
        config.shutdown_timeout = Duration::from_millis(500);
    });
    let mut connection = service.connect();
    let request = Request::message(&launch("a")).header("expect", "100-continue").to_bytes();
    connection.send(&request[..request.len() - 20]);
    assert_eq!(connection.receive_head().unwrap().status, 100);
    journal.append.set(Does::Panics);
    passing_problem(&service.send(&Request::message(&launch("a"))), 503);
    let end = end_of(service);
    assert!(end.contains("panicked"), "{end}");
}

#[test]
fn the_checkpointer() {
    let journal = OddJournal::new();
    journal.trim.set(Does::Panics);
    let service = Service::over(journal, |config| {
        config.checkpoints.time = Duration::from_millis(10);
    });
    assert_eq!(service.post(&[launch("a")]), "applied");
    assert_eq!(end_of(service), "the checkpointer panicked: the test wants it so");
}

/// What the accept loop copies for each connection.
struct Routes(Arc<AtomicBool>);

impl Clone for Routes {
    fn clone(&self) -> Self {
        assert!(!self.0.load(Ordering::Relaxed), "the test wants it so");
        Self(self.0.clone())
    }
}

impl Routes {
    fn answer(&self) -> Response {
        assert!(!self.0.load(Ordering::Relaxed), "nobody can ask then");
        "well".into_response()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accept_loop() {
    let health = Arc::new(Health::new(Phase::Ready));
    let supervisor = Supervisor::new(health.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dies = Arc::new(AtomicBool::new(false));
    let routes = Routes(dies.clone());
    let routes = warp::service(warp::path::end().map(move || routes.answer()));
    let limits = ServerLimits {
        max_connections: 10,
        idle_timeout: PATIENCE,
        fairness: None,
        figures: Arc::default(),
        max_connections_flag: None,
    };
    let listeners = Listeners::from(listener);
    let gate = Gate::new(&Access::default(), &listeners);
    let never = std::future::pending();
    let serve = async move { Ok(serve(listeners, routes, limits, gate, never).await) };
    tokio::spawn(supervisor.supervise("the accept loop", serve));
    let ask = move || {
        // Not the service's own answer, so not as it describes them.
        let mut connection = Connection::open(address);
        let sent = connection.try_send(&Request::get("/").to_bytes());
        sent.and_then(|()| connection.receive_head()).is_ok_and(|answer| answer.status == 200)
    };
    assert!(tokio::task::spawn_blocking(ask).await.unwrap());
    assert_eq!(health.ready(), Ok(()));
    dies.store(true, Ordering::Relaxed);
    assert!(!tokio::task::spawn_blocking(ask).await.unwrap());
    tokio::time::timeout(PATIENCE, supervisor.failed()).await.expect("it dies");
    let reason = health.ready().unwrap_err().0;
    assert_eq!(reason, "the accept loop panicked: the test wants it so");
}

/// What cannot be looked at.
#[derive(Debug)]
struct Unseen;

impl Vital for Unseen {
    fn name(&self) -> &'static str {
        "what cannot be looked at"
    }

    fn trouble(&self, _now: Instant) -> Option<String> {
        panic!("the test wants it so");
    }
}

#[tokio::test]
async fn the_watch_over_the_service() {
    let health = Arc::new(Health::new(Phase::Ready));
    let supervisor = Supervisor::new(health.clone());
    let watch = tokio::spawn(supervisor.keep_watch(LOOK, |_| {}));
    health.watch(Arc::new(Unseen));
    tokio::time::timeout(PATIENCE, supervisor.failed()).await.expect("it dies");
    let reason = health.ready().unwrap_err().0;
    assert_eq!(reason, "the watch over the service panicked: the test wants it so");
    assert_eq!(watch.await.unwrap(), None);
}

struct Dies;

impl Storage for Dies {
    fn commit(&mut self, _transaction: &Transaction) -> Result<(), StorageError> {
        panic!("the test wants it so");
    }
}

#[test]
fn the_thread_of_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::fsync(directory.path(), Duration::ZERO).with_storage(|_| Dies);
    let service = Service::opened(|_| {}, Box::new(journal));
    service.wait_until_ready();
    passing_problem(&service.send(&Request::message(&launch("a"))), 503);
    assert_eq!(end_of(service), "the journal failed: the journal died");
}

/// A journal that cannot be read, and does not say so.
struct Unreadable;

impl JournalSource for Unreadable {
    fn open(self: Box<Self>) -> Result<Box<dyn OpenedJournal>, OpenError> {
        Ok(self)
    }
}

impl OpenedJournal for Unreadable {
    fn recover(&self, sink: &mut dyn FnMut(Recovered) -> ControlFlow<()>) -> Result<(), OpenError> {
        let rocket = RocketSnapshot {
            row_id: 1,
            channel: crate::support::fleet::channel("a"),
            last_message_number: 1,
            last_update_time: None,
            flight: None,
            buffered: Vec::new(),
            waiting_since: None,
            lost: downlink::telemetry::lost::Lost::default(),
            quiet_since: None,
            history: Vec::new(),
        };
        let _ = sink(Recovered::Rocket(rocket));
        panic!("the test wants it so");
    }

    fn start(self: Box<Self>) -> Result<RunningJournal, OpenError> {
        unreachable!("it cannot be read")
    }
}

#[test]
fn recovery() {
    let service = Service::opened(|_| {}, Box::new(Unreadable));
    let end = end_of(service);
    assert!(end.starts_with("reading the journal failed: "), "{end}");
    assert!(end.contains("the test wants it so"), "{end}");
}

#[test]
fn a_journal_that_could_not_keep_something() {
    let journal = OddJournal::new();
    let service = Service::over(journal.clone(), |_| {});
    journal.append.set(Does::Fails);
    passing_problem(&service.send(&Request::message(&launch("a"))), 503);
    passing_problem(&service.get("/readyz"), 503);
    // Reads go on until somebody stops it, and then it says so.
    assert!(!service.has_ended());
    let end = service.stop().unwrap_err();
    assert_eq!(end, "not everything that was sent could be kept: the journal failed: injected");
}
