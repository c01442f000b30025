//! `GET /gaps`: the rockets that wait for a missing message, a page at a time; and
//! `POST /gaps/{id}/skip`, which has one of them wait no longer. Does not own their order, nor what matches (`fleet/query/gaps.rs`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;
use warp::http::header::LINK;
use warp::http::{HeaderMap, HeaderValue};
use warp::reply::Response;

use super::context::Context;
use super::listing::{self, MAX_LIMIT, TOTAL_COUNT};
use super::problem::Problem;
use super::respond::{decode_segment, json};
use crate::fleet::outcome::{SkipError, SkipRefusal, Skipped};
use crate::fleet::query::{Filter, GapPlace, GapSelection};
use crate::fleet::view::Status;
use crate::telemetry::message::MAX_INTEGER;
use crate::telemetry::shown::{Plain, Quoted};
use crate::telemetry::{Caseless, Channel, Timestamp};

const PARAMETERS: &str =
    "id, id_prefix, mission, status, rocket_type, launch_missing, limit and cursor";

/// Where the next page begins, in what can be written.
#[derive(Serialize, Deserialize)]
struct Cursor {
    waiting_since: (i64, u32),
    id: String,
}

/// A page of the rockets that wait, those that wait longest first.
///
/// # Errors
/// 400 for a bad parameter, 503 when the fleet does not answer in time.
pub async fn list(
    context: Arc<Context>,
    headers: HeaderMap,
    query: &str,
) -> Result<Response, Problem> {
    let parameters: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let selection = parse(&parameters)?;
    let tag = context.epoch.of_fleet(context.fleet.version()?);
    let gaps = async {
        let deadline = Instant::now() + context.config.request_timeout;
        let page = context.fleet.gaps(selection, deadline).await?;
        let mut response = json(&page.gaps);
        let answered = response.headers_mut();
        answered.insert(TOTAL_COUNT, HeaderValue::from(page.total));
        if let Some(last) = page.gaps.last().filter(|_| page.more) {
            answered.insert(LINK, next_link(parameters, &GapPlace::of(last)));
        }
        Ok(response)
    };
    tag.answer(&headers, gaps).await
}

fn parse(parameters: &[(String, String)]) -> Result<GapSelection, Problem> {
    let mut selection = GapSelection {
        filter: Filter::default(),
        launch_missing: None,
        after: None,
        limit: MAX_LIMIT,
    };
    let filter = &mut selection.filter;
    for (at, (name, value)) in parameters.iter().enumerate() {
        if parameters[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(Problem::bad_parameter(format!("{}: is given twice", Plain(name))));
        }
        match name.as_str() {
            "id" => filter.id = Some(listing::id(name, value)?),
            "id_prefix" => filter.id_prefix = Some(listing::id(name, value)?),
            "mission" => filter.missions.push(Caseless::new(value)),
            "rocket_type" => filter.rocket_type = Some(Caseless::new(value)),
            "status" => filter.status = Some(listing::one_of(name, value, &Status::NAMES)?),
            "launch_missing" => {
                selection.launch_missing = Some(listing::one_of(name, value, &listing::BOOLEANS)?);
            }
            "limit" => selection.limit = listing::limit(value)?,
            "cursor" => {
                selection.after = Some(decode(value).ok_or_else(|| {
                    Problem::bad_parameter("cursor: expected one that a listing of gaps gave")
                })?);
            }
            _ => {
                let detail =
                    format!("{}: unknown parameter; allowed are {PARAMETERS}", Plain(name));
                return Err(Problem::bad_parameter(detail));
            }
        }
    }
    Ok(selection)
}

/// What came of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Skipped)]
pub(super) struct Answer {
    #[schema(pattern = "^success$")]
    status: &'static str,
    /// The first and the last of the numbers that were declared lost.
    lost_from: u64,
    lost_to: u64,
}

/// Declares lost what a rocket waits for.
///
/// # Errors
/// 400 for a bad parameter, 404 when the rocket is unknown, 409 when it waits for
/// nothing or for another message than the one that `awaited` names, 503 when it
/// could not be kept.
pub async fn skip(context: Arc<Context>, segment: &str, query: &str) -> Result<Response, Problem> {
    let awaited = awaited(query)?;
    let id = decode_segment(segment)?;
    let unknown = || Problem::not_found(format!("no rocket with the ID {} is known", Quoted(&id)));
    let channel = Channel::parse(&id).map_err(|_| unknown())?;
    let deadline = Instant::now() + context.config.request_timeout;
    match context.fleet.skip(channel, awaited, deadline).await {
        Ok(Skipped { first, last }) => {
            Ok(json(&Answer { status: "success", lost_from: first, lost_to: last }))
        }
        Err(SkipError::Refused(SkipRefusal::Unknown)) => Err(unknown()),
        Err(error) => Err(error.into()),
    }
}

fn awaited(query: &str) -> Result<Option<u64>, Problem> {
    let mut awaited = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "awaited" {
            let detail = format!("{}: unknown parameter; allowed is awaited", Plain(&name));
            return Err(Problem::bad_parameter(detail));
        }
        let number = value.parse().ok().filter(|number| (1..=MAX_INTEGER).contains(number));
        let number = number.ok_or_else(|| {
            Problem::bad_parameter(format!(
                "awaited: expected a number from 1 to {MAX_INTEGER}, found {}",
                Quoted(&value)
            ))
        })?;
        if awaited.replace(number).is_some() {
            return Err(Problem::bad_parameter("awaited: is given twice"));
        }
    }
    Ok(awaited)
}

/// The value of the `Link` header that leads to what comes after `last`.
fn next_link(mut parameters: Vec<(String, String)>, last: &GapPlace) -> HeaderValue {
    parameters.retain(|(name, _)| name != "cursor");
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&parameters)
        .append_pair("cursor", &encode(last))
        .finish();
    HeaderValue::from_str(&format!("<?{query}>; rel=\"next\""))
        .expect("all that may not be in a header is percent-encoded")
}

fn encode(place: &GapPlace) -> String {
    let cursor = Cursor { waiting_since: place.since.to_unix(), id: place.id.to_string() };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).expect("texts and numbers always serialise"))
}

fn decode(text: &str) -> Option<GapPlace> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let Cursor { waiting_since: (seconds, nanoseconds), id } =
        serde_json::from_slice(&bytes).ok()?;
    let since = Timestamp::from_unix(seconds, nanoseconds)?;
    Some(GapPlace { since, id: Channel::parse(&id).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_place_it_was_made_of() {
        let id = Channel::parse("a b").unwrap();
        let place = GapPlace { since: Timestamp::from_unix(5, 7).unwrap(), id };
        assert_eq!(decode(&encode(&place)), Some(place));
        for text in ["", "x", "%%%", "e30"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
