//! Whether another site's page makes a request: the rule of Go 1.25's
//! `CrossOriginProtection`. Browsers say so in `Sec-Fetch-Site`, older ones in
//! `Origin`; who sends neither is no browser. Does not own which pages may read
//! all the same (`cors`).

use warp::http::{HeaderName, HeaderValue, Method};

use super::authority::Authority;

/// Says how the page that makes a request stands to the host it asks.
pub static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request says of the page that makes it.
#[derive(Debug, Default)]
pub struct Sender {
    site: Site,
    has_two_origins: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Site {
    #[default]
    Unsaid,
    Own,
    Other,
}

impl Sender {
    /// Takes in a `Sec-Fetch-Site`. An empty one says nothing; of several, one
    /// that names another site counts.
    pub fn tells_site(&mut self, value: &HeaderValue) {
        self.site = match value.as_bytes() {
            b"" => self.site,
            b"same-origin" | b"none" if self.site != Site::Other => Site::Own,
            _ => Site::Other,
        };
    }

    /// Takes in that there is an `Origin`, perhaps not the first one.
    pub fn tells_origin(&mut self, again: bool) {
        self.has_two_origins |= again;
    }

    /// Whether another site's page wants to change something at `host`.
    #[must_use]
    pub fn is_foreign(
        &self,
        method: &Method,
        origin: Option<&HeaderValue>,
        host: Option<&[u8]>,
    ) -> bool {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return false;
        }
        match (self.site, origin) {
            (Site::Own, _) | (Site::Unsaid, None) => false,
            (Site::Other, _) => true,
            (Site::Unsaid, Some(origin)) => {
                let is_own = || is_of(origin.as_bytes(), host.unwrap_or_default());
                self.has_two_origins || !origin.is_empty() && !is_own()
            }
        }
    }
}

/// Whether an origin is that of a host. The scheme makes no difference but for
/// the port that is not named: a proxy in front may speak TLS.
fn is_of(origin: &[u8], host: &[u8]) -> bool {
    let named = |scheme: &[u8], usual| Some((origin.strip_prefix(scheme)?, Some(usual)));
    let Some((named, usual)) = named(b"http://", 80).or_else(|| named(b"https://", 443)) else {
        return false;
    };
    let (Some(origin), Some(host)) = (Authority::parse(named), Authority::parse(host)) else {
        return false;
    };
    host.host.eq_ignore_ascii_case(origin.host) && host.port.or(usual) == origin.port.or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_that_of_a_host_whatever_the_case_and_the_usual_port() {
        for (origin, host, is_own) in [
            ("http://localhost:8088", "localhost:8088", true),
            ("http://LOCALHOST:8088", "localhost:8088", true),
            ("http://example.com", "example.com:80", true),
            ("http://example.com:80", "example.com", true),
            ("https://example.com", "example.com", true),
            ("https://example.com", "example.com:443", true),
            ("https://example.com", "example.com:80", false),
            ("http://[::1]:8088", "[::1]:8088", true),
            ("http://localhost:8089", "localhost:8088", false),
            ("http://localhost", "localhost:8088", false),
            ("http://evil.example", "localhost:8088", false),
            ("http://localhost:8088.evil.example", "localhost:8088", false),
            ("http://localhost:8088@evil.example", "localhost:8088", false),
            ("http://localhost:8088/", "localhost:8088", false),
            ("null", "localhost:8088", false),
            ("null", "null", false),
            ("localhost:8088", "localhost:8088", false),
            ("://localhost", "localhost", false),
            ("app://localhost", "localhost", false),
            ("http://", "", false),
            ("", "", false),
        ] {
            assert_eq!(is_of(origin.as_bytes(), host.as_bytes()), is_own, "{origin} at {host}");
        }
    }
}
