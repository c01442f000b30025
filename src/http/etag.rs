//! Entity tags: whether what a client has is still what there is (RFC 9110,
//! 8.8.3 and 13.1.2). Does not own the counts that they are made of.
//!
//! Tags are weak: equal ones stand for the same state of the fleet, and a
//! listing that is streamed while the fleet changes may show a later one.

use std::hash::{BuildHasher, RandomState};

use warp::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use super::problem::Problem;
use crate::fleet::view::RocketView;

/// Sets this run's tags apart from those of other runs, whose counts began
/// anew.
#[derive(Clone, Copy, Debug)]
pub struct Epoch(u64);

/// What stands between the quotes of a tag.
#[derive(Debug)]
pub struct Tag(String);

impl Epoch {
    /// An epoch of its own: 64 random bits.
    #[must_use]
    pub fn random() -> Self {
        // The standard library's keys are random, and nothing else hangs on them.
        Self(RandomState::new().hash_one(()))
    }

    /// As it stands in what is told of it.
    #[must_use]
    pub fn text(self) -> String {
        format!("{:x}", self.0)
    }

    /// Of what depends on the whole fleet. `version` must be read before
    /// anything else is: then the answer is never older than its tag.
    #[must_use]
    pub fn of_fleet(self, version: u64) -> Tag {
        Tag(format!("{:x}-{version}", self.0))
    }

    /// Of what is part of the program. Another program is another run.
    #[must_use]
    pub fn of_build(self) -> Tag {
        Tag(format!("{:x}", self.0))
    }

    /// Of one rocket: a hash of all that is shown of it, since what else tells its
    /// states apart may come again with a rocket that was forgotten.
    #[must_use]
    pub fn of_rocket(self, rocket: &RocketView) -> Tag {
        let shown = serde_json::to_vec(rocket).expect("texts and numbers always serialise");
        let [one, other] =
            [0, 1].map(|seed| ahash::RandomState::with_seeds(self.0, seed, 0, 0).hash_one(&shown));
        Tag(format!("{:x}-{one:016x}{other:016x}", self.0))
    }
}

impl Tag {
    /// The answer to a request for what is there: 304 if the client has it
    /// already, or else what `make` makes, with this tag.
    ///
    /// # Errors
    /// Those of `make`.
    pub async fn answer(
        self,
        headers: &HeaderMap,
        make: impl Future<Output = Result<Response, Problem>>,
    ) -> Result<Response, Problem> {
        let mut response = if self.is_known(headers) {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            make.await?
        };
        let value = HeaderValue::from_str(&format!("W/\"{}\"", self.0))
            .expect("a tag is made of digits, letters and dashes");
        let headers = response.headers_mut();
        headers.insert(ETAG, value);
        // Else a cache on the way may answer for a while without asking.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Ok(response)
    }

    /// Whether who asks has what this tag names.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        is_named(headers, &self.0)
    }
}

/// Whether `If-None-Match` names this tag, weak or strong, or is `*`. No tag of
/// ours has a comma, so the list can be split at each.
#[must_use]
pub fn is_named(headers: &HeaderMap, opaque: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().map(HeaderValue::as_bytes).any(|value| {
        let names_it = |tag: &[u8]| {
            let tag = tag.trim_ascii();
            let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
            let text = tag.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
            text == Some(opaque.as_bytes())
        };
        value.trim_ascii() == b"*" || value.split(|&byte| byte == b',').any(names_it)
    })
}
