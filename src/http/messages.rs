//! `POST /messages`: one message in, its outcome out. Many of them at a time,
//! one a line, are for [`super::bulk`].

use bytes::Buf;
use futures_util::Stream;
use tokio::time::Instant;
use warp::http::header::{ACCEPT, CONTENT_TYPE};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use super::problem::Problem;
use super::routes::Context;
use super::{body, bulk};
use crate::fleet::inbox::Outcome;
use crate::telemetry::wire;

/// The media type of many messages, one a line.
const NDJSON: &str = "application/x-ndjson";

/// Takes one message in, or many.
pub async fn post(
    context: Context,
    headers: HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Result<Response, Problem> {
    if is_ndjson(&headers) {
        // Apart, so that what it needs is not made room for in every request.
        return Box::pin(bulk::post(context, headers, body)).await;
    }
    let deadline = Instant::now() + context.config.request_timeout;
    let bytes = body::read(&headers, body, context.config.max_body, deadline).await?;
    let message = wire::parse(&bytes)?;
    drop(bytes);
    let outcome = context.fleet.submit(message, deadline).await?;
    Ok(success(&headers, outcome))
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let media = media.split(|&byte| byte == b';').next().unwrap_or_default();
    media.trim_ascii().eq_ignore_ascii_case(NDJSON.as_bytes())
}

/// The answer to an accepted message.
///
/// Without an `Accept` header it has no body: the challenge's launcher sends
/// none and does not read bodies, and an unread body keeps its HTTP client from
/// using the connection again.
fn success(headers: &HeaderMap, outcome: Outcome) -> Response {
    if !headers.get_all(ACCEPT).iter().any(admits_json) {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        return response;
    }
    let json = match outcome {
        Outcome::Applied => r#"{"status":"success","outcome":"applied"}"#,
        Outcome::Buffered => r#"{"status":"success","outcome":"buffered"}"#,
        Outcome::Duplicate => r#"{"status":"success","outcome":"duplicate"}"#,
    };
    let mut response = Response::new(json.into());
    let json_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json_type);
    response
}

/// Whether an `Accept` header lets the answer be `application/json`.
fn admits_json(accept: &HeaderValue) -> bool {
    accept.to_str().is_ok_and(|accept| accept.split(',').any(range_admits_json))
}

fn range_admits_json(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let named = ["application/json", "application/*", "*/*"]
        .iter()
        .any(|admitted| media.eq_ignore_ascii_case(admitted));
    let refused = parts.any(|parameter| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0_f32)
        })
    });
    named && !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_admitted_by_name_or_by_range_unless_its_weight_is_zero() {
        for (accept, admitted) in [
            ("*/*", true),
            ("application/json", true),
            ("Application/JSON;charset=utf-8", true),
            ("text/html, application/*;q=0.8", true),
            ("text/html", false),
            ("application/problem+json", false),
            ("application/json;q=0", false),
            ("application/json; q=0.000, text/html", false),
            ("", false),
        ] {
            assert_eq!(admits_json(&HeaderValue::from_static(accept)), admitted, "{accept}");
        }
    }
}
