//! The service in this process, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use downlink::app::{self, Recovery, RecoveryContext};
use downlink::config::{Config, Durability};
use downlink::fleet::limits::Limits;
use downlink::fleet::roster::Roster;
use downlink::fleet::threading::Threading;
use downlink::fleet::workers::Shape;
use downlink::http::routes::{self as http, routes};
use downlink::http::server::{self, ServerLimits, Stopped};
use downlink::journal::Journal;
use downlink::journal::sqlite::OpenError;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::fleet::{Last, TestFleet};
use super::http::{Connection, Request, Response, send};
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
        let config = config(change);
        let service = Self::spawn(async move |listener, stopped| {
            app::run(config, listener, stopped).await.map_err(|error| error.to_string())
        });
        service.wait_until_ready();
        service
    }

    /// As [`Service::start_with`], over a journal of the test's own that holds
    /// nothing yet.
    pub fn over(journal: Arc<dyn Journal>, change: impl FnOnce(&mut Config)) -> Self {
        let service = Self::opened(change, move |context| {
            let roster = |_| Roster::new(context.quotas.clone());
            let rosters = (0..context.router.partitions()).map(roster).collect();
            Ok(Recovery { journal, thread: None, rosters, backlog: false })
        });
        service.wait_until_ready();
        service
    }

    /// As [`Service::over`], but the last worker may be out of order.
    pub fn wired(journal: Arc<dyn Journal>, last: Last, change: impl FnOnce(&mut Config)) -> Self {
        let config = config(change);
        Self::spawn(async move |listener, stopped| {
            let Config { workers, inbox_capacity, limits, .. } = config;
            let threading = Threading::of(config.threads);
            let shape = Shape { workers, inbox_capacity, limits, threading };
            let fleet = TestFleet::start_but(last, shape, journal);
            let limits = ServerLimits {
                max_connections: config.http.max_connections,
                idle_timeout: config.http.idle_timeout,
            };
            let timeout = config.shutdown_timeout;
            let stopped = async move {
                stopped.await;
                Instant::now() + timeout
            };
            let routes = routes(http::Service::new(fleet.fleet.clone(), config.http));
            let ended = server::serve(listener, routes, limits, stopped).await;
            fleet.stop().await;
            if ended == Stopped::Finished { Ok(()) } else { Err("cut off".to_owned()) }
        })
    }

    /// As [`Service::start_with`], with the journal opened by `open`. May not
    /// be ready yet.
    pub fn opened(
        change: impl FnOnce(&mut Config),
        open: impl FnOnce(&RecoveryContext) -> Result<Recovery, OpenError> + Send + 'static,
    ) -> Self {
        let config = config(change);
        Self::spawn(async move |listener, stopped| {
            app::run_with(config, listener, stopped, open).await.map_err(|error| error.to_string())
        })
    }

    fn spawn<F>(run: F) -> Self
    where
        F: AsyncFnOnce(TcpListener, Stop) -> Result<(), String> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let stopped: Stop = Box::pin(async move { drop(stopped.await) });
                run(listener, stopped).await
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

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::for_tests();
    config.durability = Durability::Memory;
    change(&mut config);
    if config.durability != Durability::Memory {
        wait_until_free(&config.data_dir);
    }
    config
}

/// Limits that nothing in a test reaches, to change one of.
pub fn wide() -> Limits {
    Limits { buffered_per_rocket: 10_000, buffered: 10_000_000, rockets: 10_000_000 }
}
