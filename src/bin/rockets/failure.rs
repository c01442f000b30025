//! Why a request was not acknowledged: how it reads, and by which name it is
//! counted. Does not own what is tried again (`retries`).

use std::time::Duration;

use humantime::format_duration;
use hyper::StatusCode;

/// Why a request was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the server answered {status}{}", after_colon(detail))]
    Answered { status: StatusCode, detail: String },
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// `reused` when it had served before: then the server may just have
    /// closed an idle connection while the request was on its way.
    #[error("the connection closed before the answer")]
    Closed { reused: bool },
    #[error("no answer within {}", format_duration(*.0))]
    TimedOut(Duration),
    /// One line of several.
    #[error("the server rejected a line: {detail}")]
    LineRejected { detail: String, retry: bool },
    /// The answer to several lines came through, but not what it says of each.
    #[error("the server's answer does not say which lines it rejected")]
    Unsaid,
}

fn after_colon(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

impl Failure {
    pub fn closed(_: hyper::Error) -> Self {
        Self::Closed { reused: false }
    }

    /// A short name to count by: the status, or what happened.
    pub fn cause(&self) -> String {
        match self {
            Self::Answered { status, .. } => status.as_str().to_owned(),
            Self::Connect(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                "connection refused".to_owned()
            }
            Self::Connect(_) => "cannot connect".to_owned(),
            Self::Closed { .. } => "connection closed".to_owned(),
            Self::TimedOut(_) => "timed out".to_owned(),
            Self::LineRejected { retry: true, .. } => "line refused for now".to_owned(),
            Self::LineRejected { retry: false, .. } => "line rejected".to_owned(),
            Self::Unsaid => "not said whether rejected".to_owned(),
        }
    }

    /// Whether another service may well do better.
    pub fn is_of_the_service(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Closed { .. } | Self::TimedOut(_) => true,
            Self::Answered { status, .. } => status.is_server_error(),
            Self::LineRejected { .. } | Self::Unsaid => false,
        }
    }

    /// Whether the same request would most likely be refused again: the server
    /// understood it and said no, and not because of its load.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Answered { status, .. } => {
                !status.is_server_error()
                    && !matches!(
                        *status,
                        StatusCode::REQUEST_TIMEOUT
                            | StatusCode::TOO_EARLY
                            | StatusCode::TOO_MANY_REQUESTS
                    )
            }
            Self::LineRejected { retry, .. } => !retry,
            _ => false,
        }
    }
}
