//! What rockets are chosen and ordered by, wherever they stand: in a view that was made
//! of one, or where its roster has it, so that a walk makes views of those alone that
//! it keeps. Does not own the order (`sort`), nor the conditions (`filter`).

use std::sync::Arc;

use crate::fleet::view::{RocketView, Status};
use crate::telemetry::{Channel, Timestamp};

/// What conditions are about. Each is what [`RocketView`] has by that name.
#[expect(missing_docs, reason = "they are the fields of a view")]
pub trait Traits {
    fn id(&self) -> &Channel;
    fn rocket_type(&self) -> &Arc<str>;
    fn mission(&self) -> &Arc<str>;
    fn status(&self) -> Status;
    /// Whether messages wait for an earlier one.
    fn waits(&self) -> bool;
}

/// What orders are made of besides.
#[expect(missing_docs, reason = "they are the fields of a view")]
pub trait Facts: Traits {
    fn launch_time(&self) -> Timestamp;
    fn last_update_time(&self) -> Timestamp;
    fn last_message_number(&self) -> u64;
    fn speed(&self) -> i64;
    fn explosion_reason(&self) -> Option<&Arc<str>>;
    fn buffered_messages(&self) -> usize;
}

impl Traits for RocketView {
    fn id(&self) -> &Channel {
        &self.id
    }

    fn rocket_type(&self) -> &Arc<str> {
        &self.rocket_type
    }

    fn mission(&self) -> &Arc<str> {
        &self.mission
    }

    fn status(&self) -> Status {
        self.status
    }

    fn waits(&self) -> bool {
        self.buffered_messages > 0
    }
}

impl Facts for RocketView {
    fn launch_time(&self) -> Timestamp {
        self.launch_time
    }

    fn last_update_time(&self) -> Timestamp {
        self.last_update_time
    }

    fn last_message_number(&self) -> u64 {
        self.last_message_number
    }

    fn speed(&self) -> i64 {
        self.speed
    }

    fn explosion_reason(&self) -> Option<&Arc<str>> {
        self.explosion_reason.as_ref()
    }

    fn buffered_messages(&self) -> usize {
        self.buffered_messages as usize
    }
}
