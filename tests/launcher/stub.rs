//! A service that keeps what it is sent and answers as a test wants. Owns no
//! assertions.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;

/// One request that reached the stub.
#[derive(Clone)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
    pub connection: usize,
    pub accepted: bool,
}

/// How a request is answered.
pub enum Reply {
    /// 204 without a body.
    Accept,
    /// 204, and the connection ends a moment later, unannounced.
    AcceptThenClose,
    /// 204 with `Connection: close`.
    AcceptAndSayClose,
    Status(u16, &'static str),
    /// 204 after so long.
    Hang(Duration),
    /// The connection ends without an answer.
    Close,
}

type Replies = dyn Fn(usize, &str) -> Reply + Send + Sync;
type Mutation = dyn Fn(&mut Vec<Value>) + Send + Sync;

/// A test fails after so long.
const PATIENCE: Duration = Duration::from_secs(60);

const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub struct Stub {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    seen: Mutex<Vec<Seen>>,
    replies: Box<Replies>,
    listing: Box<Mutation>,
    /// Whether a message number is taken once only, as a service does.
    first_only: bool,
    has_listing: AtomicBool,
}

impl Stub {
    /// Accepts everything.
    pub fn accepting() -> Self {
        Self::new(|_, _| Reply::Accept, |_| {})
    }

    /// Answers the n-th request, from 0, as told.
    pub fn answering(replies: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::new(replies, |_| {})
    }

    /// Accepts everything, and serves a listing that has been tampered with.
    pub fn listing(listing: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) -> Self {
        Self::new(|_, _| Reply::Accept, listing)
    }

    /// Accepts everything, at an address chosen beforehand.
    pub fn accepting_at(address: SocketAddr) -> Self {
        let state = State::new(|_, _| Reply::Accept, |_| {});
        Self::bind(address, state)
    }

    /// Accepts everything, and lists what came first for each number.
    pub fn accepting_first_copies() -> Self {
        let mut state = State::new(|_, _| Reply::Accept, |_| {});
        state.first_only = true;
        Self::bind(ANYWHERE, state)
    }

    /// Has no `GET /rockets`.
    pub fn without_listing(self) -> Self {
        self.state.has_listing.store(false, Ordering::Relaxed);
        self
    }

    fn new(
        replies: impl Fn(usize, &str) -> Reply + Send + Sync + 'static,
        listing: impl Fn(&mut Vec<Value>) + Send + Sync + 'static,
    ) -> Self {
        Self::bind(ANYWHERE, State::new(replies, listing))
    }

    fn bind(address: SocketAddr, state: State) -> Self {
        let state = Arc::new(state);
        let socket = std::net::TcpListener::bind(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                serve(TcpListener::from_std(socket).unwrap(), shared).await;
            });
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/messages", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The posted messages that were accepted, in the order of arrival.
    pub fn messages(&self) -> Vec<Value> {
        accepted(&self.state)
    }

    /// `rockets launch` at this stub.
    pub fn launch(&self, arguments: &[&str]) -> Run {
        let url = self.url();
        rockets(&[&["launch", &url], arguments].concat())
    }
}

/// What a run of the binary left.
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// The report of a run with `--json`.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// Runs the binary to its end.
pub fn rockets(arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_rockets"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Waits for what another process does.
pub fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen");
        #[expect(clippy::disallowed_methods, reason = "a thread of its own")]
        thread::sleep(Duration::from_millis(2));
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    for connection in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let (close, mut closing) = tokio::sync::mpsc::channel(1);
            let service = service_fn(|request| answer(&state, connection, request, close.clone()));
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                _ = served => {}
                _ = closing.recv() => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        });
    }
}

async fn answer(
    state: &State,
    connection: usize,
    request: Request<Incoming>,
    close: tokio::sync::mpsc::Sender<()>,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    if head.method == Method::GET && head.uri.path() == "/rockets" {
        if !state.has_listing.load(Ordering::Relaxed) {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
        let listing = serde_json::to_vec(&state.listed()).unwrap();
        return Ok(Response::new(listing.into()));
    }
    let number = state.seen.lock().unwrap().len();
    let reply = (state.replies)(number, &body);
    let accepted =
        matches!(reply, Reply::Accept | Reply::AcceptThenClose | Reply::AcceptAndSayClose);
    state.seen.lock().unwrap().push(Seen {
        method: head.method,
        path: head.uri.to_string(),
        headers: head.headers,
        body,
        connection,
        accepted,
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    match reply {
        Reply::Accept => {}
        Reply::AcceptThenClose => {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let _ = close.send(()).await;
            });
        }
        Reply::AcceptAndSayClose => {
            let value = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, value);
        }
        Reply::Status(status, body) => {
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            *response.body_mut() = body.into();
        }
        Reply::Hang(time) => tokio::time::sleep(time).await,
        Reply::Close => return Err("closed on purpose"),
    }
    Ok(response)
}

fn accepted(state: &State) -> Vec<Value> {
    let seen = state.seen.lock().unwrap();
    let accepted = seen.iter().filter(|request| request.accepted);
    accepted.map(|request| serde_json::from_str(&request.body).unwrap()).collect()
}

impl State {
    fn new(
        replies: impl Fn(usize, &str) -> Reply + Send + Sync + 'static,
        listing: impl Fn(&mut Vec<Value>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            seen: Mutex::default(),
            replies: Box::new(replies),
            listing: Box::new(listing),
            first_only: false,
            has_listing: AtomicBool::new(true),
        }
    }

    /// The fleet as the contract has it, from what was accepted.
    fn listed(&self) -> Vec<Value> {
        let mut rockets: BTreeMap<String, BTreeMap<u64, Value>> = BTreeMap::new();
        for message in accepted(self) {
            let metadata = &message["metadata"];
            let channel = metadata["channel"].as_str().unwrap().to_owned();
            let number = metadata["messageNumber"].as_u64().unwrap();
            let messages = rockets.entry(channel).or_default();
            if !(self.first_only && messages.contains_key(&number)) {
                messages.insert(number, message);
            }
        }
        let mut listing: Vec<Value> =
            rockets.iter().map(|(channel, messages)| folded(channel, messages.values())).collect();
        // All times end in Z and have nine digits, so they sort as text.
        listing.sort_by_key(|rocket| rocket["launch_time"].as_str().unwrap().to_owned());
        (self.listing)(&mut listing);
        listing
    }
}

fn folded<'a>(channel: &str, messages: impl Iterator<Item = &'a Value>) -> Value {
    let mut rocket = json!({
        "id": channel, "status": "Launched", "explosion_reason": null, "buffered_messages": 0
    });
    for message in messages {
        let (metadata, said) = (&message["metadata"], &message["message"]);
        let time = utc(metadata["messageTime"].as_str().unwrap());
        let by = said["by"].as_i64().unwrap_or(0);
        match metadata["messageType"].as_str().unwrap() {
            "RocketLaunched" => {
                rocket["launch_time"] = json!(time);
                rocket["speed"] = said["launchSpeed"].clone();
                rocket["rocket_type"] = said["type"].clone();
                rocket["mission"] = said["mission"].clone();
            }
            "RocketSpeedIncreased" => {
                rocket["speed"] = json!(rocket["speed"].as_i64().unwrap() + by);
            }
            "RocketSpeedDecreased" => {
                rocket["speed"] = json!(rocket["speed"].as_i64().unwrap() - by);
            }
            "RocketMissionChanged" => rocket["mission"] = said["newMission"].clone(),
            "RocketExploded" => {
                rocket["status"] = json!("Exploded");
                rocket["explosion_reason"] = said["reason"].clone();
            }
            other => panic!("unknown message type {other}"),
        }
        rocket["last_message_number"] = metadata["messageNumber"].clone();
        rocket["last_update_time"] = json!(time);
    }
    rocket
}

fn utc(text: &str) -> String {
    let time = OffsetDateTime::parse(text, &Rfc3339).unwrap();
    let time = time.to_offset(time::UtcOffset::UTC);
    let whole = time.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
    format!("{}.{:09}Z", whole.trim_end_matches('Z'), time.nanosecond())
}
