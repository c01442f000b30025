//! What `/missions` and `/missions/{mission}` take and give.

#![expect(dead_code, reason = "what stands here is read by the macros alone")]

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::rockets::{Listing, launched};
use super::table::NotModified;
use crate::fleet::view::RocketView;
use crate::http::mission_figures::Answer;

/// As it is written, a piece at a time.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Missions {
    /// Each once, sorted by their bytes.
    missions: Vec<String>,
}

/// By what was asked for.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum MissionsOrFigures<'a> {
    Names(Missions),
    Figures(Answer<'a>),
}

/// As it is written, a piece at a time.
#[derive(ToSchema)]
struct Mission {
    /// As the rockets spell it; of several spellings the first in order.
    mission: String,
    /// Those that meet all conditions.
    rockets: Vec<RocketView>,
}

fn artemis() -> Value {
    json!({ "mission": "ARTEMIS", "rockets": [launched()] })
}

#[utoipa::path(
    get,
    path = "/missions",
    tag = "fleet",
    operation_id = "listMissions",
    summary = "The missions in use",
    params((
        "detail" = Option<bool>,
        Query,
        description = "Whether to tell what is known of their rockets.",
    )),
    responses(
        (
            status = 200,
            description = "Every mission that a launched rocket is on; with `detail=true` the \
                           largest with their figures.",
            body = inline(MissionsOrFigures),
            links(
                ("mission" = (
                    operation_id = "getMission",
                    parameters(("mission" = "$response.body#/missions/0"))
                )),
            ),
            example = json!({ "missions": ["APOLLO/SOYUZ", "ARTEMIS"] }),
        ),
        (status = 304, response = NotModified),
    ),
)]
fn list() {}

#[utoipa::path(
    get,
    path = "/missions/{mission}",
    tag = "fleet",
    operation_id = "getMission",
    summary = "The rockets on one mission",
    params(
        ("mission" = String, Path, description = "Its name, whatever its case.", min_length = 1),
        Listing,
    ),
    responses(
        (
            status = 200,
            description = "Those on it that meet all conditions.",
            body = Mission,
            headers(
                ("X-Total-Count" = u64, description = "How many there are, on whichever page."),
                ("Link" = String, description = "Leads to the next page, if there is one."),
            ),
            example = json!(artemis()),
        ),
        (status = 304, response = NotModified),
    ),
)]
fn get() {}
