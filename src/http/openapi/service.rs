//! What the service says of itself: health, figures, and what there is to ask for.

#![expect(dead_code, reason = "what stands here is read by the macros alone")]

use utoipa::ToSchema;

use super::table::NotModified;
use crate::http::index::Index;
use crate::http::problem::Body;
use crate::http::readiness::{Alive, Check, Member, Ready};

/// A problem, with each check for who asks for them.
#[derive(ToSchema)]
struct NotReady {
    #[serde(flatten)]
    problem: Body<'static>,
    checks: Option<Vec<Check>>,
    cluster: Option<Member>,
}

#[utoipa::path(
    get,
    path = "/cluster/checkpoint",
    tag = "service",
    operation_id = "getCheckpoint",
    summary = "What a node of a cluster has stored, for another node",
    responses((
        status = 200,
        description = "A database of SQLite, as it was at one moment.",
        content((Vec<u8> = "application/vnd.sqlite3")),
        headers(
            ("Repr-Digest" = String, description = "SHA-256 of all of it (RFC 9530)."),
            ("X-Log-Position" = u64, description = "Up to where the log is part of it."),
        ),
    )),
)]
fn checkpoint() {}

#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    operation_id = "getReadiness",
    summary = "Whether the service can do all of its work",
    params((
        "verbose" = Option<String>,
        Query,
        description = "Lists every check by its name, whatever the value.",
    )),
    responses(
        (status = 200, description = "It can.", body = Ready, example = json!({"status": "ready"})),
        (
            status = 503,
            description = "It cannot; `detail` says why.",
            body = NotReady,
            content_type = "application/problem+json",
            example = json!({
                "type": "/problems/unavailable",
                "title": "Service Unavailable",
                "status": 503,
                "detail": "the service is stopping",
                "error": "the service is stopping",
            }),
        ),
    ),
)]
fn readiness() {}

#[utoipa::path(
    get,
    path = "/livez",
    tag = "service",
    operation_id = "getLiveness",
    summary = "Whether the process moves",
    responses(
        (status = 200, description = "It does.", body = Alive, example = json!({"status": "alive"})),
    ),
)]
fn liveness() {}

#[utoipa::path(
    get,
    path = "/healthz",
    tag = "service",
    operation_id = "getHealth",
    summary = "The same as /livez",
    responses(
        (status = 200, description = "It does.", body = Alive, example = json!({"status": "alive"})),
    ),
)]
fn liveness_alias() {}

#[utoipa::path(
    get,
    path = "/metrics",
    tag = "service",
    operation_id = "getMetrics",
    summary = "The figures of the service",
    responses(
        (
            status = 200,
            description = "In the text format of Prometheus, or as OpenMetrics, by `Accept`.",
            content(
                (String = "text/plain; version=0.0.4; charset=utf-8"),
                (String = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
            ),
        ),
    ),
)]
fn metrics() {}

#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "service",
    operation_id = "getOpenApi",
    summary = "This document",
    responses(
        (
            status = 200,
            description = "What can be found on this address.",
            body = serde_json::Value,
            content_type = "application/json",
        ),
        (status = 304, response = NotModified),
    ),
)]
fn openapi() {}

#[utoipa::path(
    get,
    path = "/docs",
    tag = "service",
    operation_id = "getDocs",
    summary = "This document as a page (Swagger UI)",
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (
            status = 308,
            description = "The page is at the same path with a slash at its end.",
            headers(("Location" = String, description = "Where the page is.")),
        ),
    ),
)]
fn docs() {}

#[utoipa::path(
    get,
    path = "/docs/{file}",
    tag = "service",
    operation_id = "getDocsFile",
    summary = "What the page at /docs is made of",
    params(("file" = String, Path, description = "Its name.", min_length = 1)),
    responses(
        (
            status = 200,
            description = "The file.",
            content(
                (String = "text/html"),
                (String = "text/css"),
                (String = "text/javascript"),
                (Vec<u8> = "image/png"),
            ),
        ),
    ),
)]
fn docs_file() {}

#[utoipa::path(
    get,
    path = "/",
    tag = "service",
    operation_id = "getIndex",
    summary = "What there is to ask for on this address",
    responses(
        (
            status = 200,
            description = "All paths and their methods; for who asks for HTML, a page to watch \
                           the fleet on.",
            content((Index = "application/json"), (String = "text/html")),
        ),
        (status = 304, response = NotModified),
    ),
)]
fn index() {}

#[utoipa::path(
    get,
    path = "/ui/{file}",
    tag = "service",
    operation_id = "getPageFile",
    summary = "What the page at / is made of",
    params(("file" = String, Path, description = "Its name.", min_length = 1)),
    responses(
        (
            status = 200,
            description = "The file.",
            content(
                (String = "text/css"),
                (String = "text/javascript"),
                (String = "image/svg+xml"),
            ),
        ),
        (status = 304, response = NotModified),
    ),
)]
fn page_file() {}
