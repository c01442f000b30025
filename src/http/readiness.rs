//! `GET /readyz`: whether the service can do all of its work, and if not, why.
//! `GET /livez`: whether its process moves, which a restart would help if not.

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

#[derive(Serialize)]
struct Alive {
    status: &'static str,
}

/// Whether everything moves. What cannot be kept, or not yet, is no matter: a
/// restart would not help, and costs the reads that go on.
///
/// # Errors
/// 503, saying what does not.
pub fn get_liveness(context: &Context) -> Result<Response, Problem> {
    context.fleet.health().alive()?;
    Ok(json(&Alive { status: "alive" }))
}
