//! The flags about rockets that are not wanted any more.

use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};

use super::choices::Durability;
use super::parse::long_time;
use crate::fleet::retention::Policy;

/// What is left of a rocket that is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Forgotten {
    /// A line of JSON in a file below the data directory, archive/forgotten-DAY.ndjson
    Archive,
    /// Nothing
    Drop,
}

/// As they are typed.
#[derive(Debug, Args)]
pub struct RetentionArguments {
    /// Time after which an exploded rocket is forgotten of which nothing was heard
    /// meanwhile
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_FORGET_EXPLODED_AFTER", value_name = "TIME", value_parser = long_time)]
    forget_exploded_after: Option<Duration>,

    /// What is left of a rocket that is forgotten, be it for its time or by DELETE
    ///
    /// [default: archive, or drop with --durability memory]
    #[arg(long, env = "DOWNLINK_FORGOTTEN", value_enum, ignore_case = true)]
    forgotten: Option<Forgotten>,
}

impl RetentionArguments {
    /// What is valid of it.
    ///
    /// # Errors
    /// When there is nowhere to archive anything.
    pub fn validate(&self, durability: Durability) -> Result<Policy, clap::Error> {
        let has_directory = durability != Durability::Memory;
        if self.forgotten == Some(Forgotten::Archive) && !has_directory {
            let error = "--forgotten archive needs a data directory, and there is none with \
                         --durability memory";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, error));
        }
        let archives = has_directory && self.forgotten != Some(Forgotten::Drop);
        Ok(Policy { after: self.forget_exploded_after, archives })
    }
}
