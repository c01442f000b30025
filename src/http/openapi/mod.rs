//! `GET /openapi.json`: what the service says of itself, as `OpenAPI` 3.1.
//!
//! Owns the document: the handlers' own types, a file for each noun with what its
//! routes take and give, and what follows from the table of routes. Does not own how
//! people look at it (`http::docs`).
//!
//! * `messages`, `rockets`, `missions`, `gaps`, `events`, `service`: the nouns.
//! * `problems`: which errors each route answers with, and what they look like.
//! * `table`: what the table of routes says of each: tokens, errors, HEAD.

mod events;
mod gaps;
mod messages;
mod missions;
mod problems;
mod rockets;
mod service;
mod table;

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::Value;
use tokio::task::spawn_blocking;
use utoipa::OpenApi;
use warp::http::HeaderMap;
use warp::http::HeaderValue;
use warp::http::header::CONTENT_TYPE;
use warp::reply::Response;

use super::etag::Epoch;
use super::problem::Problem;
use super::respond::no_parameters;
use super::routes::Side;
use crate::fleet::outcome::QueryError;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Downlink",
        description = "Takes the messages of rockets in whatever order they come, applies each \
                       once in the order of their numbers, and serves the fleet. The contract \
                       in full is docs/API.md."
    ),
    // Relative to this document, so that it holds behind a proxy with a prefix too.
    servers((url = ".", description = "where this document is")),
    tags(
        (name = "messages", description = "What rockets send"),
        (name = "fleet", description = "What is known of rockets"),
        (name = "gaps", description = "What rockets wait for"),
        (name = "service", description = "What the service says of itself"),
    ),
    paths(
        messages::post,
        rockets::list,
        rockets::get,
        rockets::delete,
        rockets::history,
        missions::list,
        missions::get,
        gaps::list,
        gaps::skip,
        events::get,
        service::checkpoint,
        service::readiness,
        service::liveness,
        service::liveness_alias,
        service::metrics,
        service::openapi,
        service::docs,
        service::docs_file,
        service::index,
        service::page_file,
    ),
    components(schemas(messages::Message), responses(table::NotModified)),
)]
struct Described;

/// The document, of what can be found on this side.
#[must_use]
pub fn document(side: Side) -> Value {
    let described = serde_json::to_value(Described::openapi());
    let mut document = described.expect("texts, numbers and lists always serialise");
    messages::add_schema(&mut document);
    problems::add_components(&mut document);
    table::complete(&mut document, side);
    document
}

/// The document as it is sent, made once.
fn bytes(side: Side) -> Bytes {
    static MADE: [OnceLock<Bytes>; 3] = [const { OnceLock::new() }; 3];
    let make = || Bytes::from(format!("{}\n", document(side)));
    MADE[side as usize].get_or_init(make).clone()
}

/// What this side has, for programs.
///
/// # Errors
/// 400 for any parameter; 503 when the service is just stopping.
pub async fn get(
    epoch: Epoch,
    side: Side,
    headers: HeaderMap,
    parameters: &str,
) -> Result<Response, Problem> {
    no_parameters(parameters)?;
    let document = async {
        // To make it takes longer than a runtime's thread has.
        let bytes = spawn_blocking(move || bytes(side)).await.map_err(|_| QueryError::Stopping)?;
        let mut response = Response::new(bytes.into());
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Ok(response)
    };
    epoch.of_build().answer(&headers, document).await
}
