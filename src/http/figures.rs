//! What the HTTP side counts of requests and connections, where they are served.
//! Does not own how it is shown (`metrics`).
//!
//! Threads that serve do not wait for each other: each counts in a shard of its own.
//! A series of a route, method and status takes room once there is a request for
//! it, and there are as many as the tables here have, whatever clients ask for.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use warp::http::{Method, StatusCode};

use super::routes::{Endpoint, ROUTES};
use crate::telemetry::tally::{Count, Distribution, Histogram, nanos};

/// Upper bounds of durations, in nanoseconds: those that OpenTelemetry has for HTTP,
/// and three below them, where most requests here are.
pub const BOUNDS: [u64; 17] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// The methods that are told apart, the usual ones first.
const METHODS: [&str; 4] = ["POST", "GET", "HEAD", "other"];

/// The statuses that there are, the usual ones first.
const STATUSES: [u16; 19] =
    [204, 200, 304, 404, 400, 422, 429, 503, 308, 401, 403, 405, 408, 413, 415, 421, 500, 501, 406];

/// A status that is not in the table.
const OTHER_STATUS: usize = STATUSES.len();

/// Of no route: for what leads nowhere, or was refused before it was looked at.
const NO_ROUTE: usize = ROUTES.len();

const SERIES: usize = (NO_ROUTE + 1) * METHODS.len() * (OTHER_STATUS + 1);

/// Most shards of a series: beyond it threads share them.
const MOST_SHARDS: usize = 16;

/// Counts of one thread, on cache lines of their own.
#[derive(Debug)]
#[repr(align(128))]
struct Shard(Histogram<{ BOUNDS.len() + 1 }>);

/// Requests that were answered, and how long that took.
#[derive(Debug)]
pub struct Requests {
    /// Less one, a power of two, so that a thread's number is cut to its shard.
    mask: usize,
    series: Box<[OnceLock<Box<[Shard]>>]>,
}

/// One series.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The route as the table has it; `none` if there was none.
    pub route: &'static str,
    /// Or `other`.
    pub method: &'static str,
    /// Or `other`.
    pub status: String,
    /// In nanoseconds, by [`BOUNDS`].
    pub durations: Distribution,
}

impl Default for Requests {
    fn default() -> Self {
        let threads = available_parallelism().map_or(MOST_SHARDS, usize::from);
        let mask = threads.next_power_of_two().min(MOST_SHARDS) - 1;
        Self { mask, series: (0..SERIES).map(|_| OnceLock::new()).collect() }
    }
}

impl Requests {
    /// Counts a request that was answered with `status`. Takes no lock, and room only
    /// for the first of its series.
    pub fn answered(
        &self,
        endpoint: Option<Endpoint>,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let route = endpoint.map_or(NO_ROUTE, |endpoint| endpoint as usize);
        let method = match *method {
            Method::POST => 0,
            Method::GET => 1,
            Method::HEAD => 2,
            _ => 3,
        };
        let status = status.as_u16();
        let status = STATUSES.iter().position(|it| *it == status).unwrap_or(OTHER_STATUS);
        let at = (route * METHODS.len() + method) * (OTHER_STATUS + 1) + status;
        let shards = self.series[at].get_or_init(|| self.shards());
        shards[thread_number() & self.mask].0.observe(nanos(took));
    }

    #[cold]
    fn shards(&self) -> Box<[Shard]> {
        (0..=self.mask).map(|_| Shard(Histogram::new(&BOUNDS))).collect()
    }

    /// The series that there are by now.
    pub fn read(&self) -> impl Iterator<Item = Answered> {
        let begun = self.series.iter().enumerate();
        begun.filter_map(|(at, shards)| Some(answered(at, shards.get()?)))
    }
}

fn answered(at: usize, shards: &[Shard]) -> Answered {
    let (rest, status) = (at / (OTHER_STATUS + 1), at % (OTHER_STATUS + 1));
    let (route, method) = (rest / METHODS.len(), rest % METHODS.len());
    let mut durations = shards[0].0.read();
    shards[1..].iter().for_each(|shard| durations.add(&shard.0.read()));
    let named = ROUTES.iter().find(|it| it.endpoint as usize == route);
    let status = STATUSES.get(status).map_or("other".to_owned(), u16::to_string);
    let route = named.map_or("none", |route| route.path);
    Answered { route, method: METHODS[method], status, durations }
}

/// The number of this thread, in the order in which they served first.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    NUMBER.with(|number| {
        if number.get() == usize::MAX {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

/// What one accept loop counts, which alone writes it.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    /// Served now.
    pub open: Count,
    /// Since the start.
    pub accepted: Count,
    /// Turned away since the start, for there was no place, not even to wait.
    pub no_place: Count,
    /// Turned away since the start, for their client had too many.
    pub of_one_client: Count,
}

/// Where an accept loop and what it serves count.
#[derive(Debug, Default)]
pub struct ServerFigures {
    /// Of all accept loops.
    pub requests: Arc<Requests>,
    /// Of this one.
    pub connections: ConnectionCounts,
}

/// Pages of listings that were asked for, by where they came from.
#[derive(Debug, Default)]
pub struct PageCounts {
    /// The fleet was asked.
    pub asked: Count,
    /// Others had it asked.
    pub joined: Count,
    /// They were kept, for who takes them a little old.
    pub kept: Count,
}

/// All that the HTTP side counts.
#[derive(Debug)]
pub struct Figures {
    /// Requests, wherever they came in.
    pub requests: Arc<Requests>,
    /// Pages of listings.
    pub pages: PageCounts,
    /// Of the main address.
    pub main: Arc<ServerFigures>,
    /// Of the operators' own.
    pub admin: Arc<ServerFigures>,
}

impl Default for Figures {
    fn default() -> Self {
        let requests = Arc::<Requests>::default();
        let of_one = || {
            let connections = ConnectionCounts::default();
            Arc::new(ServerFigures { requests: requests.clone(), connections })
        };
        Self { main: of_one(), admin: of_one(), pages: PageCounts::default(), requests }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_all_threads_come_together_and_what_clients_make_up_adds_no_series() {
        let requests = Requests::default();
        let answered = |endpoint, method: &Method, status: u16, took| {
            let status = StatusCode::from_u16(status).unwrap();
            requests.answered(endpoint, method, status, Duration::from_micros(took));
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let posted = || answered(Some(Endpoint::PostMessages), &Method::POST, 204, 700);
                scope.spawn(posted);
            }
        });
        for made_up in ["BREW", "STEEP", "DRINK"] {
            let method = Method::from_bytes(made_up.as_bytes()).unwrap();
            answered(None, &method, 599, 20_000_000);
        }
        let read: Vec<_> = requests.read().collect();
        let labels = |it: &Answered| (it.route, it.method, it.status.clone());
        let labels: Vec<_> = read.iter().map(labels).collect();
        let expected =
            [("/messages", "POST", "204".to_owned()), ("none", "other", "other".to_owned())];
        assert_eq!(labels, expected);
        assert_eq!((read[0].durations.counts[1], read[0].durations.sum), (3, 2_100_000));
        assert_eq!(*read[1].durations.counts.last().unwrap(), 3);
    }

    #[test]
    fn every_endpoint_has_a_place_before_that_of_none() {
        assert!(ROUTES.iter().all(|route| (route.endpoint as usize) < NO_ROUTE));
    }
}
