//! What can be wrong, for programs. Owns the kinds and their URI references; does
//! not own statuses and texts.

use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// What is wrong, for programs. What each means to a client is in docs/API.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    BadTarget,
    BadTransferCoding,
    BadHost,
    ForeignHost,
    CrossOrigin,
    TokenMissing,
    TokenInvalid,
    TokenOfTheOtherSide,
    BadParameter,
    NotJson,
    BrokenBody,
    DamagedBody,
    NoMessage,
    NotFound,
    MethodNotAllowed,
    BodyTooSlow,
    BodyTooLarge,
    UnsupportedMediaType,
    InvalidMessage,
    EveryLineRejected,
    RocketBufferFull,
    FleetBufferFull,
    InboxFull,
    FleetFull,
    LinesLeft,
    NotAcknowledged,
    NotKept,
    TooManyRequests,
    NotAnswered,
    Unavailable,
    BodyBytesHeld,
    AnswerBytesHeld,
    TooManyConnections,
    PlainHttp,
    ClientTooFast,
    ClientConnections,
    NotAwaited,
    TooManySubscribers,
    NoAdminToken,
    NotArchived,
    /// As RFC 9457 has it: no more than the status says.
    Blank,
}

impl Kind {
    /// As the service describes itself.
    pub fn schema() -> Schema {
        let uris = Self::URIS.map(|(_, uri)| uri).into_iter().chain(["about:blank"]);
        let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(uris));
        text.description(Some("Which error it is, for programs.")).into()
    }

    /// All that have a meaning of their own, and their URI references, which never
    /// change.
    const URIS: [(Self, &'static str); 40] = [
        (Self::BadTarget, "/problems/bad-target"),
        (Self::BadTransferCoding, "/problems/bad-transfer-coding"),
        (Self::BadHost, "/problems/bad-host"),
        (Self::ForeignHost, "/problems/foreign-host"),
        (Self::CrossOrigin, "/problems/cross-origin"),
        (Self::TokenMissing, "/problems/token-missing"),
        (Self::TokenInvalid, "/problems/token-invalid"),
        (Self::TokenOfTheOtherSide, "/problems/token-of-the-other-side"),
        (Self::BadParameter, "/problems/bad-parameter"),
        (Self::NotJson, "/problems/not-json"),
        (Self::BrokenBody, "/problems/broken-body"),
        (Self::DamagedBody, "/problems/damaged-body"),
        (Self::NoMessage, "/problems/no-message"),
        (Self::NotFound, "/problems/not-found"),
        (Self::MethodNotAllowed, "/problems/method-not-allowed"),
        (Self::BodyTooSlow, "/problems/body-too-slow"),
        (Self::BodyTooLarge, "/problems/body-too-large"),
        (Self::UnsupportedMediaType, "/problems/unsupported-media-type"),
        (Self::InvalidMessage, "/problems/invalid-message"),
        (Self::EveryLineRejected, "/problems/every-line-rejected"),
        (Self::RocketBufferFull, "/problems/rocket-buffer-full"),
        (Self::FleetBufferFull, "/problems/fleet-buffer-full"),
        (Self::InboxFull, "/problems/inbox-full"),
        (Self::FleetFull, "/problems/fleet-full"),
        (Self::LinesLeft, "/problems/lines-left"),
        (Self::NotAcknowledged, "/problems/not-acknowledged"),
        (Self::NotKept, "/problems/not-kept"),
        (Self::TooManyRequests, "/problems/too-many-requests"),
        (Self::NotAnswered, "/problems/not-answered"),
        (Self::Unavailable, "/problems/unavailable"),
        (Self::BodyBytesHeld, "/problems/body-bytes-held"),
        (Self::AnswerBytesHeld, "/problems/answer-bytes-held"),
        (Self::TooManyConnections, "/problems/too-many-connections"),
        (Self::PlainHttp, "/problems/plain-http"),
        (Self::ClientTooFast, "/problems/client-too-fast"),
        (Self::ClientConnections, "/problems/client-connections"),
        (Self::NotAwaited, "/problems/not-awaited"),
        (Self::TooManySubscribers, "/problems/too-many-subscribers"),
        (Self::NoAdminToken, "/problems/no-admin-token"),
        (Self::NotArchived, "/problems/not-archived"),
    ];

    /// Its URI reference.
    #[must_use]
    pub fn uri(self) -> &'static str {
        // In the order of their numbers, and the one without is the last.
        Self::URIS.get(self as usize).map_or("about:blank", |(_, uri)| uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_uri_and_a_line_in_the_contract() {
        let contract = include_str!("../../../docs/API.md");
        for (at, (kind, uri)) in Kind::URIS.into_iter().enumerate() {
            assert_eq!((kind as usize, kind.uri()), (at, uri));
            let lines = contract.lines().filter(|line| line.starts_with(&format!("| `{uri}` |")));
            assert_eq!(lines.count(), 1, "{uri}");
        }
    }
}
