//! The errors of declaring lost what a rocket waits for.

use warp::http::StatusCode;

use super::{Kind, Problem};
use crate::fleet::outcome::{SkipError, SkipRefusal};

impl From<SkipError> for Problem {
    fn from(error: SkipError) -> Self {
        let detail = error.to_string();
        let kind = match error {
            SkipError::Refused(SkipRefusal::Unknown) => return Self::not_found(detail),
            SkipError::Refused(SkipRefusal::NothingMissing | SkipRefusal::Another { .. }) => {
                return Self::new(StatusCode::CONFLICT, detail).of(Kind::NotAwaited);
            }
            SkipError::Refused(SkipRefusal::NotKept(_)) => Kind::NotKept,
            SkipError::Refused(SkipRefusal::NotNow(_)) | SkipError::Unavailable(_) => {
                Kind::Unavailable
            }
            SkipError::Busy => Kind::InboxFull,
            SkipError::TimedOut | SkipError::Lost => Kind::NotAcknowledged,
        };
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, detail).of(kind)
    }
}
