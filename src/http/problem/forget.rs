//! The errors of forgetting a rocket.

use warp::http::StatusCode;

use super::{Kind, Problem};
use crate::fleet::outcome::{ForgetError, ForgetRefusal};

impl From<ForgetError> for Problem {
    fn from(error: ForgetError) -> Self {
        let detail = error.to_string();
        let kind = match error {
            ForgetError::NotAnswered(error) => return error.into(),
            ForgetError::Refused(ForgetRefusal::Unknown) => return Self::not_found(detail),
            ForgetError::Refused(ForgetRefusal::NotKept(_)) => Kind::NotKept,
            ForgetError::Refused(ForgetRefusal::NotNow(_)) | ForgetError::Unavailable(_) => {
                Kind::Unavailable
            }
            ForgetError::NotArchived(_) => Kind::NotArchived,
            ForgetError::Busy => Kind::InboxFull,
            ForgetError::TimedOut | ForgetError::Lost => Kind::NotAcknowledged,
            ForgetError::Refused(ForgetRefusal::HeardOf) => {
                unreachable!("who asks for it by hand does not say how the rocket must be")
            }
        };
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, detail).of(kind)
    }
}
