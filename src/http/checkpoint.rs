//! `GET /cluster/checkpoint`: what a node has stored, for a node that takes it over.
//! Owns the form of the answer; does not own how the copy is made.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sync_wrapper::SyncStream;
use warp::http::HeaderValue;
use warp::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use warp::reply::{Reply, Response};

use super::context::Context;
use super::problem::Problem;
use super::respond::no_parameters;

/// The copy, as it was at one moment.
///
/// # Errors
/// 400 for any parameter; 404 where this is no node of a cluster; 503 while it starts,
/// while another copy is made or sent, and when this one cannot be made.
pub async fn get(context: &Context, query: &str) -> Result<Response, Problem> {
    no_parameters(query)?;
    let Some(node) = context.fleet.node() else {
        return Err(Problem::not_found("this is no node of a cluster, and has no checkpoint"));
    };
    context.fleet.health().can_read()?;
    let copy = node.copies.make().await?;
    let mut response = warp::reply::stream(SyncStream::new(copy.pieces)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/vnd.sqlite3"));
    headers.insert(CONTENT_LENGTH, copy.length.into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    let digest = format!("sha-256=:{}:", STANDARD.encode(copy.digest));
    let digest = HeaderValue::from_str(&digest).expect("base64 is ASCII");
    headers.insert("repr-digest", digest);
    headers.insert("x-log-position", copy.offset.into());
    Ok(response)
}
