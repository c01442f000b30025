//! `POST /messages`: one message in, its outcome out. Does not own how a body is
//! read ([`super::body`]), nor many messages at a time ([`super::bulk`]).

use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use tokio::time::Instant;
use warp::http::header::CONTENT_TYPE;
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use super::context::Context;
use super::post_headers::PostHeaders;
use super::problem::Problem;
use super::{body, bulk};
use crate::fleet::outcome::Outcome;
use crate::telemetry::wire;

/// Takes one message in, or many.
///
/// # Errors
/// When the body is no message, or the message was not accepted in time.
pub async fn post(
    context: Arc<Context>,
    headers: PostHeaders,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Result<Response, Problem> {
    if headers.is_ndjson {
        // Apart, so that what it needs is not made room for in every request.
        return Box::pin(bulk::post(context, headers, body)).await;
    }
    let deadline = Instant::now() + context.config.request_timeout;
    let bytes = body::read(headers, body, context.config.max_body, deadline).await?;
    let message = wire::parse(&bytes)?;
    drop(bytes);
    let outcome = context.fleet.submit(message, deadline).await?;
    Ok(success(headers, outcome))
}

/// The answer to an accepted message.
fn success(headers: PostHeaders, outcome: Outcome) -> Response {
    if !headers.accepts_json {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        return response;
    }
    let json = match outcome {
        Outcome::Applied => "{\"status\":\"success\",\"outcome\":\"applied\"}\n",
        Outcome::Buffered => "{\"status\":\"success\",\"outcome\":\"buffered\"}\n",
        Outcome::Duplicate => "{\"status\":\"success\",\"outcome\":\"duplicate\"}\n",
    };
    let mut response = Response::new(json.into());
    let json_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json_type);
    response
}
