//! `GET /events`: what changes, as it changes, as server-sent events or as lines of
//! JSON. Owns the form of the stream, and what a client may ask of it. Does not own
//! what is told, and when (`fleet/feed`).

use std::convert::Infallible;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use sync_wrapper::SyncStream;
use warp::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY};
use warp::http::{HeaderMap, HeaderName, HeaderValue, Method};
use warp::reply::{Reply, Response};

use super::client::{self, Client};
use super::context::Context;
use super::event_id::{self, EventId};
use super::listing;
use super::media::{parts, weight};
use super::problem::Problem;
use crate::fleet::feed::hub::{NoSeat, Wanted};
use crate::fleet::feed::subscription::{News, Subscription, TOO_LATE};
use crate::fleet::view::Status;
use crate::telemetry::Caseless;
use crate::telemetry::shown::Plain;

/// Most rockets that a subscriber can name.
const MOST_IDS: usize = 100;

/// Where a browser says what it saw last.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Tells nginx, and others who do as it does, to hold nothing back.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

const PARAMETERS: &str = "id, id_prefix, mission, status, rocket_type, waiting and last_event_id";

/// What a client asked for.
#[derive(Debug, Default)]
struct Asked {
    wanted: Wanted,
    /// Stands for what it wants in event IDs.
    digest: u32,
    last_event_id: Option<String>,
}

/// The first event of all.
#[derive(Serialize)]
struct Hello<'a> {
    epoch: &'a str,
    version: u64,
    partitions: usize,
    build: &'static str,
}

#[derive(Serialize)]
struct Reason {
    reason: &'static str,
}

/// The stream of what changes from now on.
///
/// # Errors
/// 400 for a bad parameter; 503 when the fleet only starts, or there are as many
/// subscribers as there may be.
pub fn get(
    context: &Context,
    method: &Method,
    headers: &HeaderMap,
    query: &str,
) -> Result<Response, Problem> {
    let asked = Asked::parse(query)?;
    let form = Form::preferred(headers);
    // What changes from here on is told, or is in what is listed after.
    let version = context.fleet.version()?;
    if method == Method::HEAD {
        let nothing = stream::empty::<Result<Bytes, Infallible>>();
        return Ok(form.answer(warp::reply::stream(SyncStream::new(nothing)).into_response()));
    }
    let Asked { wanted, digest, last_event_id } = asked;
    let sent = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
    let last_event_id = match sent {
        // A browser that comes back has the address from when it came first.
        Some(sent) => Some(String::from_utf8_lossy(sent).into_owned()),
        None => last_event_id,
    };
    let id = EventId { epoch: context.epoch, lane: wanted.lane(), digest };
    let from = last_event_id.filter(|text| !text.is_empty()).map(|text| id.read(&text));
    let (counts, problem) = match from {
        None => (None, None),
        Some(Ok(counts)) => (Some(counts), None),
        // No feed has no partition, so it begins now.
        Some(Err(other)) => (Some(Vec::new()), Some(other)),
    };
    let feed = context.fleet.feed();
    let subscription = Subscription::open(feed, wanted, counts.as_deref(), context.config.events);
    let (subscription, reads_on) =
        subscription.map_err(|NoSeat| Problem::too_many_subscribers(&context.no_seat))?;
    client::tell_current(Client::begin_stream);
    let stream = Stream { subscription, form, id, ended: false };
    let mut first = stream.hello(version);
    if !reads_on {
        let reason = problem.map_or(TOO_LATE, event_id::Other::reason);
        stream.reset(&mut first, reason);
    }
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from(first))]);
    let rest = stream::unfold(stream, |mut stream| async {
        let piece = stream.next().await?;
        Some((Ok(piece), stream))
    });
    let pieces = SyncStream::new(stream::StreamExt::chain(first, rest));
    Ok(form.answer(warp::reply::stream(pieces).into_response()))
}

impl Asked {
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        let parameters: Vec<(String, String)> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let Wanted { ids, filter } = &mut asked.wanted;
        for (at, (name, value)) in parameters.iter().enumerate() {
            let is_again = parameters[..at].iter().any(|(earlier, _)| earlier == name);
            if is_again && name != "id" {
                return Err(Problem::bad_parameter(format!("{}: is given twice", Plain(name))));
            }
            match name.as_str() {
                "id" if ids.len() == MOST_IDS => {
                    let detail = format!("id: expected at most {MOST_IDS} of them");
                    return Err(Problem::bad_parameter(detail));
                }
                "id" => ids.push(listing::id("id", value)?),
                "id_prefix" => filter.id_prefix = Some(listing::id(name, value)?),
                "waiting" => {
                    filter.waiting = Some(listing::one_of(name, value, &listing::BOOLEANS)?);
                }
                "mission" => filter.missions.push(Caseless::new(value)),
                "rocket_type" => filter.rocket_type = Some(Caseless::new(value)),
                "status" => filter.status = Some(listing::one_of(name, value, &Status::NAMES)?),
                "last_event_id" => asked.last_event_id = Some(value.clone()),
                _ => {
                    let detail =
                        format!("{}: unknown parameter; allowed are {PARAMETERS}", Plain(name));
                    return Err(Problem::bad_parameter(detail));
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let wanted = parameters.iter().filter(|(name, _)| name != "last_event_id");
        let mut wanted: Vec<_> = wanted.collect();
        wanted.sort_unstable();
        wanted.dedup();
        asked.digest = event_id::digest(&wanted);
        Ok(asked)
    }
}

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As browsers read them.
    EventStream,
    /// An object a line.
    Lines,
}

impl Form {
    /// Lines for those who name them and like nothing better.
    fn preferred(headers: &HeaderMap) -> Self {
        let (mut lines, mut stream) = (0, 0);
        for value in headers.get_all(ACCEPT) {
            for range in parts(value.as_bytes(), b',') {
                let mut parts = parts(range, b';');
                let name = parts.next().expect("a list has a part").to_ascii_lowercase();
                let best = match &*name {
                    b"application/x-ndjson" | b"application/ndjson" => &mut lines,
                    b"text/event-stream" => &mut stream,
                    _ => continue,
                };
                *best = weight(parts).max(*best);
            }
        }
        if lines > stream { Self::Lines } else { Self::EventStream }
    }

    fn answer(self, mut response: Response) -> Response {
        let media_type = match self {
            Self::EventStream => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
        headers.insert(BUFFERING, HeaderValue::from_static("no"));
        headers.insert(VARY, HeaderValue::from_static("accept"));
        response
    }

    /// Appends one event.
    fn write(self, out: &mut String, name: &str, id: Option<&str>, json: &str) {
        // A text takes whatever is written to it.
        let _ = match (self, id) {
            (Self::EventStream, Some(id)) => {
                write!(out, "event: {name}\nid: {id}\ndata: {json}\n\n")
            }
            (Self::EventStream, None) => write!(out, "event: {name}\ndata: {json}\n\n"),
            (Self::Lines, Some(id)) => {
                writeln!(out, "{{\"event\":\"{name}\",\"id\":\"{id}\",\"data\":{json}}}")
            }
            (Self::Lines, None) => writeln!(out, "{{\"event\":\"{name}\",\"data\":{json}}}"),
        };
    }
}

/// What one subscriber is sent.
struct Stream {
    subscription: Subscription,
    form: Form,
    id: EventId,
    ended: bool,
}

impl Stream {
    fn hello(&self, version: u64) -> String {
        let mut out = String::new();
        if self.form == Form::EventStream {
            // Not all at once after a restart.
            let retry = 1000 + RandomState::new().hash_one(()) % 2000;
            let _ = writeln!(out, "retry: {retry}");
        }
        let epoch = self.id.epoch.text();
        let hello = Hello {
            epoch: &epoch,
            version,
            partitions: self.subscription.counts().count(),
            build: env!("CARGO_PKG_VERSION"),
        };
        self.form.write(&mut out, "hello", Some(&self.last_id()), &json(&hello));
        out
    }

    fn reset(&self, out: &mut String, reason: &'static str) {
        self.form.write(out, "reset", Some(&self.last_id()), &json(&Reason { reason }));
    }

    fn last_id(&self) -> String {
        self.id.write(self.subscription.counts())
    }

    /// What is sent next; nothing after the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut out = String::new();
        match self.subscription.next().await {
            News::Events(events) => {
                let last = events.len() - 1;
                // All of them were read up to this place, and none to one between.
                let id = self.last_id();
                let size = events.iter().map(|event| event.json.len() + 64).sum::<usize>();
                out.reserve(size + id.len());
                for (at, event) in events.iter().enumerate() {
                    let json = std::str::from_utf8(&event.json).expect("JSON is UTF-8");
                    let id = (at == last).then_some(&*id);
                    self.form.write(&mut out, event.name.text(), id, json);
                }
            }
            News::Stats(stats) => {
                let json = std::str::from_utf8(&stats).expect("JSON is UTF-8");
                self.form.write(&mut out, "stats", None, json);
            }
            News::Reset(reason) => self.reset(&mut out, reason),
            News::Bye(reason) => {
                self.form.write(&mut out, "bye", None, &json(&Reason { reason }));
                self.ended = true;
            }
        }
        Some(out.into())
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers always serialise")
}
