//! The flags of the change feed.

use std::num::NonZeroUsize;

use clap::Args;

use super::parse::count;
use crate::fleet::feed::hub::FeedLimits;

/// Each has a connection, and takes some 0.2 MiB while it reads slowly: 20 GiB.
const MOST_SUBSCRIBERS: u64 = 100_000;

/// More than a connection carries.
const FASTEST: u64 = 1_000_000;

/// As they are typed.
#[derive(Debug, Args)]
pub struct EventArguments {
    /// Subscribers of GET /events at a time; beyond it 503
    #[arg(long, env = "DOWNLINK_MAX_SUBSCRIBERS", value_name = "N", default_value = "1000", value_parser = count::<MOST_SUBSCRIBERS>)]
    max_subscribers: NonZeroUsize,

    /// Rockets a second that each of them is told of; of a rocket that changes more
    /// often the latest
    #[arg(long, env = "DOWNLINK_EVENTS_MAX_RATE", value_name = "N", default_value = "1000", value_parser = count::<FASTEST>)]
    events_max_rate: NonZeroUsize,
}

impl EventArguments {
    /// What the rest of the program gets.
    pub fn validate(&self) -> FeedLimits {
        FeedLimits { subscribers: self.max_subscribers.get(), rate: self.events_max_rate.get() }
    }
}
