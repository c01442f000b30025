//! From a request to its handler. The hot route comes first; all others go
//! through the table (`routes`). Every request finds an answer here, so no
//! rejection of warp's reaches a client; and every answer goes by the one place
//! that looks after a body which was not read (`unread`).

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll};

use bytes::Buf;
use futures_util::Stream;
use futures_util::future::Either;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;
use tower_service::Service;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, Method};
use warp::path::FullPath;
use warp::reply::Response;

use super::access::headers;
use super::client::{self, Head};
use super::compression;
use super::context::Context;
use super::post_headers::PostHeaders;
use super::problem::Problem;
use super::respond::answer;
use super::routes::{self, Endpoint, For, Found, NoRoute, Side};
use super::unread::{Tracked, settle};
use super::{
    checkpoint, docs, events, framing, gaps, history, messages, metrics, missions, openapi,
    readiness, rockets, ui, unsent,
};
use crate::telemetry::shown::Quoted;

/// What a side has, as the server serves it.
pub fn routes(
    context: Arc<Context>,
    side: Side,
) -> impl Service<
    Request<Incoming>,
    Response = Response,
    Error = Infallible,
    Future = impl Future<Output = Result<Response, Infallible>> + Send,
> + Clone
+ Send {
    let rest = warp::service(by_table(context.clone(), side));
    let post = warp::path("messages")
        .and(warp::path::end())
        .and(warp::post())
        .and(warp::any().map(client::take_head))
        .and(warp::body::stream())
        .then(move |head, body| post_message(context.clone(), head, body));
    let (takes_messages, post) = (side.has(For::Clients), warp::service(post));
    Routes { takes_messages, post, rest }
}

/// All routes of a side, the hot one apart from the others: what its filters need is
/// not made room for what those need, and its headers are read before, for warp lends
/// none to its filters, and to clone them is a thirtieth of all that a message costs.
#[derive(Clone)]
struct Routes<P, S> {
    takes_messages: bool,
    post: P,
    rest: S,
}

impl<P, S> Service<Request<Incoming>> for Routes<P, S>
where
    P: Service<Request<framing::Body>, Response = Response, Error = Infallible>,
    S: Service<Request<framing::Body>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    // Boxed, so that the hot one makes room for nothing that others need.
    type Future = Either<P::Future, Pin<Box<S::Future>>>;

    fn poll_ready(&mut self, _: &mut task::Context) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        // As the table has it, which finds it too if it is spelled with another slash.
        let is_hot = self.takes_messages
            && request.method() == Method::POST
            && request.uri().path() == "/messages";
        if !is_hot {
            return Either::Right(Box::pin(self.rest.call(request.map(framing::Body))));
        }
        // None if it comes in chunks, and is not known.
        let length = request.body().size_hint().exact().unwrap_or(0);
        let headers = std::mem::take(request.headers_mut());
        let read = PostHeaders::with_body_of(length, &headers);
        client::leave_head((read, emptied(headers)));
        Either::Left(self.post.call(request.map(framing::Body)))
    }
}

/// Most headers whose room is used again.
const MOST_HEADERS: usize = 32;

/// The room that a request's headers took, if it is not too much to be kept. hyper
/// reads the next request's into that of the answer's.
fn emptied(mut headers: HeaderMap) -> HeaderMap {
    if headers.capacity() > MOST_HEADERS {
        return HeaderMap::new();
    }
    headers.clear();
    headers
}

/// The hot route; the headers of its answer stand in `room`.
async fn post_message(
    context: Arc<Context>,
    (headers, room): Head,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Response {
    let begun = Instant::now();
    let body = pin!(body);
    let mut body = Tracked::new(body);
    let mut answer = answer(messages::post(&context, headers, begun, &mut body).await);
    let (status, took) = (answer.status(), begun.elapsed());
    context.figures.requests.answered(Some(Endpoint::PostMessages), &Method::POST, status, took);
    if answer.headers().is_empty() {
        *answer.headers_mut() = room;
    }
    settle(answer, headers, &mut body).await
}

/// Everything that the table has on this side.
fn by_table(context: Arc<Context>, side: Side) -> BoxedFilter<(Response,)> {
    let headers = warp::header::headers_cloned();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(headers)
        .and(query)
        .and(warp::body::stream())
        .then(move |method, path: FullPath, headers, query, body| {
            let context = context.clone();
            async move {
                let body = pin!(body);
                let mut body = Tracked::new(body);
                let post = PostHeaders::of(&headers);
                let begun = Instant::now();
                let kept = context.clone();
                let found = routes::find(side, &method, path.as_str());
                let endpoint = found.as_ref().ok().map(|found| found.endpoint);
                let served = async {
                    let found = found.map_err(|no_route| refused(no_route, path.as_str()))?;
                    let request = (headers, query);
                    dispatch(context, side, &method, found, request, begun, &mut body).await
                };
                let mut answer = answer(served.await);
                let took = begun.elapsed();
                kept.figures.requests.answered(endpoint, &method, answer.status(), took);
                headers::protect(answer.headers_mut());
                settle(answer, post, &mut body).await
            }
        })
        .boxed()
}

/// Has a request answered by the handler that the table says.
async fn dispatch(
    context: Arc<Context>,
    side: Side,
    method: &Method,
    Found { endpoint, segment, has_slash, .. }: Found<'_>,
    (headers, query): (HeaderMap, String),
    begun: Instant,
    body: impl Stream<Item = Result<impl Buf, warp::Error>> + Unpin,
) -> Result<Response, Problem> {
    let coding = compression::preferred(&headers);
    let kept = context.clone();
    let mut position = None;
    if endpoint.reads_the_fleet() {
        context.fleet.up_to_date(begun + context.config.request_timeout).await?;
        if let Some(node) = context.fleet.node() {
            position = Some(node.log_position());
        }
    }
    let response = match endpoint {
        Endpoint::PostMessages => {
            messages::post(&context, PostHeaders::of(&headers), begun, body).await
        }
        Endpoint::ListRockets => rockets::list(context, headers, query).await,
        Endpoint::GetRocket => rockets::get(context, segment, headers, &query).await,
        Endpoint::DeleteRocket => rockets::delete(context, segment, &query).await,
        Endpoint::GetHistory => history::get(context, segment, headers, &query).await,
        Endpoint::ListMissions => missions::list(context, headers, &query).await,
        Endpoint::GetMission => missions::get(context, segment, headers, query).await,
        Endpoint::ListGaps => gaps::list(context, headers, &query).await,
        Endpoint::SkipGap => gaps::skip(context, segment, &query).await,
        // It has bounds of its own, and goes on for as long as it likes.
        Endpoint::GetEvents => return events::get(&context, method, &headers, &query),
        Endpoint::GetCheckpoint => checkpoint::get(&context, &query).await,
        Endpoint::GetReadiness => readiness::get(&context, &query),
        Endpoint::GetLiveness => readiness::get_liveness(&context),
        Endpoint::GetMetrics => {
            let deadline = begun + context.config.request_timeout;
            metrics::get(context.metrics.clone(), headers, &query, deadline).await
        }
        Endpoint::GetIndex => ui::root(side, &headers, &query),
        Endpoint::GetPageFile => ui::file(segment, &headers, &query),
        Endpoint::GetOpenApi => openapi::get(context.epoch, side, headers, &query).await,
        Endpoint::GetDocs => docs::get(context.epoch, has_slash, headers, &query).await,
        Endpoint::GetDocsFile => docs::get_file(context.epoch, segment, headers, &query).await,
    }?;
    // What is compressed as it is read is there in plain until then.
    let mut response = unsent::bounded(&kept, response).await?;
    if let Some(position) = position {
        response.headers_mut().insert("x-log-position", position.into());
    }
    Ok(match endpoint {
        Endpoint::ListRockets
        | Endpoint::GetHistory
        | Endpoint::ListMissions
        | Endpoint::GetMission
        | Endpoint::ListGaps
        | Endpoint::GetMetrics
        | Endpoint::GetOpenApi => compression::answer(coding, &kept.answers_held, response),
        Endpoint::PostMessages
        | Endpoint::GetRocket
        | Endpoint::DeleteRocket
        | Endpoint::SkipGap
        | Endpoint::GetEvents
        | Endpoint::GetCheckpoint
        | Endpoint::GetReadiness
        | Endpoint::GetLiveness
        | Endpoint::GetDocs
        | Endpoint::GetDocsFile
        | Endpoint::GetIndex
        | Endpoint::GetPageFile => response,
    })
}

/// Why a request leads nowhere.
fn refused(no_route: NoRoute, path: &str) -> Problem {
    match no_route {
        NoRoute::UnknownPath => Problem::not_found(format!("there is nothing at {}", Quoted(path))),
        NoRoute::WrongMethod(allowed) => Problem::method_not_allowed(&allowed),
    }
}
