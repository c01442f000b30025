//! What etcd's errors mean to who uses the log.
//!
//! Owns the one table from etcd's and gRPC's codes and texts to [`LogError`]. The codes
//! are by number, since only etcd's client, not the library below it, is ours to name.

use etcd_client::Error;

use super::super::LogError;

const INVALID_ARGUMENT: i32 = 3;
const PERMISSION_DENIED: i32 = 7;
const RESOURCE_EXHAUSTED: i32 = 8;
const FAILED_PRECONDITION: i32 = 9;
const OUT_OF_RANGE: i32 = 11;
const DATA_LOSS: i32 = 15;
const UNAUTHENTICATED: i32 = 16;

/// What etcd says of a revision that somebody compacted.
const COMPACTED: &str = "has been compacted";

/// What a library says of a certificate that it does not like, or the other side of ours.
const CERTIFICATE: [&str; 3] = ["peer certificate", "fatal alert", "CertificateRequired"];

/// What an error of this member means.
pub fn of(endpoint: &str, error: &Error) -> LogError {
    let says = |text: String| format!("etcd at {endpoint}: {text}");
    let Error::GRpcStatus(status) = error else {
        return match error {
            Error::InvalidArgs(_) | Error::InvalidUri(_) => {
                LogError::Refused(says(error.to_string()))
            }
            _ => LogError::Unreachable(says(chain(error))),
        };
    };
    let message = status.message();
    let text = says(shortened(message));
    match status.code() as i32 {
        RESOURCE_EXHAUSTED if message.contains("database space exceeded") => LogError::Full(text),
        RESOURCE_EXHAUSTED if message.contains("larger than max") => LogError::Refused(text),
        // A token from before somebody changed the users: a new one will do.
        INVALID_ARGUMENT if message.contains("auth store is old") => LogError::Unreachable(text),
        INVALID_ARGUMENT | PERMISSION_DENIED | FAILED_PRECONDITION | UNAUTHENTICATED => {
            LogError::Refused(text)
        }
        DATA_LOSS => LogError::Corrupt(text),
        _ => {
            let causes = chain(status);
            if CERTIFICATE.iter().any(|of| causes.contains(of)) {
                LogError::Refused(says(causes))
            } else {
                LogError::Unreachable(says(causes))
            }
        }
    }
}

/// Whether it is about a revision that is history.
pub fn is_compacted(error: &Error) -> bool {
    let Error::GRpcStatus(status) = error else { return false };
    status.code() as i32 == OUT_OF_RANGE && status.message().contains(COMPACTED)
}

/// An error and what is behind it, for those whose own text says nothing.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let first = error.downcast_ref::<Error>().map_or_else(|| own(error), ToString::to_string);
    let mut text = shortened(&first);
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// A status shows its code and details too, a screen full.
fn own(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    let message = text.split_once("message: \"").and_then(|(_, rest)| rest.split('"').next());
    message.map_or(text.clone(), str::to_owned)
}

fn shortened(message: &str) -> String {
    message.trim_start_matches("etcdserver: ").to_owned()
}
