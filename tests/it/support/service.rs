//! The service in this process, on a port of its own.
//!
//! It runs on the runtime that the binary would build for `--threads`. One
//! thread and several are different schedulers with different faults, so both
//! are tested: a test gets one or the other by its name, always the same, half
//! of them each, for twice the time would buy little. A test in which clients
//! race each other or the stop goes through both
//! ([`on_one_thread_and_on_several`]). `DOWNLINK_TEST_THREADS` sets the number
//! for all the others, so that `just test-on 1` and `just test-on 3` are both
//! halves of the whole.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use downlink::app::cluster::Cluster;
use downlink::app::{self, Hurry};
use downlink::config::{Config, Durability};
use downlink::fleet::limits::{HistoryLimits, Limits};
use downlink::fleet::threading::Threading;
use downlink::fleet::workers::Shape;
use downlink::http::access::Gate;
use downlink::http::context::Context;
use downlink::http::dispatch;
use downlink::http::fairness::Fairness;
use downlink::http::listener::Listeners;
use downlink::http::routes::Side;
use downlink::http::server::{self, ServerLimits, Stopped};
use downlink::http::tls::Tls;
use downlink::http::tls::files::TlsFiles;
use downlink::journal::{Journal, JournalSource};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::fleet::{Last, TestFleet};
use super::http::{Connection, Request, Response, send};
use super::journal::EmptyJournal;
use super::{eventually, wait_until_free};

/// A running service. Must end well once it is told to, which it is at the
/// latest when this is dropped.
pub struct Service {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Service {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let service = Self::spawn(config(change), async move |config, listener, stopped| {
            app::run(config, listener, stopped).await.map_err(|error| error.to_string())
        });
        service.wait_until_ready();
        service
    }

    /// As [`Service::start_with`], with TLS. It is ready once it answers, which is
    /// not waited for.
    pub fn over_tls(files: TlsFiles, change: impl FnOnce(&mut Config)) -> Self {
        let tls = Tls::load(files).unwrap();
        Self::spawn(config(change), async move |config, listener, stopped| {
            let listeners = Listeners::from(listener).over_tls(Some(tls));
            app::run(config, listeners, stopped).await.map_err(|error| error.to_string())
        })
    }

    /// As [`Service::start_with`], over a journal of the test's own that holds
    /// nothing yet.
    pub fn over(journal: Arc<dyn Journal>, change: impl FnOnce(&mut Config)) -> Self {
        let service = Self::opened(change, Box::new(EmptyJournal(journal)));
        service.wait_until_ready();
        service
    }

    /// As [`Service::over`], but the last worker may be out of order.
    pub fn wired(journal: Arc<dyn Journal>, last: Last, change: impl FnOnce(&mut Config)) -> Self {
        Self::spawn(config(change), async move |config, listener, stopped| {
            let Config { workers, inbox_capacity, limits, .. } = config;
            let threading = Threading::of(config.threads);
            let shape = Shape { workers, inbox_capacity, limits, threading };
            let fleet = TestFleet::start_but(last, shape, journal);
            let limits = ServerLimits {
                max_connections_flag: None,
                max_connections: config.http.max_connections,
                idle_timeout: config.http.idle_timeout,
                fairness: Fairness::new(&config.http.of_one_client),
                figures: Arc::default(),
            };
            let timeout = config.shutdown_timeout;
            let stopped = async move {
                stopped.await;
                Instant::now() + timeout
            };
            let listeners = Listeners::from(listener);
            let gate = Gate::new(&config.access, &listeners);
            let routes =
                dispatch::routes(Context::new(fleet.fleet.clone(), config.http), Side::Only);
            let ended = server::serve(listeners, routes, limits, gate, stopped).await;
            fleet.stop().await;
            if ended == Stopped::Finished { Ok(()) } else { Err("cut off".to_owned()) }
        })
    }

    /// As [`Service::start_with`], over a journal that may hold something. May
    /// not be ready yet.
    pub fn opened(change: impl FnOnce(&mut Config), source: Box<dyn JournalSource>) -> Self {
        Self::spawn(config(change), async move |config, listener, stopped| {
            app::run_with(config, listener, stopped, source)
                .await
                .map_err(|error| error.to_string())
        })
    }

    /// As [`Service::opened`], as a node of a cluster.
    pub fn member(
        change: impl FnOnce(&mut Config),
        source: Box<dyn JournalSource>,
        cluster: Cluster,
    ) -> Self {
        Self::spawn(config(change), async move |config, listener, stopped| {
            app::run_in(config, listener, stopped, source, Some(cluster))
                .await
                .map_err(|error| error.to_string())
        })
    }

    /// As [`Service::opened`], but `shutdown` stops it, which nothing else may.
    pub fn told<S>(
        change: impl FnOnce(&mut Config),
        source: Box<dyn JournalSource>,
        shutdown: S,
    ) -> Self
    where
        S: Future<Output = Hurry> + Send + 'static,
    {
        Self::spawn(config(change), async move |config, listener, _| {
            app::run_with(config, listener, shutdown, source)
                .await
                .map_err(|error| error.to_string())
        })
    }

    fn spawn<F>(config: Config, run: F) -> Self
    where
        F: AsyncFnOnce(Config, TcpListener, Stop) -> Result<(), String> + Send + 'static,
    {
        let Config { threads, blocking_threads, .. } = config;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let mut runtime = Threading::of(threads).runtime();
            let runtime = runtime.max_blocking_threads(blocking_threads).build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let stopped: Stop = Box::pin(async move { drop(stopped.await) });
                run(config, listener, stopped).await
            })
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub fn wait_until_ready(&self) {
        eventually("the service is ready", || self.get("/readyz").status == 200);
    }

    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// A connection from an address of its own; all of 127/8 is this machine.
    pub fn connect_from(&self, address: [u8; 4]) -> Connection {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((Ipv4Addr::from(address), 0).into()).unwrap();
            socket.connect(self.address).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        Connection::new(stream)
    }

    #[track_caller]
    pub fn send(&self, request: &Request) -> Response {
        send(self.address, request)
    }

    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target))
    }

    /// The JSON of a successful answer.
    #[track_caller]
    pub fn read(&self, target: &str) -> Value {
        let response = self.get(target);
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert!(response.text().ends_with('\n'), "{target}");
        response.json()
    }

    /// Posts messages that must be accepted; returns the last one's outcome.
    #[track_caller]
    pub fn post(&self, messages: &[Value]) -> String {
        let mut connection = self.connect();
        let mut last = String::new();
        for message in messages {
            last = connection.request(&Request::message(message)).outcome();
        }
        last
    }

    /// Tells the service to stop, and does not wait for it.
    pub fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Whether it is stopped, and everything that was accepted finished.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Stops a service that could not keep something; it must say so.
    #[track_caller]
    pub fn stop_after_failure(self) {
        let end = self.stop().unwrap_err();
        assert!(end.contains("the journal failed"), "{end}");
    }

    /// Waits until the service has ended by itself, and returns how.
    pub fn stop_when_ended(self) -> Result<(), String> {
        eventually("it ends by itself", || self.has_ended());
        self.stop()
    }

    /// Stops the service and returns how it ended.
    pub fn stop(mut self) -> Result<(), String> {
        self.begin_stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

type Stop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Drop for Service {
    fn drop(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take()
            && !std::thread::panicking()
        {
            assert_eq!(thread.join().unwrap(), Ok(()));
        }
    }
}

/// What is typed for a service in a test, and then changed by it. What is not
/// given here is the default.
pub fn config(change: impl FnOnce(&mut Config)) -> Config {
    assert_no_variables();
    let threads = threads().to_string();
    let line = ["downlink", "--listen", "127.0.0.1:0", "--durability", "memory", "--workers", "2"];
    let mut config = Config::parse(line.into_iter().chain(["--threads", &threads])).unwrap();
    change(&mut config);
    if config.durability != Durability::Memory {
        wait_until_free(&config.data_dir);
    }
    config
}

/// Flags are read from the environment too, which would make another test of
/// nearly any, and cannot be changed safely while other threads run.
fn assert_no_variables() {
    #[expect(clippy::disallowed_methods, reason = "to be sure that there are none")]
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let is_flag = name.starts_with("DOWNLINK_") && !OF_THE_TESTS.contains(&&*name);
        assert!(!is_flag, "{name} is set; tests need an environment without it");
    }
}

/// What is meant for the tests and not for the service.
const OF_THE_TESTS: [&str; 6] = [
    "DOWNLINK_API_FUZZ",
    "DOWNLINK_ATTACK_CONNECTIONS",
    "DOWNLINK_CRASH_ROUNDS",
    "DOWNLINK_FUZZ_SECONDS",
    "DOWNLINK_POWER_CUTS",
    "DOWNLINK_TEST_THREADS",
];

const ONE: usize = 1;

/// An odd number, more than the workers of most tests and than the cores of a
/// small machine, so that they have to share.
const SEVERAL: usize = 3;

/// The serving threads for the service of the current test.
#[expect(clippy::disallowed_methods, reason = "it is the tests' own, and no flag")]
fn threads() -> usize {
    if let Ok(threads) = std::env::var("DOWNLINK_TEST_THREADS") {
        return threads.parse().expect("DOWNLINK_TEST_THREADS is a number");
    }
    // Each test runs on a thread of its name.
    let thread = std::thread::current();
    let sum: usize =
        thread.name().expect("a test's thread has its name").bytes().map(usize::from).sum();
    if sum.is_multiple_of(2) { ONE } else { SEVERAL }
}

/// Runs a test twice; it sets `config.threads` to what it is given.
pub fn on_one_thread_and_on_several(test: impl Fn(usize)) {
    for threads in [ONE, SEVERAL] {
        println!("with {threads} serving threads");
        test(threads);
    }
}

/// Limits that nothing in a test reaches, to change one of.
pub fn wide() -> Limits {
    Limits {
        buffered_per_rocket: 10_000,
        buffered: 10_000_000,
        rockets: 10_000_000,
        history: HistoryLimits { per_rocket: 64, memory: 64 << 20 },
    }
}
