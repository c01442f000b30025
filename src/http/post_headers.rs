//! What the headers of a `POST /messages` say, as far as it matters. Owns how
//! they are read, and not what follows from them.

use warp::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use warp::http::{HeaderMap, HeaderValue};

/// The media type of many messages, one a line.
const NDJSON: &str = "application/x-ndjson";

/// Read once, so that a request need not hold its headers while it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PostHeaders {
    /// The body holds many messages, one a line.
    pub is_ndjson: bool,
    /// An answer may be `application/json`. Without an `Accept` header it may not:
    /// the challenge's launcher sends none and does not read bodies, and an unread
    /// body keeps its HTTP client from using the connection again.
    pub accepts_json: bool,
    /// The length of the body in bytes; 0 if no header states it.
    pub announced_length: u64,
    /// The client asks before it sends the body (`Expect: 100-continue`).
    pub asks_first: bool,
}

impl PostHeaders {
    /// Reads what matters here. What cannot be read counts as not there.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        // Of several content types the first counts.
        let is_ndjson = headers.get(CONTENT_TYPE).is_some_and(is_ndjson);
        let mut read = Self { is_ndjson, ..Self::default() };
        // One pass is less work than a search for each of the rest.
        for (name, value) in headers {
            if name == CONTENT_LENGTH {
                read.announced_length = length(value);
            } else if name == ACCEPT {
                read.accepts_json |= admits_json(value);
            } else if name == EXPECT {
                read.asks_first = true;
            }
        }
        read
    }
}

fn is_ndjson(media: &HeaderValue) -> bool {
    let media = media.as_bytes().split(|&byte| byte == b';').next().expect("a split has a part");
    media.trim_ascii().eq_ignore_ascii_case(NDJSON.as_bytes())
}

fn length(length: &HeaderValue) -> u64 {
    length.to_str().ok().and_then(|length| length.parse().ok()).unwrap_or(0)
}

fn admits_json(accept: &HeaderValue) -> bool {
    accept.to_str().is_ok_and(|accept| accept.split(',').any(range_admits_json))
}

fn range_admits_json(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().expect("a split has a part");
    let named = ["application/json", "application/*", "*/*"]
        .iter()
        .any(|admitted| media.eq_ignore_ascii_case(admitted));
    let refused = parts.any(|parameter| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0_f32)
        })
    });
    named && !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&'static str, &'static str)]) -> PostHeaders {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        PostHeaders::of(&headers)
    }

    #[test]
    fn headers_that_say_nothing_mean_one_message_and_no_json() {
        assert_eq!(read(&[("host", "localhost"), ("x-unknown", "1")]), PostHeaders::default());
    }

    #[test]
    fn json_is_admitted_by_name_or_by_range_unless_its_weight_is_zero() {
        for (accept, admitted) in [
            ("*/*", true),
            ("application/json", true),
            ("Application/JSON;charset=utf-8", true),
            ("text/html, application/*;q=0.8", true),
            ("text/html", false),
            ("application/problem+json", false),
            ("application/json;q=0", false),
            ("application/json; q=0.000, text/html", false),
            ("", false),
        ] {
            assert_eq!(read(&[("accept", accept)]).accepts_json, admitted, "{accept}");
        }
    }

    #[test]
    fn of_several_accept_headers_one_is_enough() {
        for accepts in [["text/html", "*/*"], ["*/*", "text/html"]] {
            assert!(read(&accepts.map(|accept| ("accept", accept))).accepts_json);
        }
    }

    #[test]
    fn the_body_is_announced() {
        for (media, many) in [
            ("application/x-ndjson", true),
            ("Application/X-NDJSON ; charset=utf-8", true),
            ("application/json", false),
            ("application/x-ndjson-seq", false),
        ] {
            assert_eq!(read(&[("content-type", media)]).is_ndjson, many, "{media}");
        }
        let two = [("content-type", "application/x-ndjson"), ("content-type", "text/plain")];
        assert!(read(&two).is_ndjson, "the first one counts");
        let all = read(&[("content-length", "42"), ("expect", "100-continue")]);
        let expected =
            PostHeaders { announced_length: 42, asks_first: true, ..PostHeaders::default() };
        assert_eq!(all, expected);
    }
}
