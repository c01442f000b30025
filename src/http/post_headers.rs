//! What the headers of a `POST /messages` say, as far as it matters. Owns how
//! they are read, and not what follows from them.

use warp::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use warp::http::{HeaderMap, HeaderValue};

use super::codings::Codings;
use super::media::{parameter, parts, weight};

/// The media type of one message, or of an array of them.
const JSON: &[u8] = b"application/json";

/// The media types of many messages, one a line. There is no registered one, so
/// every library has its own.
const LINES: [&[u8]; 9] = [
    b"application/x-ndjson",
    b"application/ndjson",
    b"application/jsonl",
    b"application/x-jsonl",
    b"application/jsonlines",
    b"application/x-jsonlines",
    b"application/json-lines",
    b"text/x-ndjson",
    b"text/ndjson",
];

/// Names of UTF-8 and of what is part of it.
const UTF_8: [&[u8]; 3] = [b"utf-8", b"utf8", b"us-ascii"];

/// What the content type says about a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Media {
    /// Nothing, or nothing that matters: one message.
    #[default]
    One,
    /// JSON: one message, or an array of them.
    Json,
    /// Many messages, one a line.
    Lines,
}

/// Read once, so that a request need not hold its headers while it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PostHeaders {
    /// What the body holds.
    pub media: Media,
    /// The content type names a charset that is not UTF-8.
    pub foreign_charset: bool,
    /// How the body is compressed.
    pub codings: Codings,
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
        let length = headers.get(CONTENT_LENGTH).map_or(0, length);
        Self::with_body_of(length, headers)
    }

    /// As [`PostHeaders::of`], where the length of the body was read already.
    #[must_use]
    pub fn with_body_of(length: u64, headers: &HeaderMap) -> Self {
        let mut read = Self { announced_length: length, ..Self::default() };
        let (mut accepted, mut has_media) = (Accepted::default(), false);
        // One pass is less work than a search for each.
        for (name, value) in headers {
            if name == CONTENT_TYPE {
                // Of several the first counts.
                if !std::mem::replace(&mut has_media, true) {
                    (read.media, read.foreign_charset) = content_type(value);
                }
            } else if name == ACCEPT {
                accepted.read(value);
            } else if name == EXPECT {
                read.asks_first = true;
            } else if name == CONTENT_ENCODING {
                read.codings.add(value);
            }
        }
        read.accepts_json = accepted.weight > 0;
        read
    }
}

impl PostHeaders {
    /// Whether the body may be one message as it stands there.
    #[must_use]
    pub fn may_be_one(&self) -> bool {
        self.media != Media::Lines && !self.foreign_charset && self.codings == Codings::Identity
    }
}

/// What a content type says, and whether it names another charset than UTF-8.
fn content_type(value: &HeaderValue) -> (Media, bool) {
    if value.as_bytes() == JSON {
        return (Media::Json, false);
    }
    let mut parts = parts(value.as_bytes(), b';');
    let name = parts.next().expect("a list has a part");
    let media = if name.eq_ignore_ascii_case(JSON) {
        Media::Json
    } else if LINES.iter().any(|lines| name.eq_ignore_ascii_case(lines)) {
        Media::Lines
    } else {
        Media::One
    };
    let foreign_charset = parts.filter_map(parameter).any(|(name, value)| {
        let is_utf_8 = || UTF_8.iter().any(|utf_8| value.eq_ignore_ascii_case(utf_8));
        name.eq_ignore_ascii_case(b"charset") && !is_utf_8()
    });
    (media, foreign_charset)
}

fn length(length: &HeaderValue) -> u64 {
    std::str::from_utf8(length.as_bytes()).ok().and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// What `Accept` says of JSON so far: the most precise range that names it.
#[derive(Default)]
struct Accepted {
    precision: u8,
    weight: u16,
}

impl Accepted {
    fn read(&mut self, accept: &HeaderValue) {
        for range in parts(accept.as_bytes(), b',') {
            let mut parts = parts(range, b';');
            let media = parts.next().expect("a list has a part");
            let precision = if media.eq_ignore_ascii_case(JSON) {
                3
            } else if media.eq_ignore_ascii_case(b"application/*") {
                2
            } else if media == b"*/*" {
                1
            } else {
                continue;
            };
            let weight = weight(parts);
            if precision > self.precision {
                *self = Self { precision, weight };
            } else if precision == self.precision {
                // Such as one with parameters, which we have none of, and one without.
                self.weight = self.weight.max(weight);
            }
        }
    }
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
            ("application/json;q=0, */*", false),
            ("*/*;q=0, application/json;q=0.1", true),
            ("application/json;q=0, application/json;v=1", true),
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
        for (media, expected) in [
            ("application/x-ndjson", Media::Lines),
            ("Application/X-NDJSON ; charset=utf-8", Media::Lines),
            ("application/jsonl", Media::Lines),
            ("application/json", Media::Json),
            ("Application/JSON; charset=utf-8", Media::Json),
            ("application/x-ndjson-seq", Media::One),
            ("text/plain", Media::One),
        ] {
            assert_eq!(read(&[("content-type", media)]).media, expected, "{media}");
        }
        let two = [("content-type", "application/x-ndjson"), ("content-type", "text/plain")];
        assert_eq!(read(&two).media, Media::Lines, "the first one counts");
        let all = read(&[("content-length", "42"), ("expect", "100-continue")]);
        let expected =
            PostHeaders { announced_length: 42, asks_first: true, ..PostHeaders::default() };
        assert_eq!(all, expected);
    }
}
