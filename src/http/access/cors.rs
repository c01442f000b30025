//! Which other sites' pages may read (`--cors-origin`): what a browser is told,
//! on answers and before it asks. Reads only: to allow more than that would be to
//! let a page act for whoever looks at it. Does not own what is refused
//! (`origin`).

use warp::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use warp::http::{HeaderValue, Method, Request, StatusCode};
use warp::reply::Response;

use super::authority::{Authority, undotted};
use super::headers;
use crate::http::routes::{self, Side};

/// What a page may send beyond what every page may.
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, if-none-match, cache-control, accept, last-event-id");

/// What a page gets to see beyond what every page does.
const ANSWER_HEADERS: HeaderValue =
    HeaderValue::from_static("etag, age, link, x-total-count, retry-after, www-authenticate");

/// Seconds for which a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// An origin, as browsers write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsOrigin(Box<str>);

impl CorsOrigin {
    /// Reads `http://host[:port]` or the same with `https`; none if it is
    /// anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://")?;
        let usual = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let read = Authority::parse(rest.as_bytes())?;
        let host = std::str::from_utf8(read.host).ok()?;
        // A browser writes an address in one way only.
        let host = match read.address() {
            Some(std::net::IpAddr::V6(address)) => format!("[{address}]"),
            _ => host.to_owned(),
        };
        if host.contains('*') || undotted(host.as_bytes()).is_empty() {
            return None;
        }
        Some(Self(match read.port {
            Some(port) if port != usual => format!("{scheme}://{host}:{port}").into(),
            _ => format!("{scheme}://{host}").into(),
        }))
    }
}

/// Whose pages may read.
#[derive(Debug)]
pub struct Cors(Box<[CorsOrigin]>);

/// What the answer to a read says of whose pages may have it.
#[derive(Debug)]
pub struct Grant(Option<HeaderValue>);

impl Cors {
    /// These and no others.
    #[must_use]
    pub fn new(origins: &[CorsOrigin]) -> Self {
        Self(origins.into())
    }

    fn allow(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|allowed| allowed.0.as_bytes() == origin.as_bytes())
    }

    /// What the answer to a read says; none if no page but our own may read.
    #[must_use]
    pub fn grant(&self, origin: Option<&HeaderValue>) -> Option<Grant> {
        if self.0.is_empty() {
            return None;
        }
        Some(Grant(origin.filter(|origin| self.allow(origin)).cloned()))
    }

    /// The answer to the question whether a page may read at a path, if it is
    /// that, and may.
    #[must_use]
    pub fn preflight<B>(&self, side: Side, request: &Request<B>) -> Option<Response> {
        if self.0.is_empty() || *request.method() != Method::OPTIONS {
            return None;
        }
        let headers = request.headers();
        let origin = headers.get(ORIGIN).filter(|origin| self.allow(origin))?;
        headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        routes::find(side, &Method::GET, request.uri().path()).ok()?;
        let mut answer = Response::default();
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        // Whatever the page asked for: the browser compares.
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        let varies = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        headers.insert(VARY, HeaderValue::from_static(varies));
        headers::protect(headers);
        Some(answer)
    }
}

impl Grant {
    /// The answer, for the page that asked. It is another one for other pages,
    /// which caches must know even where nothing was granted.
    #[must_use]
    pub fn mark(self, mut answer: Response) -> Response {
        let headers = answer.headers_mut();
        let varies = match headers.get(VARY).and_then(|varies| varies.to_str().ok()) {
            Some(varies) => HeaderValue::from_str(&format!("{varies}, Origin"))
                .expect("two lists of names are one"),
            None => HeaderValue::from_static("Origin"),
        };
        headers.insert(VARY, varies);
        if let Self(Some(origin)) = self {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
            headers::share(headers);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_do() {
        for (text, read) in [
            ("https://Example.com", "https://example.com"),
            ("https://example.com/", "https://example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[0:0::1]:80", "http://[::1]"),
        ] {
            assert_eq!(CorsOrigin::parse(text), Some(CorsOrigin(read.into())), "{text}");
        }
        for bad in [
            "",
            "*",
            "null",
            "example.com",
            "https://",
            "https://*.example.com",
            "ftp://a",
            "http://a/b",
            "http://a?b",
            "http://user@a",
            "http://a:99999",
            "http://a b",
        ] {
            assert_eq!(CorsOrigin::parse(bad), None, "{bad}");
        }
    }
}
