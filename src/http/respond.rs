//! What handlers have in common: how they read a path segment, refuse
//! parameters, and answer. Does not own which errors there are (`problem`).

use percent_encoding::percent_decode_str;
use serde::Serialize;
use warp::http::HeaderValue;
use warp::http::header::CONTENT_TYPE;
use warp::reply::Response;

use super::problem::Problem;
use crate::telemetry::shown::Plain;

/// The answer to a request, whether it went well or not.
#[must_use]
pub fn answer(result: Result<Response, Problem>) -> Response {
    result.unwrap_or_else(Problem::into_response)
}

/// A successful answer with a JSON body, which ends with a newline: a terminal
/// shows what comes next on a line of its own.
#[must_use]
pub fn json(body: &impl Serialize) -> Response {
    let mut json = serde_json::to_string(body)
        .expect("answers are structs of texts, numbers and times, which always serialise");
    json.push('\n');
    let mut response = Response::new(json.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Refuses query parameters where there are none.
///
/// # Errors
/// 400, naming the first one.
pub fn no_parameters(query: &str) -> Result<(), Problem> {
    match form_urlencoded::parse(query.as_bytes()).next() {
        None => Ok(()),
        Some((name, _)) => Err(Problem::bad_parameter(format!(
            "{}: unknown parameter; none is allowed on this path",
            Plain(&name)
        ))),
    }
}

/// The text of a path segment; routing hands segments over as they came.
///
/// # Errors
/// 404 when it is not UTF-8, since nothing has such a name.
pub fn decode_segment(segment: &str) -> Result<String, Problem> {
    percent_decode_str(segment)
        .decode_utf8()
        .map(Into::into)
        .map_err(|_| Problem::not_found("the path is not UTF-8 once it is percent-decoded"))
}
