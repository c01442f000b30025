//! Bodies of many messages, as `POST /messages` takes them apart. The first byte
//! of an input chooses the content type and how the body is cut into pieces; the
//! rest is the body.
//!
//! Whole and in any pieces the answer is the same. Lines are those between line
//! feeds, and elements those that `serde_json` finds in the array: as many are
//! accepted and rejected as there are messages and others among them.

use bytes::Bytes;
use downlink::http::messages;
use downlink::http::post_headers::PostHeaders;
use downlink::telemetry::wire;
use futures_util::stream;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;
use warp::http::{HeaderMap, HeaderValue};

use super::fleet::{Answer, TestFleet};
use super::{Kind, Target, Way, ensure};

pub const KIND: Kind = Kind {
    name: "bulk",
    about: "NDJSON and arrays: whole or in any pieces the same, line by line as each alone",
    words: &[
        "\n",
        "\r\n",
        "\n\n",
        "[",
        "]",
        ",",
        "[]",
        "{}",
        "\u{feff}",
        "[{",
        "}]",
        "\"",
        "\\",
        "\\\"",
        "null",
        "\"metadata\"",
        "\"message\"",
        "\"channel\"",
        "\"messageNumber\"",
        "\"RocketExploded\"",
        " ",
        "{\"metadata\":{\"channel\":\"a\",\"messageNumber\":1,\"messageType\":\"RocketExploded\",\"messageTime\":\"2022-02-02T19:39:05Z\"},\"message\":{\"reason\":\"x\"}}",
    ],
    most: 6 * 1024,
    make: || Box::new(Bulk { fleet: start(), inputs: 0 }),
};

const MEDIA: [&str; 3] = ["application/x-ndjson", "application/json", "text/plain"];

/// Longest line.
const LINE: usize = 1024;

/// After so many the fleet is made anew, so that no bound is reached.
const INPUTS: usize = 500;

struct Bulk {
    fleet: TestFleet,
    inputs: usize,
}

fn start() -> TestFleet {
    TestFleet::start("bulk", &["--max-body", "1KiB", "--max-buffered-per-rocket", "50000"])
}

/// What an answer says, but for which of the outcomes a message had.
#[derive(Debug, PartialEq)]
struct Said {
    status: u16,
    accepted: u64,
    rejected: u64,
    errors: Value,
    detail: Value,
}

impl Said {
    fn of(answer: &Answer) -> Self {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let count = |name: &str| body[name].as_u64().unwrap_or(0);
        Self {
            status: answer.status,
            accepted: count("applied") + count("buffered") + count("duplicate"),
            rejected: count("rejected"),
            errors: body["errors"].clone(),
            detail: body["detail"].clone(),
        }
    }
}

impl Bulk {
    fn post(&self, media: &'static str, pieces: Vec<Bytes>) -> Said {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(media));
        let headers = PostHeaders::of(&headers);
        let body = stream::iter(pieces.into_iter().map(Ok::<_, warp::Error>));
        Said::of(&self.fleet.answer(messages::post(
            &self.fleet.context,
            headers,
            Instant::now(),
            body,
        )))
    }
}

impl Target for Bulk {
    fn attempt(&mut self, input: &[u8]) -> Result<Way, String> {
        self.inputs += 1;
        if self.inputs.is_multiple_of(INPUTS) {
            self.fleet = start();
        }
        let Some((&choice, body)) = input.split_first() else { return Ok("nothing".to_owned()) };
        let media = MEDIA[usize::from(choice) % MEDIA.len()];
        let body = Bytes::copy_from_slice(body);
        let whole = self.post(media, vec![body.clone()]);
        let cut = self.post(media, pieces(&body, choice));
        ensure!(whole == cut, "whole it is {whole:?}, and in pieces {cut:?}");
        ensure!(whole.status < 500, "{whole:?}");
        let expected = if media == MEDIA[0] {
            Some(lines(&body))
        } else if media == MEDIA[1] {
            elements(&body)
        } else {
            None
        };
        if let Some((accepted, rejected)) = expected {
            let found = (whole.accepted, whole.rejected);
            ensure!(found == (accepted, rejected), "{whole:?}, and not {accepted} and {rejected}");
            let status = match (accepted, rejected) {
                (0, 0) => 400,
                (0, _) => 422,
                _ => 200,
            };
            ensure!(whole.status == status, "{whole:?}, and not {status}");
        }
        let first = &whole.errors[0];
        Ok(format!(
            "{media} {} {} {}",
            char::from(b'a' + whole.status.to_le_bytes()[0] % 26),
            first["error"],
            whole.detail
        ))
    }
}

fn pieces(body: &Bytes, choice: u8) -> Vec<Bytes> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(u64::from(choice) << 32 | body.len() as u64);
    let most = 1 << (1 + choice / 3 % 9);
    let (mut pieces, mut at) = (Vec::new(), 0);
    while at < body.len() {
        let end = (at + random.random_range(0..most)).min(body.len());
        pieces.push(body.slice(at..end));
        at = end;
    }
    pieces
}

/// How many of the lines are messages, and how many are anything else.
fn lines(body: &[u8]) -> (u64, u64) {
    let (mut accepted, mut rejected) = (0, 0);
    for line in body.split(|&byte| byte == b'\n') {
        let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        if line.len() <= LINE && text.trim_ascii().is_empty() {
            continue;
        }
        let is_message = line.len() <= LINE && wire::parse(line).is_ok();
        *(if is_message { &mut accepted } else { &mut rejected }) += 1;
    }
    (accepted, rejected)
}

/// The same of the elements, of a body that is an array from end to end.
fn elements(body: &[u8]) -> Option<(u64, u64)> {
    let text = str::from_utf8(body).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    // White space behind an element counts as part of it; not told apart here.
    if body.len() > LINE {
        return None;
    }
    let of = |element: &&&RawValue| wire::parse(element.get().as_bytes()).is_ok();
    let accepted = elements.iter().filter(of).count() as u64;
    Some((accepted, elements.len() as u64 - accepted))
}
