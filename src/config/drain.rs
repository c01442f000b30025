//! The flag about the time between the order to stop and the stop. Owns what was
//! typed; does not own what happens in it (`app.rs`).

use std::time::Duration;

use clap::Args;

use super::parse::time_or_zero;

/// As clap reads it.
#[derive(Args, Debug)]
pub struct DrainArguments {
    /// How long to go on serving when told to stop, with /readyz at 503 already, so
    /// that load balancers send no more; --shutdown-timeout begins after it
    #[arg(long, env = "DOWNLINK_DRAIN_DELAY", value_name = "TIME", default_value = "0s", value_parser = time_or_zero)]
    pub drain_delay: Duration,
}
