//! The flag about messages that do not come, and behind it those about rockets that
//! are not wanted any more (`retention`).

use std::time::Duration;

use clap::Args;

use super::parse::time;
use super::retention::RetentionArguments;

/// As it is typed.
#[derive(Debug, Args)]
pub struct GapArguments {
    /// Time after which a message that others of its rocket wait for is declared
    /// lost, so that they count; it does not count any more when it comes
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_GAP_TIMEOUT", value_name = "TIME", value_parser = time)]
    pub gap_timeout: Option<Duration>,

    #[command(flatten)]
    pub retention: RetentionArguments,
}
