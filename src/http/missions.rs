//! `GET /missions` and `GET /missions/{mission}`.

use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;
use warp::http::HeaderMap;
use warp::reply::Response;

use super::context::Context;
use super::listing::{self, Envelope, Listing};
use super::problem::Problem;
use super::respond::{decode_segment, json, no_parameters};
use crate::telemetry::Caseless;

#[derive(Serialize)]
struct Missions {
    missions: Vec<Arc<str>>,
}

/// Every mission that a launched rocket is on.
///
/// # Errors
/// 400 for any parameter, 503 when the fleet does not answer in time.
pub async fn list(
    context: Arc<Context>,
    headers: HeaderMap,
    parameters: &str,
) -> Result<Response, Problem> {
    no_parameters(parameters)?;
    let tag = context.epoch.of_fleet(context.fleet.version()?);
    let missions = async {
        let deadline = Instant::now() + context.config.request_timeout;
        let missions = context.fleet.missions(deadline).await?;
        Ok(json(&Missions { missions }))
    };
    tag.answer(&headers, missions).await
}

/// The rockets on one mission, matched whatever its case. The answer shows the
/// mission as the rockets spell it; of several spellings the first in order.
///
/// # Errors
/// 400 for a bad parameter, 404 when no rocket is on it, 503 when the fleet does
/// not answer in time.
pub async fn get(
    context: Arc<Context>,
    segment: &str,
    headers: HeaderMap,
    parameters: String,
) -> Result<Response, Problem> {
    let wanted = decode_segment(segment)?;
    let mut listing = Listing::parse(&parameters)?;
    let tag = context.epoch.of_fleet(context.fleet.version()?);
    let deadline = Instant::now() + context.config.request_timeout;
    let missions = context.fleet.missions(deadline).await?;
    let nobody = || Problem::not_found(format!("no rocket is on the mission {wanted:?}"));
    let caseless = Caseless::new(&wanted);
    let mission =
        missions.into_iter().find(|mission| caseless.matches(mission)).ok_or_else(nobody)?;
    let unfiltered = listing.selection.filter.is_empty();
    listing.selection.filter.missions.push(caseless);
    let rockets = async {
        let first = listing::first_page(&context, &listing).await?;
        // The last one may have left since the missions were asked for.
        if unfiltered && first.total() == 0 {
            return Err(nobody());
        }
        listing::respond(context, listing, first, Envelope::mission(&mission)).await
    };
    tag.answer(&headers, rockets).await
}
