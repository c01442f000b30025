//! Which errors each route answers with, and how they are described. Does not own
//! what leads to them, nor how they read (`http::problem`).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use warp::http::{Method, StatusCode};

use crate::http::problem::Kind;
use crate::http::routes::{Endpoint, Route, Scope};

/// One of them as it is answered: with which status, and with which `detail`, for
/// instance.
struct Row(Kind, u16, &'static str);

/// All of them, in the order of the contract.
const ROWS: &[Row] = &[
    Row(Kind::BadTarget, 400, "the target of the request has no path"),
    Row(
        Kind::BadTransferCoding,
        400,
        "the Transfer-Encoding names chunked more than once, or an empty coding",
    ),
    Row(
        Kind::BadTransferCoding,
        501,
        "the Transfer-Encoding is another than chunked; compressed bodies need Content-Encoding",
    ),
    Row(Kind::BadHost, 400, "the request has no Host header"),
    Row(Kind::ForeignHost, 421, "the host \"rockets.example\" is not served here (--allowed-host)"),
    Row(Kind::CrossOrigin, 403, "another site's page may not send this (Sec-Fetch-Site, Origin)"),
    Row(Kind::TokenMissing, 401, "a token is needed: Authorization: Bearer TOKEN"),
    Row(Kind::TokenInvalid, 401, "the token is not valid"),
    Row(Kind::TokenOfTheOtherSide, 403, "the token is for reading, and not for sending messages"),
    Row(Kind::BadParameter, 400, "limit: expected a number from 1 to 1000, found \"0\""),
    Row(Kind::NotJson, 400, "not JSON: expected value at line 1 column 1"),
    Row(Kind::BrokenBody, 400, "the body could not be read: request or response body error"),
    Row(Kind::DamagedBody, 400, "the body could not be read: it is no gzip"),
    Row(Kind::NoMessage, 400, "the body holds no message"),
    Row(Kind::NotFound, 404, "no rocket with the ID \"Voyager 3\" is known"),
    Row(Kind::MethodNotAllowed, 405, "this path allows only GET, HEAD"),
    Row(
        Kind::BodyTooSlow,
        408,
        "the body did not arrive in time (--request-timeout, --min-body-rate)",
    ),
    Row(Kind::BodyTooLarge, 413, "the body is larger than 65536 bytes"),
    Row(
        Kind::UnsupportedMediaType,
        415,
        "the content type names a charset other than UTF-8, which JSON is in",
    ),
    Row(
        Kind::InvalidMessage,
        422,
        "metadata.messageNumber: expected an integer from 1 to 9223372036854775807, found 0",
    ),
    Row(Kind::EveryLineRejected, 422, "every message was rejected"),
    Row(Kind::EveryLineRejected, 503, "every message was refused for now"),
    Row(
        Kind::RocketBufferFull,
        429,
        "10000 messages of this rocket wait for an earlier one already; send the missing one first",
    ),
    Row(
        Kind::FleetBufferFull,
        429,
        "1000000 messages of the fleet wait for an earlier one already; send missing ones first",
    ),
    Row(Kind::InboxFull, 503, "too many messages wait to be taken in"),
    Row(Kind::FleetFull, 503, "the fleet has 1000000 rockets already, and takes no new one"),
    Row(
        Kind::LinesLeft,
        503,
        "not all lines were taken in time; what was is counted here; send all again",
    ),
    Row(
        Kind::NotAcknowledged,
        503,
        "the message was not acknowledged in time, and may be accepted yet; send it again",
    ),
    Row(Kind::NotKept, 503, "messages are not accepted any more: the journal failed"),
    Row(Kind::TooManyRequests, 503, "too many queries wait for partition 0"),
    Row(Kind::NotAnswered, 503, "partition 0 did not answer in time"),
    Row(Kind::Unavailable, 503, "the service is stopping"),
    Row(Kind::BodyBytesHeld, 503, "unfinished bodies hold too much (--max-body-bytes-held)"),
    Row(
        Kind::AnswerBytesHeld,
        503,
        "answers that are not read yet hold too much (--max-answer-bytes-held)",
    ),
    Row(Kind::TooManyConnections, 503, "too many connections are open (--max-connections)"),
    Row(Kind::TooManySubscribers, 503, "as many listen already as may (--max-subscribers)"),
    Row(Kind::PlainHttp, 400, "this port speaks HTTPS, and plain HTTP came: use https://"),
    Row(Kind::ClientTooFast, 429, "this client sends too much (--max-rate-per-client)"),
    Row(
        Kind::ClientConnections,
        429,
        "this client has too many connections (--max-connections-per-client)",
    ),
    Row(
        Kind::NoAdminToken,
        403,
        "this needs a token of operators, and there is none (--admin-token-file)",
    ),
    Row(Kind::NotArchived, 503, "the rocket could not be archived, so it is not forgotten"),
    Row(Kind::NotAwaited, 409, "the rocket waits for message 5"),
];

/// What any request may come to, before its route has a say.
const OF_ALL: &[Kind] = &[
    Kind::BadTransferCoding,
    Kind::BadHost,
    Kind::ForeignHost,
    Kind::TooManyConnections,
    Kind::PlainHttp,
    Kind::ClientTooFast,
    Kind::ClientConnections,
];

/// What every question to the fleet may come to.
const OF_QUERIES: &[Kind] = &[
    Kind::BadParameter,
    Kind::TooManyRequests,
    Kind::NotAnswered,
    Kind::Unavailable,
    Kind::AnswerBytesHeld,
];

/// What a route answers with beyond that.
fn of_endpoint(endpoint: Endpoint) -> &'static [&'static [Kind]] {
    match endpoint {
        Endpoint::PostMessages => &[&[
            Kind::NotJson,
            Kind::BrokenBody,
            Kind::DamagedBody,
            Kind::NoMessage,
            Kind::BodyTooSlow,
            Kind::BodyTooLarge,
            Kind::UnsupportedMediaType,
            Kind::InvalidMessage,
            Kind::EveryLineRejected,
            Kind::RocketBufferFull,
            Kind::FleetBufferFull,
            Kind::InboxFull,
            Kind::FleetFull,
            Kind::LinesLeft,
            Kind::NotAcknowledged,
            Kind::NotKept,
            Kind::TooManyRequests,
            Kind::Unavailable,
            Kind::BodyBytesHeld,
        ]],
        Endpoint::ListRockets | Endpoint::ListMissions | Endpoint::ListGaps => &[OF_QUERIES],
        Endpoint::DeleteRocket => &[&[
            Kind::BadParameter,
            Kind::NotFound,
            Kind::NotArchived,
            Kind::InboxFull,
            Kind::NotAcknowledged,
            Kind::NotKept,
            Kind::Unavailable,
        ]],
        Endpoint::GetRocket | Endpoint::GetHistory | Endpoint::GetMission => {
            &[OF_QUERIES, &[Kind::NotFound]]
        }
        Endpoint::SkipGap => &[&[
            Kind::BadParameter,
            Kind::NotFound,
            Kind::NotAwaited,
            Kind::InboxFull,
            Kind::NotAcknowledged,
            Kind::NotKept,
            Kind::Unavailable,
        ]],
        Endpoint::GetCheckpoint => &[OF_QUERIES, &[Kind::NotFound]],
        Endpoint::GetReadiness | Endpoint::GetLiveness => &[&[Kind::Unavailable]],
        Endpoint::GetMetrics | Endpoint::GetOpenApi => {
            &[&[Kind::BadParameter, Kind::Unavailable, Kind::AnswerBytesHeld]]
        }
        Endpoint::GetEvents => {
            &[&[Kind::BadParameter, Kind::TooManySubscribers, Kind::Unavailable]]
        }
        Endpoint::GetPageFile => &[&[Kind::BadParameter, Kind::NotFound]],
        Endpoint::GetDocsFile => &[&[Kind::BadParameter, Kind::NotFound, Kind::AnswerBytesHeld]],
        Endpoint::GetDocs | Endpoint::GetIndex => &[&[Kind::BadParameter]],
    }
}

/// The answers of a route that are errors, by status.
pub fn of(route: &Route, method: &Method) -> BTreeMap<u16, Value> {
    let mut kinds = of_endpoint(route.endpoint).concat();
    kinds.extend(OF_ALL);
    if route.scope != Scope::Open {
        kinds.extend([Kind::TokenMissing, Kind::TokenInvalid, Kind::TokenOfTheOtherSide]);
    }
    if route.scope == Scope::Operate {
        kinds.push(Kind::NoAdminToken);
    }
    if !method.is_safe() {
        kinds.push(Kind::CrossOrigin);
    }
    let mut statuses: BTreeMap<u16, Vec<&Row>> = BTreeMap::new();
    for row in ROWS.iter().filter(|row| kinds.contains(&row.0)) {
        statuses.entry(row.1).or_default().push(row);
    }
    let described = statuses.into_iter().map(|(status, rows)| {
        let shared = SHARED.iter().find(|(_, its, kinds)| {
            *its == status
                && rows.len() == kinds.len()
                && rows.iter().all(|it| kinds.contains(&it.0))
        });
        let answer = match shared {
            Some((name, ..)) => json!({ "$ref": format!("#/components/responses/{name}") }),
            None => response(status, &rows),
        };
        (status, answer)
    });
    described.collect()
}

/// What many routes have in common, with its name.
const SHARED: &[(&str, u16, &[Kind])] = &[
    ("BadRequest", 400, &[Kind::BadTransferCoding, Kind::BadHost, Kind::PlainHttp]),
    (
        "BadParameter",
        400,
        &[Kind::BadTransferCoding, Kind::BadHost, Kind::PlainHttp, Kind::BadParameter],
    ),
    ("Unauthorized", 401, &[Kind::TokenMissing, Kind::TokenInvalid]),
    ("Forbidden", 403, &[Kind::TokenOfTheOtherSide]),
    ("ForbiddenToSend", 403, &[Kind::TokenOfTheOtherSide, Kind::CrossOrigin]),
    (
        "ForbiddenToOperate",
        403,
        &[Kind::TokenOfTheOtherSide, Kind::NoAdminToken, Kind::CrossOrigin],
    ),
    ("NotFound", 404, &[Kind::NotFound]),
    ("MethodNotAllowed", 405, &[Kind::MethodNotAllowed]),
    ("MisdirectedRequest", 421, &[Kind::ForeignHost]),
    ("TooManyRequests", 429, &[Kind::ClientTooFast, Kind::ClientConnections]),
    ("NotImplemented", 501, &[Kind::BadTransferCoding]),
    ("TooManyConnections", 503, &[Kind::TooManyConnections]),
    (
        "NotAnswered",
        503,
        &[
            Kind::TooManyRequests,
            Kind::NotAnswered,
            Kind::Unavailable,
            Kind::AnswerBytesHeld,
            Kind::TooManyConnections,
        ],
    ),
];

/// Adds the shared answers, and an example of each error, which they all refer to.
pub fn add_components(document: &mut Value) {
    let components = &mut document["components"];
    for Row(kind, status, detail) in ROWS {
        let mut value = json!({
            "type": kind.uri(),
            "title": title(*status),
            "status": status,
            "detail": detail,
            "error": detail,
        });
        if has_tally(*kind) {
            let error = "message: expected an object, found nothing";
            let tally = json!({
                "applied": 0,
                "buffered": 0,
                "duplicate": 0,
                "rejected": 1,
                "errors": [{ "line": 1, "error": error }],
            });
            value.as_object_mut().into_iter().for_each(|it| {
                it.extend(tally.as_object().cloned().unwrap_or_default());
            });
        }
        components["examples"][example(*kind, *status)] = json!({ "value": value });
    }
    for &(name, status, kinds) in SHARED {
        let rows: Vec<_> =
            ROWS.iter().filter(|row| row.1 == status && kinds.contains(&row.0)).collect();
        components["responses"][name] = response(status, &rows);
    }
}

fn title(status: u16) -> &'static str {
    let status = StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).expect("each status here has a name")
}

/// A header that holds a text.
pub fn header(says: &str) -> Value {
    json!({ "description": says, "schema": { "type": "string" } })
}

/// The name of an example.
fn example(kind: Kind, status: u16) -> String {
    format!("{}-{status}", kind.uri().trim_start_matches("/problems/"))
}

/// Whether it tells what became of each message.
fn has_tally(kind: Kind) -> bool {
    matches!(kind, Kind::EveryLineRejected | Kind::LinesLeft)
}

/// An answer with this status, which is one of these.
fn response(status: u16, rows: &[&Row]) -> Value {
    let (tallied, plain): (Vec<_>, Vec<_>) = rows.iter().partition(|row| has_tally(row.0));
    let of = |rows: &[&&Row], schemas: &[&str]| {
        let uris: Vec<_> = rows.iter().map(|row| row.0.uri()).collect();
        let only =
            json!({ "properties": { "type": { "enum": uris }, "status": { "const": status } } });
        let named =
            schemas.iter().map(|name| json!({ "$ref": format!("#/components/schemas/{name}") }));
        json!({ "allOf": named.chain([only]).collect::<Vec<_>>() })
    };
    let schema = match (&plain[..], &tallied[..]) {
        (plain, []) => of(plain, &["Problem"]),
        ([], tallied) => of(tallied, &["Problem", "Tally"]),
        (plain, tallied) => {
            json!({ "oneOf": [of(plain, &["Problem"]), of(tallied, &["Problem", "Tally"])] })
        }
    };
    let examples: serde_json::Map<_, _> = rows
        .iter()
        .map(|row| {
            let name = example(row.0, status);
            let at = json!({ "$ref": format!("#/components/examples/{name}") });
            (name, at)
        })
        .collect();
    let uris: Vec<_> = rows.iter().map(|row| format!("`{}`", row.0.uri())).collect();
    let mut response = json!({
        "description": format!("{}: {}", title(status), uris.join(", ")),
        "content": { "application/problem+json": { "schema": schema, "examples": examples } },
    });
    let told = match status {
        401 | 403 => Some(("WWW-Authenticate", "Which token is asked for, where it is a token.")),
        405 => Some(("Allow", "The methods that the path has.")),
        415 => Some(("Accept-Encoding", "The codings that are known, where it is the coding.")),
        429 | 503 => Some(("Retry-After", "Seconds until it may go well, where it may.")),
        _ => None,
    };
    if let Some((name, says)) = told {
        response["headers"] = json!({ name: header(says) });
    }
    response
}
