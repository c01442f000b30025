//! Query parameters and streams of the endpoints that list rockets. Does not own
//! what matches and in which order (`fleet/query`).
//!
//! A listing with a `limit` is one page (`page`). A listing without one is the whole
//! fleet, and is streamed: the reader's pace decides when the next rockets are
//! fetched and written out, so a slow reader holds nobody up and takes the
//! memory of a page. In launch order the stream goes on page by page; in any other
//! order the rockets have to be collected first, and only a few such collections
//! may exist at a time.

use std::sync::Arc;
use std::time::Duration;
use std::vec::IntoIter;

use bytes::Bytes;
use futures_util::{Stream, stream};
use sync_wrapper::SyncStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use warp::http::header::CONTENT_TYPE;
use warp::http::{HeaderName, HeaderValue};
use warp::reply::{Reply, Response};

use super::context::Context;
use super::cursor;
use super::held::{NoRoom, Share};
use super::pieces::{self, PIECE};
use super::problem::Problem;
use crate::fleet::outcome::QueryError;
use crate::fleet::query::{Field, Page, Position, Selection, Whole};
use crate::fleet::view::{RocketView, Status};
use crate::telemetry::shown::{Plain, Quoted};
use crate::telemetry::{Caseless, Channel};

/// Most rockets on a page that a client may ask for.
pub(super) const MAX_LIMIT: usize = 1000;

/// Rockets fetched, or merged, at a time when a listing is streamed.
const STREAMED: usize = 256;

/// Rockets from which on they are written as JSON on a thread of its own: some
/// 20 µs of work.
const WORTH_A_THREAD: usize = 64;

/// Up to so many rockets a collected listing counts with its bytes, and not as one
/// of the few large ones.
const SMALL: usize = 10_000;

/// What is true or false, as parameters say it.
pub(super) const BOOLEANS: [(&str, bool); 2] = [("true", true), ("false", false)];

pub(super) const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

const PARAMETERS: &str =
    "sort, order, id, id_prefix, mission, status, rocket_type, waiting, limit and cursor";

/// What a client asked for.
pub struct Listing {
    /// Which rockets, as the fleet is asked for them.
    pub selection: Selection,
    /// As given, but for the cursor.
    parameters: Vec<(String, String)>,
}

/// What stands around the array of rockets.
#[derive(Clone)]
pub struct Envelope {
    pub(super) prefix: String,
    suffix: &'static str,
}

/// The first rockets of a listing.
pub enum First {
    /// There may be more, from an index.
    Page(Page),
    /// All of them.
    Collected(Collected),
}

/// A collected listing.
pub struct Collected {
    rockets: Whole,
    /// Taken from the former, and not written yet.
    taken: IntoIter<RocketView>,
    /// What lets a large one exist, for as long as it is held.
    _permit: Option<OwnedSemaphorePermit>,
    /// As what a smaller one is counted.
    _share: Share,
}

impl First {
    /// Rockets in the whole listing.
    #[must_use]
    pub fn total(&self) -> usize {
        match self {
            Self::Page(page) => page.total,
            Self::Collected(collected) => collected.rockets.total(),
        }
    }
}

impl Envelope {
    /// Nothing: the array is the answer.
    #[must_use]
    pub fn array() -> Self {
        Self { prefix: "[".to_owned(), suffix: "]\n" }
    }

    /// The object around the rockets on one mission.
    #[must_use]
    pub fn mission(mission: &str) -> Self {
        let name = serde_json::Value::from(mission);
        Self { prefix: format!(r#"{{"mission":{name},"rockets":["#), suffix: "]}\n" }
    }
}

impl Listing {
    /// Reads the query string of a request.
    ///
    /// # Errors
    /// 400, naming the parameter and what is allowed.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let parameters: Vec<(String, String)> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut selection = Selection::default();
        let mut cursor = None;
        for (at, (name, value)) in parameters.iter().enumerate() {
            if parameters[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::bad_parameter(format!("{}: is given twice", Plain(name))));
            }
            match name.as_str() {
                "sort" => selection.sort.field = one_of(name, value, &Field::NAMES)?,
                "order" => {
                    let orders = [("asc", false), ("desc", true)];
                    selection.sort.descending = one_of(name, value, &orders)?;
                }
                "id" => selection.filter.id = Some(id(name, value)?),
                "id_prefix" => selection.filter.id_prefix = Some(id(name, value)?),
                "mission" => selection.filter.missions.push(Caseless::new(value)),
                "rocket_type" => selection.filter.rocket_type = Some(Caseless::new(value)),
                "status" => selection.filter.status = Some(one_of(name, value, &Status::NAMES)?),
                "waiting" => selection.filter.waiting = Some(one_of(name, value, &BOOLEANS)?),
                "limit" => selection.limit = Some(limit(value)?),
                "cursor" => cursor = Some(value),
                _ => {
                    let detail =
                        format!("{}: unknown parameter; allowed are {PARAMETERS}", Plain(name));
                    return Err(Problem::bad_parameter(detail));
                }
            }
        }
        if let Some(text) = cursor {
            selection.after = Some(cursor::decode(selection.sort, text).ok_or_else(|| {
                Problem::bad_parameter(
                    "cursor: expected one that a listing with the same sort and order gave",
                )
            })?);
        }
        let parameters = parameters.into_iter().filter(|(name, _)| name != "cursor").collect();
        Ok(Self { selection, parameters })
    }

    /// Whether it is one page, and not the whole fleet.
    #[must_use]
    pub fn is_page(&self) -> bool {
        self.selection.limit.is_some()
    }

    /// How long its parameters are.
    pub(super) fn parameter_bytes(&self) -> usize {
        self.parameters.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// The value of the `Link` header that leads to what comes after `last`. It is
    /// relative to the request, so that it also holds for who asked a proxy for
    /// another path.
    pub(super) fn next_link(&self, last: &Position) -> HeaderValue {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.parameters)
            .append_pair("cursor", &cursor::encode(self.selection.sort, last))
            .finish();
        HeaderValue::from_str(&format!("<?{query}>; rel=\"next\""))
            .expect("all that may not be in a header is percent-encoded")
    }
}

/// An ID, or how one begins.
pub(super) fn id(parameter: &str, value: &str) -> Result<Channel, Problem> {
    Channel::parse(value).map_err(|error| Problem::bad_parameter(format!("{parameter}: {error}")))
}

pub(super) fn limit(value: &str) -> Result<usize, Problem> {
    value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
        Problem::bad_parameter(format!(
            "limit: expected a number from 1 to {MAX_LIMIT}, found {}",
            Quoted(value)
        ))
    })
}

/// Reads one of a few named values, whatever its case.
pub(super) fn one_of<T: Copy>(
    parameter: &str,
    value: &str,
    names: &[(&str, T)],
) -> Result<T, Problem> {
    let found = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
    found.map(|&(_, named)| named).ok_or_else(|| {
        let allowed: Vec<_> = names.iter().map(|&(name, _)| name).collect();
        let allowed = allowed.join(", ");
        Problem::bad_parameter(format!(
            "{parameter}: expected one of {allowed}; found {}",
            Quoted(value)
        ))
    })
}

/// Fetches the first rockets of a listing without a limit.
///
/// # Errors
/// 503 when the fleet does not answer in time.
pub async fn first_page(context: &Context, listing: &Listing) -> Result<First, Problem> {
    let deadline = Instant::now() + context.config.request_timeout;
    let mut selection = listing.selection.clone();
    if !selection.is_indexed() {
        return Ok(First::Collected(collect(context, selection, deadline).await?));
    }
    selection.limit = Some(STREAMED);
    Ok(First::Page(context.fleet.rockets(Arc::new(selection), deadline).await?))
}

async fn collect(
    context: &Context,
    selection: Selection,
    deadline: Instant,
) -> Result<Collected, Problem> {
    let permits = context.collected_listings.clone();
    let acquired = timeout_at(deadline, permits.acquire_owned()).await;
    let acquired = acquired.map_err(|_| {
        context.no_collected_listing.tell();
        QueryError::TooManyCollected
    })?;
    let permit = acquired.expect("the semaphore is never closed");
    let rockets = context.fleet.whole(Arc::new(selection), deadline).await?;
    let is_large = rockets.left() > SMALL;
    let bytes = if is_large { 0 } else { rockets.left() * size_of::<RocketView>() };
    let share = context.answers_held.hold(bytes);
    let share = share.map_err(|NoRoom| Problem::too_many_bytes_unsent())?;
    let (taken, permit) = (IntoIter::default(), is_large.then_some(permit));
    Ok(Collected { rockets, taken, _permit: permit, _share: share })
}

/// The answer that begins with `first`.
///
/// # Errors
/// 503 when the service is on its way out.
pub async fn respond(
    context: Arc<Context>,
    listing: Listing,
    first: First,
    envelope: Envelope,
) -> Result<Response, Problem> {
    let total = first.total();
    let time = context.config.request_timeout;
    let deadline = Instant::now() + time;
    let mut response = match first {
        First::Page(page) if page.more => {
            let pages = Pages::begin(context, listing.selection, page);
            warp::reply::stream(SyncStream::new(pages.stream(envelope))).into_response()
        }
        First::Page(page) => Response::new(in_one(envelope, page.rockets, deadline).await?.into()),
        First::Collected(Collected { mut rockets, .. }) if rockets.left() <= MAX_LIMIT => {
            Response::new(in_one(envelope, rockets.next(MAX_LIMIT), deadline).await?.into())
        }
        First::Collected(rockets) => {
            let pieces = rockets.stream(envelope, time);
            warp::reply::stream(SyncStream::new(pieces)).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(TOTAL_COUNT, HeaderValue::from(total));
    Ok(response)
}

/// An answer that is written before it is sent.
///
/// # Errors
/// When no thread was free to write it by the deadline.
pub(super) async fn in_one(
    envelope: Envelope,
    rockets: Vec<RocketView>,
    deadline: Instant,
) -> Result<String, QueryError> {
    let rockets = rockets.into_iter();
    let (mut json, _) = written(envelope.prefix, rockets, true, usize::MAX, deadline).await?;
    json.push_str(envelope.suffix);
    Ok(json)
}

/// Appends rockets to `json`, up to so many bytes; if there are many, on a thread
/// of its own, so that the runtime's threads are there for others. Also returns
/// those that are left.
async fn written(
    mut json: String,
    mut rockets: IntoIter<RocketView>,
    first: bool,
    most: usize,
    deadline: Instant,
) -> Result<(String, IntoIter<RocketView>), QueryError> {
    let is_short = rockets.len() < WORTH_A_THREAD;
    let write = move || {
        pieces::write(&mut json, &mut rockets, first, most);
        (json, rockets)
    };
    if is_short { Ok(write()) } else { elsewhere(deadline, write).await }
}

/// Has some work done on a thread that may block.
///
/// # Errors
/// When it is not done by the deadline, for instance because there is no thread free,
/// or the runtime is on its way out.
async fn elsewhere<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, QueryError> {
    let done = timeout_at(deadline, spawn_blocking(work)).await;
    done.map_err(|_| QueryError::NotMade)?.map_err(|_| QueryError::Stopping)
}

type Chunk = Result<Bytes, QueryError>;

/// A listing in launch order, fetched page by page.
struct Pages {
    context: Arc<Context>,
    /// What comes after this page; without a place to go on from, nothing.
    selection: Selection,
    /// Of this page, and not written yet.
    rockets: IntoIter<RocketView>,
}

impl Pages {
    fn begin(context: Arc<Context>, selection: Selection, first: Page) -> Self {
        let selection = Selection { limit: Some(STREAMED), ..selection };
        let mut pages = Self { context, selection, rockets: IntoIter::default() };
        pages.turn_to(first);
        pages
    }

    fn turn_to(&mut self, page: Page) {
        let last = page.rockets.last().filter(|_| page.more);
        self.selection.after = last.map(|last| self.selection.sort.position(last));
        self.rockets = page.rockets.into_iter();
    }

    /// Fetches the next page, if there is one.
    async fn turn(&mut self) -> Result<bool, QueryError> {
        if self.selection.after.is_none() {
            return Ok(false);
        }
        let deadline = Instant::now() + self.context.config.request_timeout;
        let page = self.context.fleet.rockets(Arc::new(self.selection.clone()), deadline).await?;
        self.turn_to(page);
        Ok(true)
    }

    fn stream(self, envelope: Envelope) -> impl Stream<Item = Chunk> + Send {
        let start = (Some(self), envelope.prefix);
        stream::try_unfold(start, move |(pages, mut json)| async move {
            let Some(mut pages) = pages else { return Ok(None) };
            let is_first = !json.is_empty();
            let deadline = Instant::now() + pages.context.config.request_timeout;
            (json, pages.rockets) = written(json, pages.rockets, is_first, PIECE, deadline).await?;
            let is_last = pages.rockets.len() == 0 && !pages.turn().await?;
            if is_last {
                json.push_str(envelope.suffix);
            }
            Ok(Some((Bytes::from(json), ((!is_last).then_some(pages), String::new()))))
        })
    }
}

impl Collected {
    /// Merges and writes a piece at a time, each within that time. What lets it exist
    /// is held until the end.
    fn stream(self, envelope: Envelope, time: Duration) -> impl Stream<Item = Chunk> + Send {
        let start = (Some(self), envelope.prefix);
        stream::try_unfold(start, move |(collected, mut json)| async move {
            let Some(mut collected) = collected else { return Ok(None) };
            let is_first = !json.is_empty();
            let write = move || {
                if collected.taken.len() == 0 {
                    collected.taken = collected.rockets.next(STREAMED).into_iter();
                }
                pieces::write(&mut json, &mut collected.taken, is_first, PIECE);
                (json, collected)
            };
            let (mut json, collected) = elsewhere(Instant::now() + time, write).await?;
            let is_last = collected.rockets.left() == 0 && collected.taken.len() == 0;
            if is_last {
                json.push_str(envelope.suffix);
            }
            Ok(Some((Bytes::from(json), ((!is_last).then_some(collected), String::new()))))
        })
    }
}
