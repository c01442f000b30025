//! Which path leads where. The hot route comes first, and every request finds
//! an answer here, so no rejection of warp's reaches a client.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde::Serialize;
use tokio::sync::Semaphore;
use warp::http::header::CONTENT_TYPE;
use warp::http::{HeaderMap, HeaderValue};
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::etag::Epoch;
use super::head::Head;
use super::problem::Problem;
use super::{bulk, listing, messages, missions, rockets};
use crate::config::HttpConfig;
use crate::fleet::Fleet;

/// What handlers work with. Shared by all of them: one count to keep for each
/// request.
pub type Context = Arc<Service>;

/// See [`Context`].
pub struct Service {
    pub fleet: Fleet,
    pub config: HttpConfig,
    /// One permit for each large listing that may be held in memory.
    pub collections: Arc<Semaphore>,
    /// One permit for each request of many messages that is being read.
    pub bulk_turns: Arc<Semaphore>,
    pub epoch: Epoch,
}

impl Service {
    #[must_use]
    pub fn new(fleet: Fleet, config: HttpConfig) -> Context {
        let collections = Arc::new(Semaphore::new(listing::MAX_COLLECTED));
        let bulk_turns = Arc::new(Semaphore::new(bulk::MAX_READ));
        Arc::new(Self { fleet, config, collections, bulk_turns, epoch: Epoch::random() })
    }
}

/// Every route of the service.
pub fn routes(
    context: Context,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let service = context.clone();
    let context = warp::any().map(move || context.clone());
    let read = warp::get().or(warp::head()).unify();
    let parameters = warp::query::raw().or(warp::any().map(String::new)).unify();
    let headers = warp::header::headers_cloned();
    let end = warp::path::end;

    let post_message = warp::path("messages")
        .and(end())
        .and(warp::post())
        .and(headers.map(|headers: HeaderMap| Head::of(&headers)))
        .and(warp::body::stream())
        .then(move |head, body| {
            let context = service.clone();
            async move { answer(messages::post(context, head, body).await) }
        });
    let list_rockets = warp::path("rockets")
        .and(end())
        .and(read)
        .and(context.clone())
        .and(headers)
        .and(parameters)
        .then(|context, headers, parameters| async {
            answer(rockets::list(context, headers, parameters).await)
        })
        .boxed();
    let get_rocket = warp::path!("rockets" / String)
        .and(read)
        .and(context.clone())
        .and(headers)
        .and(parameters)
        .then(|id, context, headers, parameters: String| async move {
            answer(rockets::get(context, id, headers, &parameters).await)
        })
        .boxed();
    let list_missions = warp::path("missions")
        .and(end())
        .and(read)
        .and(context.clone())
        .and(headers)
        .and(parameters)
        .then(|context, headers, parameters: String| async move {
            answer(missions::list(context, headers, &parameters).await)
        })
        .boxed();
    let get_mission = warp::path!("missions" / String)
        .and(read)
        .and(context.clone())
        .and(headers)
        .and(parameters)
        .then(|mission, context, headers, parameters| async {
            answer(missions::get(context, mission, headers, parameters).await)
        })
        .boxed();
    let readyz = warp::path("readyz")
        .and(end())
        .and(read)
        .and(context)
        .then(|context| async move { answer(readiness(&context)) })
        .boxed();
    let nothing = warp::path::full().then(|path| async { no_route(path).into_response() }).boxed();

    // Boxed as one: a request for the hot route pays for one other, not for each.
    let others = list_rockets
        .or(get_rocket)
        .unify()
        .or(list_missions)
        .unify()
        .or(get_mission)
        .unify()
        .or(readyz)
        .unify()
        .or(nothing)
        .unify()
        .boxed();
    post_message.or(others).unify()
}

fn answer(result: Result<Response, Problem>) -> Response {
    result.unwrap_or_else(Problem::into_response)
}

/// Whether the service can do all of its work, and if not, why.
fn readiness(context: &Context) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Ready {
        status: &'static str,
    }
    context.fleet.health().ready()?;
    Ok(json(&Ready { status: "ready" }))
}

/// Why no route took a request: the path, or else the method.
fn no_route(path: FullPath) -> Problem {
    let path = path.as_str();
    // As warp does: one slash in front belongs to no segment, nor does one at
    // the end.
    let inner = path.strip_prefix('/').unwrap_or(path);
    let mut segments = inner.strip_suffix('/').unwrap_or(inner).split('/');
    match (segments.next(), segments.next(), segments.next()) {
        (Some("messages"), None, _) => Problem::method_not_allowed("POST"),
        (Some("rockets" | "missions"), second, None) if second != Some("") => {
            Problem::method_not_allowed("GET, HEAD")
        }
        (Some("readyz"), None, _) => Problem::method_not_allowed("GET, HEAD"),
        _ => Problem::not_found(format!("there is nothing at {path:?}")),
    }
}

/// Refuses query parameters where there are none.
///
/// # Errors
/// 400, naming the first one.
pub fn no_parameters(query: &str) -> Result<(), Problem> {
    match form_urlencoded::parse(query.as_bytes()).next() {
        None => Ok(()),
        Some((name, _)) => Err(Problem::bad_parameter(format!(
            "{name}: unknown parameter; none is allowed on this path"
        ))),
    }
}

/// A successful answer with a JSON body.
#[must_use]
pub fn json(body: &impl Serialize) -> Response {
    // Cannot fail: the bodies are plain structs of texts, numbers and times.
    let json = serde_json::to_string(body).unwrap_or_default();
    let mut response = Response::new(json.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The text of a path segment; warp hands segments over as they came.
///
/// # Errors
/// 404 when it is not UTF-8, since nothing has such a name.
pub fn decode_segment(segment: &str) -> Result<String, Problem> {
    percent_decode_str(segment)
        .decode_utf8()
        .map(Into::into)
        .map_err(|_| Problem::not_found("the path is not UTF-8 once it is percent-decoded"))
}
