//! `GET /missions` and `GET /missions/{mission}`. The missions are fetched and
//! written a piece at a time, at the reader's pace; does not own how the rockets
//! on one of them are (`listing`).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use sync_wrapper::SyncStream;
use tokio::time::Instant;
use warp::http::header::CONTENT_TYPE;
use warp::http::{HeaderMap, HeaderValue};
use warp::reply::{Reply, Response};

use super::context::Context;
use super::listing::{self, Envelope, Listing};
use super::pieces::{self, PIECE};
use super::problem::Problem;
use super::respond::decode_segment;
use super::{mission_figures, page};
use crate::fleet::outcome::QueryError;
use crate::fleet::query::Missions;
use crate::telemetry::Caseless;
use crate::telemetry::shown::{Plain, Quoted};

/// Missions fetched at a time.
const FETCHED: usize = 256;

const PREFIX: &str = r#"{"missions":["#;
const SUFFIX: &str = "]}\n";

/// Every mission that a launched rocket is on; with `detail`, what is known of their
/// rockets.
///
/// # Errors
/// 400 for a bad parameter, 503 when the fleet does not answer in time.
pub async fn list(
    context: Arc<Context>,
    headers: HeaderMap,
    parameters: &str,
) -> Result<Response, Problem> {
    let detail = wants_detail(parameters)?;
    let tag = context.epoch.of_fleet(context.fleet.version()?);
    if detail {
        return tag.answer(&headers, mission_figures::get(&context)).await;
    }
    let missions = async {
        let first = fetch(&context, None).await?;
        let mut response = if first.more {
            let pieces = streamed(context.clone(), first);
            warp::reply::stream(SyncStream::new(pieces)).into_response()
        } else {
            let mut json = PREFIX.to_owned();
            pieces::write(&mut json, &mut first.names.iter(), true, usize::MAX);
            json.push_str(SUFFIX);
            Response::new(json.into())
        };
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Ok(response)
    };
    tag.answer(&headers, missions).await
}

/// The only parameter that there is.
fn wants_detail(query: &str) -> Result<bool, Problem> {
    let mut detail = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "detail" {
            let name = Plain(&name);
            let detail = format!("{name}: unknown parameter; the only one allowed is detail");
            return Err(Problem::bad_parameter(detail));
        }
        if detail.is_some() {
            return Err(Problem::bad_parameter("detail: is given twice"));
        }
        detail = Some(listing::one_of(&name, &value, &[("true", true), ("false", false)])?);
    }
    Ok(detail.unwrap_or(false))
}

/// The first missions that sort behind `after`.
async fn fetch(context: &Context, after: Option<Arc<str>>) -> Result<Missions, QueryError> {
    let deadline = Instant::now() + context.config.request_timeout;
    context.fleet.missions(after, FETCHED, deadline).await
}

/// The whole answer, of which the first missions are there already.
fn streamed(
    context: Arc<Context>,
    first: Missions,
) -> impl Stream<Item = Result<Bytes, QueryError>> + Send {
    let last = |missions: &Missions| missions.names.last().filter(|_| missions.more).cloned();
    let start = Some((context, last(&first), first.names.into_iter(), PREFIX.to_owned()));
    stream::try_unfold(start, move |state| async move {
        let Some((context, mut after, mut names, mut json)) = state else { return Ok(None) };
        let is_first = !json.is_empty();
        pieces::write(&mut json, &mut names, is_first, PIECE);
        if names.len() == 0 {
            if after.is_none() {
                json.push_str(SUFFIX);
                return Ok(Some((Bytes::from(json), None)));
            }
            let missions = fetch(&context, after).await?;
            after = last(&missions);
            names = missions.names.into_iter();
        }
        Ok(Some((Bytes::from(json), Some((context, after, names, String::new())))))
    })
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
    let version = context.fleet.version()?;
    let tag = context.epoch.of_fleet(version);
    let deadline = Instant::now() + context.config.request_timeout;
    let nobody = || Problem::not_found(format!("no rocket is on the mission {}", Quoted(&wanted)));
    let caseless = Caseless::new(&wanted);
    let mission = context.fleet.mission(&caseless, deadline).await?.ok_or_else(nobody)?;
    let unfiltered = listing.selection.filter.is_empty();
    listing.selection.filter.missions.push(caseless);
    if listing.is_page() && !tag.is_known(&headers) {
        let envelope = Envelope::mission(&mission);
        let page = page::find(&context, &headers, &listing, envelope, version).await?;
        if unfiltered && page.total() == 0 {
            return Err(nobody());
        }
        return page.respond(&context, &headers, &listing).await;
    }
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
