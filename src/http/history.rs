//! `GET /rockets/{id}/history`: what the last messages of a rocket changed. Does not
//! own which are kept (`fleet`).

use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use warp::http::HeaderMap;
use warp::reply::Response;

use super::context::Context;
use super::listing;
use super::problem::Problem;
use super::respond::{decode_segment, json};
use super::rockets;
use crate::fleet::query::{History, Span};
use crate::fleet::view::Lookup;
use crate::telemetry::past::{Change, Entry};
use crate::telemetry::shown::{Plain, Quoted};
use crate::telemetry::{Channel, Timestamp};

/// As it is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = History)]
pub struct Answer<'a> {
    /// The channel that its messages came on.
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    id: &'a Channel,
    /// The oldest first.
    entries: Vec<Shown<'a>>,
}

/// An entry as a reader sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryEntry)]
struct Shown<'a> {
    /// The message's number.
    message_number: u64,
    /// The message's time.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// `launched`, `speed`, `mission`, `exploded`, or `none` if it changed nothing.
    change: &'static str,
    /// What it was before.
    #[schema(schema_with = value)]
    from: Value<'a>,
    /// What it was then.
    #[schema(schema_with = value)]
    to: Value<'a>,
    /// The speed after it.
    #[schema(required)]
    speed: Option<i64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Nothing,
    Number(i64),
    Text(&'a str),
}

fn value() -> Schema {
    let types = SchemaType::from_iter([Type::Null, Type::Integer, Type::String]);
    ObjectBuilder::new().schema_type(types).into()
}

impl<'a> Shown<'a> {
    fn of(entry: &'a Entry) -> Self {
        let Entry { number, time, change, speed } = entry;
        let (change, from, to) = match change {
            Change::Nothing => ("none", Value::Nothing, Value::Nothing),
            Change::Launched => ("launched", Value::Nothing, Value::Text("Launched")),
            Change::Speed { from, to } => ("speed", Value::Number(*from), Value::Number(*to)),
            Change::Mission { from, to } => ("mission", Value::Text(from), Value::Text(to)),
            Change::Exploded(reason) => ("exploded", Value::Nothing, Value::Text(reason)),
        };
        Self { message_number: *number, time: *time, change, from, to, speed: *speed }
    }
}

/// The recent past of one launched rocket.
///
/// # Errors
/// 400 for a bad parameter, 404 when the rocket is unknown or not launched yet, or
/// when nothing is kept, 503 when the fleet does not answer in time.
pub async fn get(
    context: Arc<Context>,
    segment: &str,
    headers: HeaderMap,
    parameters: &str,
) -> Result<Response, Problem> {
    let span = parse(parameters)?;
    let id = decode_segment(segment)?;
    let channel = Channel::parse(&id).map_err(|_| rockets::unknown(&id))?;
    let deadline = Instant::now() + context.config.request_timeout;
    let History { rocket, kept, entries } = context.fleet.history(channel, span, deadline).await?;
    let Lookup::Found(rocket) = rocket else { return Err(rockets::missing(&id, &rocket)) };
    if kept.is_none() {
        let detail = "no history is kept: --history-per-rocket is 0";
        return Err(Problem::not_found(detail));
    }
    // Entries may go that no message of this rocket takes away.
    let tag = context.epoch.of_history(&rocket, entries.first().map_or(0, |entry| entry.number));
    let answer = async {
        let entries = entries.iter().map(Shown::of).collect();
        Ok(json(&Answer { id: &rocket.id, entries }))
    };
    tag.answer(&headers, answer).await
}

fn parse(query: &str) -> Result<Span, Problem> {
    let parameters: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut span = Span::default();
    for (at, (name, value)) in parameters.iter().enumerate() {
        if parameters[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(Problem::bad_parameter(format!("{}: is given twice", Plain(name))));
        }
        match name.as_str() {
            "start" => span.start = Some(time(name, value)?),
            "end" => span.end = Some(time(name, value)?),
            "limit" => span.limit = Some(listing::limit(value)?),
            _ => {
                let name = Plain(name);
                let detail = format!("{name}: unknown parameter; allowed are start, end and limit");
                return Err(Problem::bad_parameter(detail));
            }
        }
    }
    Ok(span)
}

/// A space is the plus of an offset that was not percent-encoded; no time has one.
fn time(name: &str, value: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(&value.replace(' ', "+")).ok_or_else(|| {
        Problem::bad_parameter(format!(
            "{name}: expected a time such as 2022-02-02T19:39:05Z; found {}",
            Quoted(value)
        ))
    })
}
