//! The errors of requests that are not admitted. Owns how they read, and not
//! when they are due (`http::access`).

use warp::http::header::WWW_AUTHENTICATE;
use warp::http::{HeaderValue, StatusCode};

use super::{Kind, Problem};
use crate::http::access::host::HostError;
use crate::http::routes::Scope;
use crate::telemetry::shown::Quoted;

impl Problem {
    /// 403: another site's page wants to change something.
    #[must_use]
    pub fn cross_origin() -> Self {
        let detail = "another site's page may not send this (Sec-Fetch-Site, Origin)";
        Self::new(StatusCode::FORBIDDEN, detail).of(Kind::CrossOrigin)
    }

    /// 401: the route needs a token, and none was sent.
    #[must_use]
    pub fn token_missing() -> Self {
        let detail = "a token is needed: Authorization: Bearer TOKEN";
        Self::new(StatusCode::UNAUTHORIZED, detail)
            .of(Kind::TokenMissing)
            .asking("Bearer realm=\"downlink\"")
    }

    /// 401: what was sent is no token, or not any more.
    #[must_use]
    pub fn token_invalid() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "the token is not valid")
            .of(Kind::TokenInvalid)
            .asking("Bearer realm=\"downlink\", error=\"invalid_token\"")
    }

    /// 403: the token is good, and not for this.
    #[must_use]
    pub fn token_of_the_other_side(needed: Scope) -> Self {
        let detail = match needed {
            Scope::Ingest => "the token is not for sending messages",
            Scope::Read | Scope::Open => "the token is not for reading",
            Scope::Operate => "the token is not for deciding about the fleet",
        };
        Self::new(StatusCode::FORBIDDEN, detail)
            .of(Kind::TokenOfTheOtherSide)
            .asking("Bearer realm=\"downlink\", error=\"insufficient_scope\"")
    }

    /// 403: there is no token with which this would be done.
    #[must_use]
    pub fn no_admin_token() -> Self {
        let detail = "this needs a token of operators, and there is none: start the service with \
                      --admin-token-file, or ask on an address of --admin-listen";
        Self::new(StatusCode::FORBIDDEN, detail).of(Kind::NoAdminToken)
    }

    /// With what to send instead.
    fn asking(self, challenge: &'static str) -> Self {
        Self { header: Some((WWW_AUTHENTICATE, HeaderValue::from_static(challenge))), ..self }
    }
}

impl From<HostError> for Problem {
    fn from(error: HostError) -> Self {
        let (status, kind) = match error {
            HostError::Foreign(_) => (StatusCode::MISDIRECTED_REQUEST, Kind::ForeignHost),
            _ => (StatusCode::BAD_REQUEST, Kind::BadHost),
        };
        let detail = match error {
            HostError::Missing => "the request has no Host header".to_owned(),
            HostError::Doubled => "the request has more than one Host header".to_owned(),
            HostError::Malformed => "the request's host is no host[:port]".to_owned(),
            HostError::Foreign(host) => {
                format!("the host {} is not served here (--allowed-host)", Quoted(&host))
            }
        };
        Self::new(status, detail).of(kind)
    }
}
