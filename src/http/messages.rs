//! `POST /messages`: one message in, its outcome out; and which bodies are more
//! than that. Does not own how a body is read ([`super::body`]) or decoded
//! ([`super::encoding`]), nor many messages at a time ([`super::bulk`]).

use std::fmt::Display;
use std::pin::{Pin, pin};
use std::task::{self, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use serde::de::IgnoredAny;
use tokio::time::Instant;
use warp::http::header::CONTENT_TYPE;
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use super::bulk::Form;
use super::codings::Codings;
use super::context::Context;
use super::deadline::Until;
use super::encoding::{Allowance, decoded};
use super::held::Share;
use super::pace::Ours;
use super::post_headers::{Media, PostHeaders};
use super::problem::Problem;
use super::{body, bulk, peek};
use crate::fleet::outcome::Outcome;
use crate::telemetry::usual;
use crate::telemetry::wire::{self, WireError};

/// Takes one message in, or many; the request was there at `begun`.
///
/// # Errors
/// When the body is no message, or the message was not accepted in time.
pub async fn post<B: Buf, E: Into<Problem> + Display + Unpin>(
    context: &Context,
    headers: PostHeaders,
    begun: Instant,
    mut body: impl Stream<Item = Result<B, E>> + Unpin,
) -> Result<Response, Problem> {
    let mut start = None;
    if headers.may_be_one() && headers.announced_length <= context.config.max_body as u64 {
        start = match body::at_once(&mut body).await {
            Poll::Ready(Some(Ok(mut piece))) => Some(Ok(piece.copy_to_bytes(piece.remaining()))),
            Poll::Ready(Some(Err(error))) => Some(Err(error)),
            Poll::Ready(None) | Poll::Pending => None,
        };
        // As most are: there already, in one piece, and of the usual shape.
        if let Some(Ok(bytes)) = &start
            && bytes.len() as u64 == headers.announced_length
            && let Some(message) = usual::read(bytes)
        {
            // It is part of the buffer of the connection, which would be kept for it.
            drop(start);
            // There is nothing behind it; this is how that is known.
            let _ = body::at_once(&mut body).await;
            let deadline = Until::new(begun + context.config.request_timeout);
            return Ok(success(headers, context.fleet.submit(message, deadline).await?));
        }
    }
    // Boxed, so that what others need is not made room for in these.
    let body = Begun { start, rest: body };
    Box::pin(post_in_general(context, headers, begun, body)).await
}

/// As [`post`], whatever it is.
async fn post_in_general(
    context: &Context,
    headers: PostHeaders,
    begun: Instant,
    body: impl Stream<Item = Result<impl Buf, impl Into<Problem> + Display + Unpin>> + Unpin,
) -> Result<Response, Problem> {
    if headers.foreign_charset || headers.codings != Codings::Identity {
        return post_encoded(context, headers, begun, body).await;
    }
    take_in(context, headers, begun, body, None).await
}

/// A body whose first piece was taken, and is still to be read.
struct Begun<S, E> {
    start: Option<Result<Bytes, E>>,
    rest: S,
}

impl<B: Buf, E: Unpin, S: Stream<Item = Result<B, E>> + Unpin> Stream for Begun<S, E> {
    type Item = Result<Bytes, E>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut task::Context,
    ) -> Poll<Option<Self::Item>> {
        if let Some(start) = self.start.take() {
            return Poll::Ready(Some(start));
        }
        let piece = ready!(self.rest.poll_next_unpin(context));
        Poll::Ready(
            piece.map(|piece| piece.map(|mut piece| piece.copy_to_bytes(piece.remaining()))),
        )
    }
}

/// Takes in what is in a body that is not as it should be read.
async fn post_encoded(
    context: &Context,
    headers: PostHeaders,
    begun: Instant,
    body: impl Stream<Item = Result<impl Buf, impl Into<Problem> + Display>> + Unpin,
) -> Result<Response, Problem> {
    let problem = match &headers.codings {
        _ if headers.foreign_charset => Problem::foreign_charset(),
        Codings::Known(codings) => {
            let limit = match headers.media {
                Media::One => context.config.max_body,
                Media::Json | Media::Lines => context.config.max_bulk_body,
            };
            let allowance = Allowance::new(limit);
            let share = Share::of(context.bodies_held.clone());
            let encoded = Encoded { allowance: allowance.clone(), ours: Ours::default() };
            let ours = encoded.ours.clone();
            let body = Box::pin(decoded(body, codings, allowance, share, ours));
            // What was announced is not the length of what is in it.
            let headers = PostHeaders { announced_length: 0, ..headers };
            return take_in(context, headers, begun, body, Some(&encoded)).await;
        }
        Codings::Identity | Codings::Unknown => Problem::unknown_coding(),
    };
    Err(problem)
}

/// What whoever reads a body that comes compressed shares with its decoder.
struct Encoded {
    allowance: Allowance,
    ours: Ours,
}

/// Takes in what a body holds, by its media type.
async fn take_in<B: Buf, E: Into<Problem> + Unpin>(
    context: &Context,
    headers: PostHeaders,
    start: Instant,
    body: impl Stream<Item = Result<B, E>>,
    encoded: Option<&Encoded>,
) -> Result<Response, Problem> {
    let max_body = context.config.max_body;
    let ours = encoded.map(|encoded| encoded.ours.clone());
    match headers.media {
        Media::Lines => {
            let pace = context.pace().but(ours);
            Box::pin(bulk::post(context, headers, Form::Lines, pace, body)).await
        }
        Media::Json
            if headers.announced_length <= max_body.max(context.config.max_bulk_body) as u64 =>
        {
            let mut body = pin!(body);
            let mut pace = context.pace().but(ours.clone());
            let body = peek::peek(body.as_mut(), &mut pace).await?;
            if body.is_array {
                let pace = context.pace().but(ours);
                return Box::pin(bulk::post(context, headers, Form::array(), pace, body)).await;
            }
            if let Some(encoded) = encoded {
                encoded.allowance.lower(max_body);
            }
            one(context, headers, body, start, ours).await
        }
        Media::Json | Media::One => one(context, headers, body, start, ours).await,
    }
}

/// Takes in the one message that a body is.
async fn one(
    context: &Context,
    headers: PostHeaders,
    body: impl Stream<Item = Result<impl Buf, impl Into<Problem>>>,
    start: Instant,
    ours: Option<Ours>,
) -> Result<Response, Problem> {
    let limit = context.config.max_body;
    let read = body::read(context, headers.announced_length, body, limit, start, ours);
    let (bytes, arrived) = read.await?;
    let deadline = arrived + context.config.request_timeout;
    let message = wire::parse(&bytes).map_err(|error| {
        context.fleet.tell_invalid();
        complaint(error, &bytes)
    })?;
    drop(bytes);
    let outcome = context.fleet.submit(message, Until::new(deadline)).await?;
    Ok(success(headers, outcome))
}

/// What is wrong with a body that is no message; if it seems to be many, with
/// the way to send those.
#[cold]
fn complaint(error: WireError, body: &[u8]) -> Problem {
    let hint = match error {
        WireError::NotJson(_) if has_two_objects(body) => {
            Some("many messages, one a line, need Content-Type: application/x-ndjson")
        }
        WireError::Invalid(_) if peek::first(body) == Some(b'[') => {
            Some("an array of messages needs Content-Type: application/json")
        }
        _ => None,
    };
    let problem = Problem::from(error);
    match hint {
        Some(hint) => problem.hinting(hint),
        None => problem,
    }
}

/// Whether there is another object behind the first.
fn has_two_objects(body: &[u8]) -> bool {
    let Some(start) = body.iter().position(|&byte| byte == b'{') else { return false };
    let mut values = serde_json::Deserializer::from_slice(&body[start..]).into_iter::<IgnoredAny>();
    let first = values.next();
    let rest = &body[start + values.byte_offset()..];
    matches!(first, Some(Ok(_))) && peek::first(rest) == Some(b'{')
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
