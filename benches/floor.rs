//! The floor for throughput comparisons: a bare warp handler that reads the
//! body of any POST and answers 204, on the service's own accept loop. What the
//! service needs beyond this is its own work.

#![expect(clippy::print_stderr, reason = "the suite reads it there, as from a service")]

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use downlink::config::default_threads;
use downlink::fleet::threading::Threading;
use downlink::http::access::{Access, Gate};
use downlink::http::listener::Listeners;
use downlink::http::server::{ServerLimits, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

/// The service's own allocator, for a fair comparison.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
struct Arguments {
    /// Address and port to serve on
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8089")]
    listen: SocketAddr,

    /// Threads of the runtime [default: as many as the service's]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

fn main() -> std::io::Result<()> {
    let Arguments { listen, threads } = Arguments::parse();
    let threads = threads.unwrap_or_else(default_threads).get();
    Threading::of(threads).runtime().build()?.block_on(run(listen))
}

async fn run(listen: SocketAddr) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    // In the words of the service, so that the suite finds the port of both.
    eprintln!("listening address={}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let limits = ServerLimits {
        max_connections_flag: None,
        max_connections: 16_384,
        idle_timeout: Duration::from_secs(60),
        fairness: None,
        figures: Arc::default(),
    };
    let routes = warp::post().and(warp::body::bytes()).map(|_: Bytes| {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    });
    let listeners = Listeners::from(listener);
    let gate = Gate::new(&Access::default(), &listeners);
    serve(listeners, warp::service(routes), limits, gate, async move {
        terminate.recv().await;
        Instant::now() + Duration::from_secs(10)
    })
    .await;
    Ok(())
}
