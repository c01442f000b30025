//! Every error that a client can get, as `application/problem+json`.
//!
//! Owns the one table from errors to status codes, and not the errors of the
//! fleet and of the wire, which say themselves what they are. Those of access are
//! made in `access`, a part of this; those of decisions in `gaps` and `forget`.

mod access;
mod forget;
mod gaps;
mod kind;

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;
use warp::http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER};
use warp::http::{HeaderName, HeaderValue, Method, StatusCode};
use warp::reply::Response;

pub(in crate::http) use self::kind::Kind;
use super::access::headers;
use super::codings::DecodeError;
use super::held::NoRoom;
use crate::fleet::outcome::{NoCopy, QueryError, Refusal, SubmitError, Unavailable};
use crate::fleet::refusals::Reached;
use crate::telemetry::wire::WireError;

/// Seconds after which a refused client may try again: the time in which an
/// inbox drains and a missing message may arrive.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// An answer that is not a success (RFC 9457).
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    kind: Kind,
    detail: String,
    /// Members of the body beyond those of every problem.
    extension: Option<Box<serde_json::Value>>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// What every error is told as (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Body<'a> {
    #[schema(schema_with = Kind::schema)]
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    /// Where the clients of the original service look.
    error: &'a str,
    #[serde(flatten)]
    #[schema(ignore)]
    extension: Option<Box<serde_json::Value>>,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let kind = usual_kind(status);
        Self { status, kind, detail: detail.into(), extension: None, header: None }
    }

    /// As [`Problem::new`], for what may go well later.
    fn for_now(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { header: Some((RETRY_AFTER, RETRY_AFTER_SECONDS)), ..Self::new(status, detail) }
    }

    /// Of another kind than problems with this status usually are.
    fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// With further members of the body.
    pub(super) fn with(self, members: &impl Serialize) -> Self {
        let members = serde_json::to_value(members).expect("texts and numbers always serialise");
        Self { extension: Some(Box::new(members)), ..self }
    }

    /// The request's target names a host, and nothing there.
    #[must_use]
    pub fn no_path() -> Self {
        let detail = "the target of the request has no path";
        Self::new(StatusCode::BAD_REQUEST, detail).of(Kind::BadTarget)
    }

    /// 501: the body is sent in a transfer coding that is not taken.
    #[must_use]
    pub fn unknown_transfer_coding() -> Self {
        let detail = "the Transfer-Encoding is another than chunked; compressed bodies need \
                      Content-Encoding";
        Self::new(StatusCode::NOT_IMPLEMENTED, detail).of(Kind::BadTransferCoding)
    }

    /// 400: where the body ends depends on who reads it.
    #[must_use]
    pub fn doubtful_transfer_coding() -> Self {
        let detail = "the Transfer-Encoding names chunked more than once, or an empty coding";
        Self::new(StatusCode::BAD_REQUEST, detail).of(Kind::BadTransferCoding)
    }

    /// A query parameter that is unknown or has a bad value.
    #[must_use]
    pub fn bad_parameter(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail).of(Kind::BadParameter)
    }

    /// 404: the path is known, and what it names is not.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 405: the path has only these methods, which the `Allow` header lists.
    #[must_use]
    pub fn method_not_allowed(allowed: &[&Method]) -> Self {
        let allowed: Vec<_> = allowed.iter().map(|method| method.as_str()).collect();
        let allowed = allowed.join(", ");
        let detail = format!("this path allows only {allowed}");
        let allow = HeaderValue::from_str(&allowed).expect("methods are tokens");
        Self { header: Some((ALLOW, allow)), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, detail) }
    }

    /// 413: the body has more than `limit` bytes, or announces more.
    #[must_use]
    pub fn body_too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    /// 415: the body is text of another kind than UTF-8.
    #[must_use]
    pub fn foreign_charset() -> Self {
        let detail = "the content type names a charset other than UTF-8, which JSON is in";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    }

    /// 415: the body is compressed in another way than those that
    /// `Accept-Encoding` lists, or in too many.
    #[must_use]
    pub fn unknown_coding() -> Self {
        let detail = "the body's Content-Encoding is none of gzip, zstd and deflate, \
                      or more than three of them";
        let codings = HeaderValue::from_static("gzip, zstd, deflate");
        let header = Some((ACCEPT_ENCODING, codings));
        Self { header, ..Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail) }
    }

    /// 400: a body that should hold many messages holds none. Most likely what
    /// made it is broken, and must not take that for success.
    #[must_use]
    pub fn no_message() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "the body holds no message").of(Kind::NoMessage)
    }

    /// With what the client may have meant.
    #[must_use]
    pub fn hinting(mut self, hint: &str) -> Self {
        self.detail = format!("{}; {hint}", self.detail);
        self
    }

    /// No line of many was accepted: the sender's fault, unless all of them may
    /// go well later.
    #[must_use]
    pub fn every_line_rejected(retry: bool, tally: &impl Serialize) -> Self {
        let problem = if retry {
            Self::for_now(StatusCode::SERVICE_UNAVAILABLE, "every message was refused for now")
        } else {
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "every message was rejected")
        };
        problem.of(Kind::EveryLineRejected).with(tally)
    }

    /// The lines before took so long that the rest was not taken.
    #[must_use]
    pub fn lines_left(tally: &impl Serialize) -> Self {
        let detail = "not all lines were taken in time; what was is counted here; send all again";
        let problem = Self::for_now(StatusCode::SERVICE_UNAVAILABLE, detail);
        problem.of(Kind::LinesLeft).with(tally)
    }

    /// 503: bodies that are not all there hold as much as they may.
    #[must_use]
    pub fn too_many_bytes_held() -> Self {
        let detail = "unfinished bodies hold too much (--max-body-bytes-held)";
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, detail).of(Kind::BodyBytesHeld)
    }

    /// 503: answers that were not taken yet hold as much as they may.
    #[must_use]
    pub fn too_many_bytes_unsent() -> Self {
        let detail = "answers that are not read yet hold too much (--max-answer-bytes-held)";
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, detail).of(Kind::AnswerBytesHeld)
    }

    /// 503: the answer could not be put together.
    #[must_use]
    pub fn answer_broken(detail: impl std::fmt::Display) -> Self {
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, detail.to_string()).of(Kind::NotAnswered)
    }

    /// 503: no request of many messages had its turn in time to give it to this.
    #[must_use]
    pub fn too_many_bulk_requests() -> Self {
        let detail = "too many requests of many messages are being read";
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, detail).of(Kind::TooManyRequests)
    }

    /// 408: the body came too slowly.
    #[must_use]
    pub fn body_too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time (--request-timeout, --min-body-rate)",
        )
    }

    /// 400: the body ended early or breaks the rules of HTTP.
    fn body_broken(detail: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("the body could not be read: {detail}"))
            .of(Kind::BrokenBody)
    }

    /// 503: all places for connections are taken, and those to wait for one too.
    #[must_use]
    pub fn too_many_connections() -> Self {
        let detail = "too many connections are open (--max-connections)";
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, detail).of(Kind::TooManyConnections)
    }

    /// 429: a client sends more than it may; what it may send next, after so long.
    #[must_use]
    pub fn too_fast(wait: Duration) -> Self {
        let detail = "this client sends too much (--max-rate-per-client)";
        // Whole ones, and not a moment too soon.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let header = Some((RETRY_AFTER, HeaderValue::from(seconds.max(1))));
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, detail).of(Kind::ClientTooFast);
        Self { header, ..problem }
    }

    /// 429: a client has as many connections as it may.
    #[must_use]
    pub fn too_many_connections_of_client() -> Self {
        let detail = "this client has too many connections (--max-connections-per-client)";
        Self::for_now(StatusCode::TOO_MANY_REQUESTS, detail).of(Kind::ClientConnections)
    }

    /// 503: as many listen to what changes as may.
    #[must_use]
    pub fn too_many_subscribers(reached: &Reached) -> Self {
        reached.tell();
        let detail = "as many subscribers listen to what changes as may (--max-subscribers)";
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, detail).of(Kind::TooManySubscribers)
    }

    /// Which error it is.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// 400: plain HTTP came where TLS is spoken.
    #[must_use]
    pub fn plain_http() -> Self {
        let detail = "this port speaks HTTPS, and plain HTTP came: use https://";
        Self::new(StatusCode::BAD_REQUEST, detail).of(Kind::PlainHttp)
    }

    /// The whole answer as bytes, where there is nobody to write it. The last one
    /// of its connection.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        let retry = match self.header.take() {
            Some((name, value)) => format!("{name}: {}\r\n", value.to_str().unwrap_or_default()),
            None => String::new(),
        };
        let status = self.status;
        let body = self.into_json();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\n\
             content-length: {length}\r\n{retry}connection: close\r\n{}\r\n{body}",
            headers::lines()
        );
        answer.into_bytes()
    }

    /// The body of the answer.
    fn into_json(self) -> String {
        let body = Body {
            r#type: self.kind.uri(),
            title: self.status.canonical_reason().expect("each status here has a name"),
            status: self.status.as_u16(),
            detail: &self.detail,
            error: &self.detail,
            extension: self.extension,
        };
        let mut json = serde_json::to_string(&body).expect("texts and numbers always serialise");
        json.push('\n');
        json
    }

    /// The answer.
    #[must_use]
    pub fn into_response(mut self) -> Response {
        let (status, header) = (self.status, self.header.take());
        let mut response = Response::new(self.into_json().into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(header);
        headers::protect(headers);
        response
    }
}

impl From<warp::Error> for Problem {
    fn from(error: warp::Error) -> Self {
        Self::body_broken(error)
    }
}

impl From<hyper::Error> for Problem {
    fn from(error: hyper::Error) -> Self {
        Self::body_broken(error)
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        let problem = Self::body_broken(&error);
        match error {
            DecodeError::Broken(_) => problem,
            DecodeError::NoRoom => Self::too_many_bytes_held(),
            DecodeError::Damaged(_) | DecodeError::CutOff(_) | DecodeError::Hollow => {
                problem.of(Kind::DamagedBody)
            }
            DecodeError::Stopping => {
                Self::for_now(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
        }
    }
}

impl From<WireError> for Problem {
    fn from(error: WireError) -> Self {
        let status = match error {
            WireError::NotJson(_) => StatusCode::BAD_REQUEST,
            WireError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.to_string())
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        let (status, kind) = match &error {
            SubmitError::Refused(Refusal::RocketBufferFull { .. }) => {
                (StatusCode::TOO_MANY_REQUESTS, Kind::RocketBufferFull)
            }
            SubmitError::Refused(Refusal::FleetBufferFull { .. }) => {
                (StatusCode::TOO_MANY_REQUESTS, Kind::FleetBufferFull)
            }
            SubmitError::Refused(Refusal::FleetFull { .. }) => (UNAVAILABLE, Kind::FleetFull),
            SubmitError::Refused(Refusal::NotKept(_)) => (UNAVAILABLE, Kind::NotKept),
            SubmitError::Refused(Refusal::NotNow(_)) | SubmitError::Unavailable(_) => {
                (UNAVAILABLE, Kind::Unavailable)
            }
            SubmitError::Busy => (UNAVAILABLE, Kind::InboxFull),
            SubmitError::NotTaken => (UNAVAILABLE, Kind::LinesLeft),
            SubmitError::TimedOut | SubmitError::Lost => (UNAVAILABLE, Kind::NotAcknowledged),
        };
        let detail = error.to_string();
        let problem = if error.may_pass() {
            Self::for_now(status, detail)
        } else {
            Self::new(status, detail)
        };
        problem.of(kind)
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let kind = match &error {
            QueryError::Unavailable(_) | QueryError::Stopping => Kind::Unavailable,
            QueryError::TooManyCollected | QueryError::Busy(_) => Kind::TooManyRequests,
            QueryError::TimedOut(_) | QueryError::NotMade | QueryError::Stopped(_) => {
                Kind::NotAnswered
            }
        };
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).of(kind)
    }
}

impl From<NoCopy> for Problem {
    fn from(error: NoCopy) -> Self {
        let kind = match &error {
            NoCopy::Busy => Kind::TooManyRequests,
            NoCopy::Failed(_) => Kind::NotAnswered,
        };
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).of(kind)
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<NoRoom> for Problem {
    fn from(_: NoRoom) -> Self {
        Self::too_many_bytes_held()
    }
}

/// What a problem with this status is, unless it says otherwise.
fn usual_kind(status: StatusCode) -> Kind {
    match status {
        StatusCode::BAD_REQUEST => Kind::NotJson,
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => Kind::BodyTooSlow,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::UnsupportedMediaType,
        StatusCode::UNPROCESSABLE_ENTITY => Kind::InvalidMessage,
        StatusCode::TOO_MANY_REQUESTS => Kind::TooManyRequests,
        StatusCode::SERVICE_UNAVAILABLE => Kind::Unavailable,
        _ => Kind::Blank,
    }
}
