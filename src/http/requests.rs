//! A line of the log for each request, for those who ask for it:
//! `--log info,downlink::http::requests=debug`. With the trace that the request belongs
//! to, if its `traceparent` (W3C Trace Context) says so, by which the lines of all
//! services that had to do with it are found. Nobody else pays more than a branch.

use std::time::Instant;

use hyper::Request;
use tracing::{Level, debug, enabled};
use warp::http::{HeaderMap, Method, StatusCode};

use crate::telemetry::shown::Quoted;

/// What is told of a request once it is answered.
#[derive(Debug)]
pub struct RequestLog {
    method: Method,
    path: String,
    traceparent: Option<String>,
    begun: Instant,
}

impl RequestLog {
    /// Of a request that has just come; `None` unless somebody asked for it.
    pub fn begin<B>(request: &Request<B>) -> Option<Box<Self>> {
        // Boxed, so that it is not made room for in all.
        enabled!(Level::DEBUG).then(|| Box::new(Self::of(request)))
    }

    #[cold]
    fn of<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            // Not the query, in which somebody may have put what is secret.
            path: request.uri().path().to_owned(),
            traceparent: traceparent(request.headers()).map(str::to_owned),
            begun: Instant::now(),
        }
    }

    /// It was answered with `status`.
    pub fn end(self, status: StatusCode) {
        let Self { method, path, traceparent, begun } = self;
        let took_ms = (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        let (path, status) = (Quoted(&path), status.as_u16());
        debug!(%method, %path, status, took_ms, traceparent, "request");
    }
}

/// The trace that a request belongs to, as it came; `None` if there is none, or if it
/// is none.
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all("traceparent").iter();
    let text = given.next()?.to_str().ok()?;
    // Which of two would it be?
    let is_alone = given.next().is_none();
    let parts: Vec<_> = text.split('-').collect();
    let [version, trace, parent, flags, ..] = parts[..] else { return None };
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_given = |part: &str| part.bytes().any(|it| it != b'0');
    let is_valid = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && is_given(trace)
        && is_hex(parent, 16)
        && is_given(parent)
        && is_hex(flags, 2)
        // Later versions may have more.
        && (parts.len() == 4 || version != "00");
    (is_alone && is_valid && text.len() <= MAX_LENGTH).then_some(text)
}

/// Most characters of a trace that are logged: some more than there are today.
const MAX_LENGTH: usize = 128;

#[cfg(test)]
mod tests {
    use warp::http::HeaderValue;

    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", HeaderValue::from_str(value).unwrap());
        }
        traceparent(&headers).map(str::to_owned)
    }

    #[test]
    fn what_is_no_trace_is_not_logged() {
        assert_eq!(read(&[TRACE]).as_deref(), Some(TRACE));
        let later = format!("cc{}-more", &TRACE[2..]);
        assert_eq!(read(&[&later]).as_deref(), Some(&*later));
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let upper = TRACE.to_uppercase();
        let invalid = format!("ff{}", &TRACE[2..]);
        let longer = format!("{TRACE}-more");
        let endless = format!("cc{}-{}", &TRACE[2..], "x".repeat(200));
        for bad in ["", "x", &TRACE[1..], zeros, &upper, &invalid, &longer, &endless] {
            assert_eq!(read(&[bad]), None, "{bad}");
        }
        assert_eq!(read(&[TRACE, TRACE]), None);
        assert_eq!(read(&[]), None);
    }
}
