//! What browsers are told of every answer that one may show. Owns the headers,
//! and not which answers carry them (`problem`, `dispatch`, `cors`).

use warp::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use warp::http::{HeaderMap, HeaderName, HeaderValue};

static RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Take the type as it says; tell nobody where a link was; be part of our own
/// pages only; load and run nothing.
static HEADERS: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

/// Adds them, but for what the answer says itself.
pub fn protect(headers: &mut HeaderMap) {
    headers.reserve(HEADERS.len());
    for (name, value) in &HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Lets pages of other sites have the answer, as far as they may read it.
pub fn share(headers: &mut HeaderMap) {
    headers.insert(&RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
}

/// The same as [`protect`], as lines of a head that is written by hand.
#[must_use]
pub fn lines() -> String {
    HEADERS.iter().flat_map(|(name, value)| [name.as_str(), ": ", value, "\r\n"]).collect()
}
