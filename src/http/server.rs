//! The accept loop: limits, time-outs, and the ordered stop. Owns connections,
//! and not what is answered on them, but for a request that warp cannot take.
//!
//! warp's own server has no bound on connections and no time limit on a
//! request's head, so its routes are served from here, over hyper.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, ready};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;
use tracing::{debug, warn};
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::listener::{Listeners, Stream};
use super::problem::Problem;
use super::progress::{Connections, Marked, Progress};
use crate::fleet::refusals::Reached;

/// Most bytes of a request's head, and of what is read of a body at a time.
const MAX_READ_BUFFER: usize = 64 * 1024;

/// How long to wait after an accept failed, for instance for want of file
/// descriptors: what is needed is freed only by connections that end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the accept loop allows.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections served at once; further ones wait in the listener's backlog.
    pub max_connections: usize,
    /// For a head to arrive, for a kept-alive connection to be used again, and
    /// for a stalled reader to take more.
    pub idle_timeout: Duration,
}

/// Whether everything in flight was finished at a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every request in flight was answered.
    Finished,
    /// Connections were cut: they stood still, or the deadline came first.
    CutOff,
}

/// Serves `routes` on `listeners` until `shutdown` is done; then takes no more
/// connections, lets requests in flight finish until the deadline that
/// `shutdown` gave, but cuts connections that stand still, and returns.
pub async fn serve<F>(
    listeners: impl Into<Listeners>,
    routes: F,
    limits: ServerLimits,
    shutdown: impl Future<Output = Instant>,
) -> Stopped
where
    F: Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static,
    F::Future: Send,
{
    let listeners = listeners.into();
    let service = warp::service(routes);
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    let all_taken = Reached::new("--max-connections", "connections have to wait: all are taken");
    let mut connections = Connections::default();
    let mut shutdown = pin!(shutdown);
    let deadline = loop {
        let accepted = tokio::select! {
            deadline = &mut shutdown => break deadline,
            accepted = accept(&listeners, &permits) => accepted,
            // Joined as they end, so that the set holds only live ones.
            Some(ended) = connections.join_next_with_id() => {
                if let Err(error) = ended {
                    warn!(%error, "a connection ended abnormally");
                }
                continue;
            }
        };
        match accepted {
            Ok((stream, permit)) => {
                if permits.available_permits() == 0 {
                    all_taken.tell();
                }
                let watcher = graceful.watcher();
                let service = service.clone();
                let progress = Arc::new(Progress::default());
                let stream = Marked::new(stream, progress.clone());
                let connection =
                    serve_connection(stream, progress.clone(), service, limits, watcher, permit);
                connections.spawn(progress, connection);
            }
            Err(error) => {
                warn!(%error, "could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    };
    drop(listeners);
    let mut cut = false;
    let finished = tokio::select! {
        finished = timeout_at(deadline, graceful.shutdown()) => finished.is_ok(),
        () = connections.cut_those_that_stand_still(&mut cut) => false,
    };
    connections.shutdown().await;
    if finished && !cut { Stopped::Finished } else { Stopped::CutOff }
}

type ConnectionPermit = OwnedSemaphorePermit;

/// Waits for a permit, and then for a client to use it.
async fn accept(
    listeners: &Listeners,
    permits: &Arc<Semaphore>,
) -> io::Result<(Stream, ConnectionPermit)> {
    let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _) = listeners.accept().await?;
    Ok((stream, permit))
}

/// Serves one connection to its end, and gives its permit back then.
fn serve_connection<S>(
    stream: Marked<Stream>,
    progress: Arc<Progress>,
    service: S,
    limits: ServerLimits,
    watcher: Watcher,
    permit: ConnectionPermit,
) -> impl Future<Output = ()>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    // One for the connection, and not a copy of all routes for each request. The
    // call only makes the answer's future, so nothing calls from within it.
    let service = RefCell::new(service);
    let service = service_fn(move |request: Request<Incoming>| {
        // As in `CONNECT x:80` or `GET localhost`; warp panics on it.
        if request.uri().path_and_query().is_none() {
            return Either::Left(ready(Ok(Problem::no_path().into_response())));
        }
        progress.set_at_work(true);
        let progress = progress.clone();
        let answer = service.borrow_mut().call(request);
        Either::Right(answer.inspect(move |_| progress.set_at_work(false)))
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.idle_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        // Saves a read for each request that has to wait for its answer, which
        // would only tell whether the client is still there. All answers have a
        // deadline.
        .half_close(true)
        // An answer in one piece costs the system less, and pieces of a listing
        // are small enough to be copied.
        .writev(false)
        .max_buf_size(MAX_READ_BUFFER)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    // Not an async function: that would keep room for what it got and for what
    // it made of it, and there are many connections.
    watcher.watch(connection).map(move |served| {
        drop(permit);
        if let Err(error) = served {
            // Clients come and go as they like.
            debug!(%error, "a connection ended early");
        }
    })
}
