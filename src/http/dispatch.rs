//! From a request to its handler. The hot route comes first; all others go
//! through the table (`routes`). Every request finds an answer here, so no
//! rejection of warp's reaches a client; and every answer goes by the one place
//! that looks after a body which was not read (`unread`).

use std::pin::pin;
use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use tokio::time::Instant;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, Method};
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::access::headers;
use super::compression;
use super::context::Context;
use super::post_headers::PostHeaders;
use super::problem::Problem;
use super::respond::answer;
use super::routes::{self, Endpoint, Found, NoRoute, Side};
use super::unread::{Tracked, settle};
use super::{
    checkpoint, docs, events, gaps, history, messages, metrics, missions, openapi, readiness,
    rockets, ui, unsent,
};
use crate::telemetry::shown::Quoted;

/// What a side that is not the operators' has, as warp serves it.
#[must_use]
pub fn filter(
    context: Arc<Context>,
    side: Side,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let headers = warp::header::headers_cloned();
    let hot = context.clone();
    // A short cut, which makes room for nothing that other handlers need.
    let post_message = warp::path("messages")
        .and(warp::path::end())
        .and(warp::post())
        .and(headers.map(|headers: HeaderMap| PostHeaders::of(&headers)))
        .and(warp::body::stream())
        .then(move |headers, body| {
            let context = hot.clone();
            async move {
                let begun = Instant::now();
                let body = pin!(body);
                let mut body = Tracked::new(body);
                let answer = answer(messages::post(&context, headers, begun, &mut body).await);
                let (status, took) = (answer.status(), begun.elapsed());
                let requests = &context.figures.requests;
                requests.answered(Some(Endpoint::PostMessages), &Method::POST, status, took);
                settle(answer, headers, &mut body).await
            }
        });
    post_message.or(by_table(context, side)).unify()
}

/// What the operators' side has.
#[must_use]
pub fn admin(
    context: Arc<Context>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    by_table(context, Side::Admin)
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
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
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
