//! What `/gaps` and `/gaps/{id}/skip` take and give.

#![expect(
    dead_code,
    unused_qualifications,
    reason = "what stands here is read by the macros alone"
)]

use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::rockets::limit;
use super::table::NotModified;
use crate::fleet::view::{GapView, Status};
use crate::http::gaps::Answer;
use crate::telemetry::message::MAX_INTEGER;

/// What the listing takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Listing {
    /// The rocket with exactly this ID.
    #[param(min_length = 1, max_length = 128)]
    id: Option<String>,
    /// Rockets whose ID begins so.
    #[param(min_length = 1, max_length = 128)]
    id_prefix: Option<String>,
    /// Rockets on this mission, whatever its case.
    mission: Option<String>,
    /// Rockets of this type, whatever its case.
    rocket_type: Option<String>,
    status: Option<Status>,
    /// Whether it is the launch that is missing.
    launch_missing: Option<bool>,
    /// At most so many; 1,000 without.
    #[param(schema_with = limit)]
    limit: Option<usize>,
    /// Where the page begins: from the `Link` of the one before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// What is declared lost.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Skip {
    /// The number that the rocket must wait for, so that no other gap is skipped.
    #[param(schema_with = message_number)]
    awaited: Option<u64>,
}

fn message_number() -> Schema {
    let whole = ObjectBuilder::new().schema_type(Type::Integer);
    whole.minimum(Some(1)).maximum(Some(MAX_INTEGER)).into()
}

fn gaps() -> Value {
    json!([{
        "id": "193270a9-c9cf-404a-8f83-838e71d9ae67",
        "awaited_message_number": 4,
        "highest_message_number": 7,
        "buffered_messages": 3,
        "waiting_since": "2026-11-25T21:14:07.190853461Z",
        "launch_missing": false,
    }])
}

#[utoipa::path(
    get,
    path = "/gaps",
    tag = "gaps",
    operation_id = "listGaps",
    summary = "The rockets that wait for a missing message",
    params(Listing),
    responses(
        (
            status = 200,
            description = "Those that meet all conditions, the longest wait first.",
            body = Vec<GapView>,
            headers(
                ("X-Total-Count" = u64, description = "How many there are, on whichever page."),
                ("Link" = String, description = "Leads to the next page, if there is one."),
            ),
            links(
                ("skip" = (
                    operation_id = "skipGap",
                    parameters(
                        ("id" = "$response.body#/0/id"),
                        ("awaited" = "$response.body#/0/awaited_message_number"),
                    ),
                )),
            ),
            example = json!(gaps()),
        ),
        (status = 304, response = NotModified),
    ),
)]
fn list() {}

#[utoipa::path(
    post,
    path = "/gaps/{id}/skip",
    tag = "gaps",
    operation_id = "skipGap",
    summary = "Declares lost what a rocket waits for",
    description = "The messages from the awaited one up to the first that waits. It cannot be undone.",
    params(
        ("id" = String, Path, description = "The rocket's channel.", min_length = 1),
        Skip,
    ),
    responses(
        (
            status = 200,
            description = "They are lost.",
            body = Answer,
            example = json!({ "status": "success", "lost_from": 4, "lost_to": 4 }),
        ),
    ),
)]
fn skip() {}
