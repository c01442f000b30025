//! The accept loop: limits, time-outs, and the ordered stop. Owns connections,
//! and not what is answered on them, but for a request that warp cannot take or
//! that is not admitted (`access`).
//!
//! warp's own server has no bound on connections and no time limit on a
//! request's head, so its routes are served from here, over hyper.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, ready};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};
use tower_service::Service;
use tracing::{debug, warn};
use warp::reply::Response;

use super::access::remembered::Remembered;
use super::access::{Decision, Gate};
use super::client::Client;
use super::connections::Connections;
use super::deadline::Timer;
use super::fairness::Fairness;
use super::figures::ServerFigures;
use super::framing;
use super::listener::Listeners;
use super::origin::Origin;
use super::places::{self, Newcomer, Places};
use super::problem::Problem;
use super::requests::RequestLog;
use super::socket::Socket;
use super::stream::Stream;
use super::tls::{Tls, handshake};
use super::transport::Transport;
use super::unread;
use crate::fleet::refusals::Reached;

/// Most bytes of a request's head, and of what is read of a body at a time.
const MAX_READ_BUFFER: usize = 64 * 1024;

/// How long to wait after an accept failed, for instance for want of file
/// descriptors: what is needed is freed only by connections that end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections served at once on the operators' address: probes and scrapes come
/// one by one, and people are few. They have places of their own.
pub const MAX_ADMIN_CONNECTIONS: usize = 32;

/// What an accept loop allows.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Connections served at once; further ones wait (`places`).
    pub max_connections: usize,
    /// What raises that, if anything does.
    pub max_connections_flag: Option<&'static str>,
    /// For a head to arrive, for a kept-alive connection to be used again, and
    /// for a stalled reader to take more.
    pub idle_timeout: Duration,
    /// What one client may take; none for whatever there is.
    pub fairness: Option<Arc<Fairness>>,
    /// Where it is counted what comes in.
    pub figures: Arc<ServerFigures>,
}

/// Whether everything in flight was finished at a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every request in flight was answered.
    Finished,
    /// Connections were cut: they stood still, or the deadline came first.
    CutOff,
}

/// Serves `service` on `listeners`, as far as `gate` admits what is asked, until
/// `shutdown` is done; then takes no more
/// connections, lets requests in flight finish until the deadline that
/// `shutdown` gave, but cuts connections that stand still, and returns.
pub async fn serve<S>(
    listeners: impl Into<Listeners>,
    service: S,
    limits: ServerLimits,
    gate: Gate,
    shutdown: impl Future<Output = Instant>,
) -> Stopped
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let listeners = listeners.into();
    let gate = Arc::new(gate);
    let all_taken = match limits.max_connections_flag {
        Some(flag) => Reached::new(flag, "connections have to wait: all are taken"),
        None => Reached::fixed("connections of operators have to wait: all are taken"),
    };
    let mut connections = Connections::counted(limits.figures.clone());
    let fairness = limits.fairness.as_ref();
    let counts = &limits.figures.connections;
    let mut places = Places::new(limits.max_connections)
        .with_most_of_one(fairness.map_or(usize::MAX, |fairness| fairness.connections));
    let mut rounds = interval(places::SILENCE);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = Failures::none();
    let mut shutdown = pin!(shutdown);
    let spawn =
        |places: &mut Places<_>, connections: &mut Connections, stream, client: Arc<Client>| {
            let tls = listeners.tls_on(&stream);
            let socket = Socket::new(stream, client.clone(), limits.idle_timeout);
            let served = Served {
                client: client.clone(),
                service: service.clone(),
                gate: gate.clone(),
                limits: limits.clone(),
            };
            let connection = match tls {
                None => Either::Left(serve_connection(Transport::Plain(socket), served)),
                // Boxed, for it would make room for itself in those without.
                Some(tls) => Either::Right(Box::pin(serve_encrypted(tls, socket, served))),
            };
            places.take(client.clone(), connections.spawn(client, connection));
        };
    let deadline = loop {
        tokio::select! {
            deadline = &mut shutdown => break deadline,
            accepted = accept(&listeners, &limits) => match accepted {
                Ok((stream, client)) => {
                    match places.arrive(stream, client) {
                        Newcomer::Served(stream, client) => {
                            spawn(&mut places, &mut connections, stream, client);
                        }
                        Newcomer::Waits => all_taken.tell(),
                        Newcomer::TurnedAway(stream) => {
                            counts.no_place.add_alone(1);
                            all_taken.tell();
                            // There is no time for a handshake.
                            if listeners.tls_on(&stream).is_none() {
                                turn_away(&stream, Problem::too_many_connections());
                            }
                        }
                        Newcomer::OneTooMany(stream) => {
                            counts.of_one_client.add_alone(1);
                            fairness.inspect(|fairness| fairness.too_many.tell());
                            if listeners.tls_on(&stream).is_none() {
                                turn_away(&stream, Problem::too_many_connections_of_client());
                            }
                        }
                    }
                }
                Err(error) => {
                    failures.tell(&error);
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            // Joined as they end, so that the set holds only live ones.
            Some(ended) = connections.join_next_with_id() => {
                let task = match ended {
                    Ok((task, ())) => task,
                    Err(error) => {
                        // One is cancelled when its place is needed.
                        if !error.is_cancelled() {
                            warn!(%error, "a connection ended abnormally");
                        }
                        error.id()
                    }
                };
                places.leave(task);
                while let Some((stream, client)) = places.next_served() {
                    spawn(&mut places, &mut connections, stream, client);
                }
            }
            _ = rounds.tick(), if places.is_short() || failures.are_recent() => {
                places.share_out(failures.are_recent());
            }
        }
    };
    let stay = listeners.stay();
    drop((listeners, places));
    if stay {
        // They could have waited for the next run, and were taken in by this one.
        let heard = connections.hear_newcomers_out();
        // What comes later is cut off below.
        let _ = timeout_at(deadline, heard).await;
    }
    let mut cut = false;
    let finished = tokio::select! {
        finished = timeout_at(deadline, connections.end_soon()) => finished.is_ok(),
        () = connections.cut_those_that_stand_still(&mut cut) => false,
    };
    connections.shutdown().await;
    if finished && !cut { Stopped::Finished } else { Stopped::CutOff }
}

/// What went wrong with accepting.
struct Failures {
    last: Option<Instant>,
    line: Reached,
}

impl Failures {
    /// Nothing yet.
    fn none() -> Self {
        Self { last: None, line: Reached::fixed("could not accept a connection") }
    }

    /// Logs it, at most once a second.
    fn tell(&mut self, error: &io::Error) {
        self.last = Some(Instant::now());
        self.line.tell_why(error);
    }

    /// Whether there was one since the last two rounds.
    fn are_recent(&self) -> bool {
        self.last.is_some_and(|last| last.elapsed() < 2 * places::SILENCE)
    }
}

async fn accept(
    listeners: &Listeners,
    ServerLimits { fairness, figures, .. }: &ServerLimits,
) -> io::Result<(Stream, Arc<Client>)> {
    let (stream, address) = listeners.accept().await?;
    figures.connections.accepted.add_alone(1);
    let unlimited = || Client::new(Origin::of(address));
    Ok((stream, fairness.as_ref().map_or_else(unlimited, |fairness| fairness.client(address))))
}

/// Answers a connection for which there is no place, not even to wait. Best
/// effort: there is nobody to wait for it.
fn turn_away(stream: &Stream, problem: Problem) {
    let _ = stream.try_write(&problem.into_bytes());
}

/// The answer of few requests: boxed, so that what it needs is not made room for
/// in all.
type Rare = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;
/// Counts a request that goes to no handler, whatever its path.
#[cold]
fn refused(figures: &ServerFigures, request: &Request<Incoming>, answer: &Response) {
    figures.requests.answered(None, request.method(), answer.status(), Duration::ZERO);
    if let Some(log) = RequestLog::begin(request) {
        log.end(answer.status());
    }
}

/// What a connection is served with.
struct Served<S> {
    client: Arc<Client>,
    service: S,
    gate: Arc<Gate>,
    limits: ServerLimits,
}

/// As [`serve_connection`], once there is TLS.
async fn serve_encrypted<S>(tls: Arc<Tls>, socket: Socket<Stream>, served: Served<S>)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    let idle_timeout = served.limits.idle_timeout;
    let accepted = handshake::accept(tls, socket, &served.client, idle_timeout).await;
    if let Some(stream) = accepted {
        serve_connection(Transport::Tls(Box::new(stream)), served).await;
    }
}

/// Serves one connection to its end.
fn serve_connection<S>(transport: Transport, served: Served<S>) -> impl Future<Output = ()>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    let Served { client, service, gate, limits } = served;
    let known = client.clone();
    // One for the connection, and not a copy of all routes for each request. The
    // call only makes the answer's future, so nothing calls from within it.
    let service = RefCell::new(service);
    let remembered = RefCell::new(Remembered::default());
    let ServerLimits { fairness, figures, .. } = limits;
    let service = service_fn(move |request: Request<Incoming>| {
        client.begin();
        if let Some(problem) = framing::refused(&request) {
            client.answer();
            let answer = unread::close(problem.into_response());
            refused(&figures, &request, &answer);
            return Either::Right(Box::pin(ready(Ok(answer))) as Rare);
        }
        let refuse = |request, answer| {
            refused(&figures, &request, &answer);
            Either::Right(Box::pin(unread::refuse(request, answer).map(Ok)) as Rare)
        };
        if let Some(fairness) = &fairness
            && let Err(problem) = fairness.admit(&client, request.headers())
        {
            let answer = gate.mark(&request, problem.into_response());
            return refuse(request, answer);
        }
        let grant = match gate.ask(&request, &mut remembered.borrow_mut()) {
            Decision::Admitted => None,
            Decision::AdmittedTo(grant) => Some(grant),
            Decision::Answered(answer) => return refuse(request, *answer),
        };
        let log = RequestLog::begin(&request);
        let answered = service.borrow_mut().call(request);
        match (grant, log) {
            (None, None) => Either::Left(answered),
            (grant, log) => Either::Right(Box::pin(answered.map(|answer| {
                let Ok(answer) = answer;
                if let Some(log) = log {
                    log.end(answer.status());
                }
                Ok(match grant {
                    Some(grant) => grant.mark(answer),
                    None => answer,
                })
            }))),
        }
    });
    let mut connection = http1::Builder::new()
        .timer(Timer)
        .header_read_timeout(limits.idle_timeout)
        // Saves a read for each request that has to wait for its answer, which
        // would only tell whether the client is still there. All answers have a
        // deadline.
        .half_close(true)
        // An answer in one piece costs the system less, and pieces of a listing
        // are small enough to be copied.
        .writev(false)
        .max_buf_size(MAX_READ_BUFFER)
        .serve_connection(TokioIo::new(transport), service);
    // Not an async function: that would keep room for what it got and for what
    // it made of it, and there are many connections.
    let (mut is_known, mut is_to_end) = (false, false);
    poll_fn(move |context| {
        let mut connection = Pin::new(&mut connection);
        if !is_known {
            // A task has the same waker at each of its turns.
            known.wake_at_end(context.waker());
            is_known = true;
        }
        if !is_to_end && known.is_to_end() {
            connection.as_mut().graceful_shutdown();
            is_to_end = true;
        }
        connection.poll(context)
    })
    .map(|served| {
        if let Err(error) = served {
            // Clients come and go as they like.
            debug!(%error, "a connection ended early");
        }
    })
}
