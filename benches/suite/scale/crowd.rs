//! A fleet that reconnects: many clients that connect at once, as after a
//! restart or a failure of the network. Each has a thread of its own.

use std::io::{Error, Result};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::load::quantile;
use super::parts::Bench;
use crate::http::Connection;
use crate::table::{Figure, Wanted};

const CLIENTS: usize = 3_000;

/// A client whose SYN is dropped, for want of room in the backlog, sends the next
/// one a second later.
const A_SECOND: Duration = Duration::from_secs(1);

/// For a thread that does no more than talk over one socket.
const STACK: usize = 64 * 1024;

pub fn reconnecting(bench: &Bench) -> Result<Vec<Figure>> {
    let service = bench.start_empty(&["--durability", "memory"])?;
    let start = Barrier::new(CLIENTS);
    let client = || {
        start.wait();
        let begun = Instant::now();
        let mut connection = Connection::open(service.address)?;
        connection.get("/readyz")?;
        // Kept, as theirs are.
        Ok((begun, begun.elapsed(), connection))
    };
    let served: Vec<_> = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, client);
        let threads: Result<Vec<_>> = (0..CLIENTS).map(spawn).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Result<_>>| {
            thread.join().unwrap_or_else(|_| Err(Error::other("a client panicked")))
        };
        threads?.into_iter().map(join).collect::<Result<_>>()
    })?;
    let first = served.iter().map(|(begun, ..)| *begun).min().expect("there are clients");
    let last = served.iter().map(|(begun, took, _)| *begun + *took).max();
    let last = last.expect("there are clients") - first;
    let late = served.iter().filter(|(_, took, _)| *took >= A_SECOND).count();
    let times = || served.iter().map(|(_, took, _)| *took);
    Ok(vec![Figure {
        what: "a reconnecting fleet: 3,000 clients at once, of which waited over a second"
            .to_owned(),
        value: late as f64,
        unit: "clients",
        wanted: Wanted::AtMost(181.0),
        raw: format!(
            "the last was served after {:.0} ms; p50 {:.0} ms, p99 {:.0} ms",
            last.as_secs_f64() * 1000.0,
            quantile(times(), 0.5),
            quantile(times(), 0.99)
        ),
    }])
}
