//! What `/rockets` and `/rockets/{id}` take and give.

#![expect(
    dead_code,
    unused_qualifications,
    reason = "what stands here is read by the macros alone"
)]

use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::table::NotModified;
use crate::fleet::query::Field;
use crate::fleet::view::{RocketView, Status};
use crate::http::history::Answer;
use crate::http::listing::MAX_LIMIT;

/// What a listing of rockets takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Listing {
    /// The field to sort by; rockets that are equal in it are sorted by ID.
    #[param(schema_with = fields)]
    sort: Option<String>,
    /// Which way.
    #[param(schema_with = orders)]
    order: Option<String>,
    /// The rocket with exactly this ID.
    #[param(min_length = 1, max_length = 128)]
    id: Option<String>,
    /// Rockets whose ID begins so.
    #[param(min_length = 1, max_length = 128)]
    id_prefix: Option<String>,
    /// Rockets that wait for a missing message, or those that do not.
    waiting: Option<bool>,
    /// Rockets on this mission, whatever its case.
    mission: Option<String>,
    /// Rockets of this type, whatever its case.
    rocket_type: Option<String>,
    status: Option<Status>,
    /// At most so many rockets, with a link to the next page; without, it is the
    /// whole fleet.
    #[param(schema_with = limit)]
    limit: Option<usize>,
    /// Where the page begins: from the `Link` of the one before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

fn fields() -> Schema {
    let names = Field::NAMES.map(|(name, _)| name);
    let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    names.default(Some("launch_time".into())).into()
}

fn orders() -> Schema {
    let names = ObjectBuilder::new().schema_type(Type::String);
    names.enum_values(Some(["asc", "desc"])).default(Some("asc".into())).into()
}

/// As every page has it.
pub fn limit() -> Schema {
    let whole = ObjectBuilder::new().schema_type(Type::Integer);
    whole.minimum(Some(1)).maximum(Some(MAX_LIMIT)).into()
}

pub fn exploded() -> Value {
    json!({
        "id": "Voyager 1",
        "launch_time": "2022-02-02T18:00:00Z",
        "last_update_time": "2022-02-02T18:00:10Z",
        "last_message_number": 2,
        "speed": 1000,
        "rocket_type": "Titan-IIID",
        "mission": "APOLLO/SOYUZ",
        "status": "Exploded",
        "explosion_reason": "PRESSURE_VESSEL_FAILURE",
        "buffered_messages": 0,
        "lost_messages": 0,
        "conflicts": 0,
    })
}

pub fn launched() -> Value {
    json!({
        "id": "193270a9-c9cf-404a-8f83-838e71d9ae67",
        "launch_time": "2022-02-02T18:39:05.86337Z",
        "last_update_time": "2022-02-02T18:39:07Z",
        "last_message_number": 3,
        "speed": 1000,
        "rocket_type": "Falcon-9",
        "mission": "ARTEMIS",
        "status": "Launched",
        "explosion_reason": null,
        "buffered_messages": 3,
        "lost_messages": 0,
        "conflicts": 0,
    })
}

fn both() -> Value {
    json!([exploded(), launched()])
}

#[utoipa::path(
    get,
    path = "/rockets",
    tag = "fleet",
    operation_id = "listRockets",
    summary = "The launched rockets",
    params(Listing),
    responses(
        (
            status = 200,
            description = "Those that meet all conditions.",
            body = Vec<RocketView>,
            headers(
                ("X-Total-Count" = u64, description = "How many there are, on whichever page."),
                ("Link" = String, description = "Leads to the next page, if there is one."),
            ),
            links(
                ("rocket" = (
                    operation_id = "getRocket",
                    parameters(("id" = "$response.body#/0/id"))
                )),
                ("mission" = (
                    operation_id = "getMission",
                    parameters(("mission" = "$response.body#/0/mission"))
                )),
            ),
            example = json!(both()),
        ),
        (status = 304, response = NotModified),
    ),
)]
fn list() {}

#[utoipa::path(
    get,
    path = "/rockets/{id}",
    tag = "fleet",
    operation_id = "getRocket",
    summary = "One launched rocket",
    params(("id" = String, Path, description = "The rocket's channel.", min_length = 1)),
    responses(
        (status = 200, description = "It was launched.", body = RocketView, example = json!(exploded())),
        (status = 304, response = NotModified),
    ),
)]
fn get() {}

#[utoipa::path(
    delete,
    path = "/rockets/{id}",
    tag = "fleet",
    operation_id = "deleteRocket",
    summary = "Forgets a rocket",
    description = "Launched or not. What comes of its ID afterwards begins anew.",
    params(("id" = String, Path, description = "The rocket's channel.", min_length = 1)),
    responses((status = 204, description = "It is forgotten, for good.")),
)]
fn delete() {}

/// Which part of the past.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Span {
    /// From this time on, of the messages.
    #[param(format = DateTime, example = "2022-02-02T18:39:05Z")]
    start: Option<String>,
    /// Before this time.
    #[param(format = DateTime, example = "2022-02-02T19:39:05Z")]
    end: Option<String>,
    /// At most so many, the latest.
    #[param(schema_with = limit)]
    limit: Option<usize>,
}

#[utoipa::path(
    get,
    path = "/rockets/{id}/history",
    tag = "fleet",
    operation_id = "getHistory",
    summary = "What the last messages of one rocket changed",
    params(
        ("id" = String, Path, description = "The rocket's channel.", min_length = 1),
        Span,
    ),
    responses(
        (status = 200, description = "As far as it is kept.", body = inline(Answer)),
        (status = 304, response = NotModified),
    ),
)]
fn history() {}
