//! The flags about the recent past of rockets.

use clap::Args;

use super::memory::MOST_HELD;
use super::parse::{count_or_zero, size};
use crate::fleet::limits::{HistoryLimits, MOST_HISTORY_PER_ROCKET};

const MOST_PER_ROCKET: u64 = MOST_HISTORY_PER_ROCKET as u64;

/// As it is typed.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// Latest messages of each rocket that GET /rockets/{id}/history shows; 0 turns
    /// the history off
    #[arg(
        long,
        env = "DOWNLINK_HISTORY_PER_ROCKET",
        value_name = "MESSAGES",
        default_value = "64",
        value_parser = count_or_zero::<MOST_PER_ROCKET>
    )]
    history_per_rocket: usize,

    /// Memory that the histories of all rockets may take together; beyond it the
    /// oldest messages leave them
    ///
    /// [default: 64MiB, or a thirty-second of --memory-limit]
    #[arg(long, env = "DOWNLINK_HISTORY_MEMORY", value_name = "SIZE", value_parser = size::<MOST_HELD>)]
    history_memory: Option<usize>,
}

impl HistoryArguments {
    /// The bounds, `memory` being that of all rockets where none is given.
    pub fn limits(&self, memory: usize) -> HistoryLimits {
        let memory = self.history_memory.unwrap_or(memory);
        HistoryLimits { per_rocket: self.history_per_rocket, memory }
    }
}
