//! What `/events` takes and gives.

#![expect(
    dead_code,
    unused_qualifications,
    reason = "what stands here is read by the macros alone"
)]

use utoipa::IntoParams;

use crate::fleet::view::Status;

/// Whose changes are told.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Subscription {
    /// Rockets with one of these IDs, at most 100 of them.
    #[param(max_items = 100, style = Form, explode)]
    id: Option<Vec<String>>,
    /// Rockets whose ID begins with this text.
    #[param(min_length = 1, max_length = 128)]
    id_prefix: Option<String>,
    /// Rockets on this mission, whatever its case.
    mission: Option<String>,
    /// Rockets of this type, whatever its case.
    rocket_type: Option<String>,
    status: Option<Status>,
    /// Rockets that wait for a missing message, or those that do not.
    waiting: Option<bool>,
    /// Reads on behind the event with this `id`; `Last-Event-ID` counts before it.
    last_event_id: Option<String>,
}

#[utoipa::path(
    get,
    path = "/events",
    tag = "fleet",
    operation_id = "getEvents",
    summary = "What changes, as it changes",
    params(
        Subscription,
        ("Last-Event-ID" = Option<String>, Header, description = "Reads on behind this event."),
    ),
    responses((
        status = 200,
        description = "Events without end: `hello`, `rocket`, `explosion`, `forgotten`, `stats`, \
                       `reset` and `bye`, as docs/API.md describes each. As an object a line for \
                       those who accept `application/x-ndjson`.",
        content((String = "text/event-stream"), (String = "application/x-ndjson")),
    )),
)]
fn get() {}
