//! `GET /readyz`: whether the service can do all of its work, and if not, why.

use serde::Serialize;
use warp::reply::Response;

use super::context::Context;
use super::problem::Problem;
use super::respond::json;

#[derive(Serialize)]
struct Ready {
    status: &'static str,
}

/// Whether everything works.
///
/// # Errors
/// 503, saying what does not.
pub fn get(context: &Context) -> Result<Response, Problem> {
    context.fleet.health().ready()?;
    Ok(json(&Ready { status: "ready" }))
}
