//! What `POST /messages` takes and gives. A message is read by hand
//! (`telemetry/wire.rs`), and so is its schema written; the tests hold one against
//! the other.

#![expect(
    dead_code,
    unused_qualifications,
    reason = "what stands here is read by the macros alone"
)]

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::http::bulk;
use crate::telemetry::message::{MAX_INTEGER, MAX_TEXT_BYTES};

/// Stands in for what [`add_schema`] writes.
pub struct Message;

impl PartialSchema for Message {
    fn schema() -> RefOr<Schema> {
        Object::new().into()
    }
}

impl ToSchema for Message {}

/// What is sent as `application/json`.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = Messages)]
enum Body {
    One(Message),
    Many(Vec<Message>),
}

/// What became of what was sent.
#[derive(ToSchema)]
#[serde(untagged)]
enum Taken {
    One(OneTaken),
    Many(bulk::Answer),
}

/// That one message was accepted.
#[derive(ToSchema)]
struct OneTaken {
    #[schema(pattern = "^success$")]
    status: String,
    outcome: Outcome,
}

/// What became of a message: it is part of its rocket's state now; it waits for an
/// earlier one; or one with its number was accepted before, or declared lost.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Outcome {
    Applied,
    Buffered,
    Duplicate,
}

/// Puts the schema of a message in its place.
pub fn add_schema(document: &mut Value) {
    let text = || json!({ "type": "string", "minLength": 1, "maxLength": MAX_TEXT_BYTES });
    let number =
        |least: u64| json!({ "type": "integer", "minimum": least, "maximum": MAX_INTEGER });
    let of = |name: &str, says: &str, fields: Value| {
        let required: Vec<_> = fields.as_object().into_iter().flatten().map(|it| it.0).collect();
        let message = json!({ "type": "object", "required": required, "properties": fields });
        let metadata = json!({ "properties": { "messageType": { "const": name } } });
        json!({
            "title": name,
            "description": says,
            "properties": { "metadata": metadata, "message": message },
        })
    };
    let launched = json!({ "type": text(), "launchSpeed": number(0), "mission": text() });
    let kinds = [
        of("RocketLaunched", "The rocket starts.", launched),
        of("RocketSpeedIncreased", "It is faster.", json!({ "by": number(0) })),
        of("RocketSpeedDecreased", "It is slower.", json!({ "by": number(0) })),
        of("RocketMissionChanged", "It has another mission.", json!({ "newMission": text() })),
        of("RocketExploded", "It flies no more.", json!({ "reason": text() })),
    ];
    let names: Vec<_> = kinds.iter().map(|kind| &kind["title"]).collect();
    let channel = json!({
        "description": "The rocket's ID: 1 to 128 bytes without control characters.",
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
    });
    let mut message_number = number(1);
    message_number["description"] = "Of a rocket's messages the first is 1.".into();
    let message_time = json!({
        "description": "RFC 3339, or the same without an offset, which is read as UTC.",
        "type": "string",
        "format": "date-time",
    });
    let metadata = json!({
        "type": "object",
        "required": ["channel", "messageNumber", "messageTime", "messageType"],
        "properties": {
            "channel": channel,
            "messageNumber": message_number,
            "messageTime": message_time,
            "messageType": { "type": "string", "enum": names },
        },
    });
    // The array of them, as the second form of what is sent.
    document["components"]["schemas"]["Messages"]["oneOf"][1]["minItems"] = 1.into();
    document["components"]["schemas"]["Message"] = json!({
        "description": "One message of a rocket. Fields that are not listed are ignored.",
        "type": "object",
        "required": ["metadata", "message"],
        "properties": { "metadata": metadata, "message": { "type": "object" } },
        "oneOf": kinds,
    });
}

fn launch() -> Value {
    json!({
        "metadata": {
            "channel": "193270a9-c9cf-404a-8f83-838e71d9ae67",
            "messageNumber": 1,
            "messageType": "RocketLaunched",
            "messageTime": "2022-02-02T19:39:05.86337+01:00",
        },
        "message": { "type": "Falcon-9", "launchSpeed": 500, "mission": "ARTEMIS" },
    })
}

fn array() -> Value {
    let other = |number: u64, name: &str, message: Value| {
        json!({
            "metadata": {
                "channel": "193270a9-c9cf-404a-8f83-838e71d9ae67",
                "messageNumber": number,
                "messageType": name,
                "messageTime": "2022-02-02T19:39:07+01:00",
            },
            "message": message,
        })
    };
    json!([
        other(2, "RocketSpeedIncreased", json!({ "by": 3000 })),
        other(3, "RocketSpeedDecreased", json!({ "by": 2500 })),
        other(4, "RocketMissionChanged", json!({ "newMission": "SHUTTLE_MIR" })),
        other(5, "RocketExploded", json!({ "reason": "PRESSURE_VESSEL_FAILURE" })),
    ])
}

fn lines() -> Value {
    format!("{}\n{}\n", launch(), array()[0]).into()
}

#[utoipa::path(
    post,
    path = "/messages",
    tag = "messages",
    operation_id = "postMessages",
    summary = "Takes one message in, or many",
    request_body(
        description = "One message; an array of them; or one a line, as NDJSON.",
        content(
            (Body = "application/json", examples(
                ("one" = (summary = "One message", value = json!(launch()))),
                ("array" = (summary = "Many in an array", value = json!(array()))),
            )),
            (String = "application/x-ndjson", example = json!(lines())),
        ),
    ),
    responses(
        (
            status = 200,
            description = "It was accepted; of many, some at least were.",
            content((Taken = "application/json", examples(
                ("one" = (value = json!({ "status": "success", "outcome": "applied" }))),
                ("many" = (value = json!({
                    "status": "partial",
                    "applied": 1,
                    "buffered": 0,
                    "duplicate": 0,
                    "rejected": 1,
                    "errors": [{ "line": 2, "error": "message: expected an object, found nothing" }],
                }))),
            ))),
        ),
        (status = 204, description = "It was accepted, and there is no `Accept`, or one that admits no JSON."),
    ),
)]
fn post() {}
