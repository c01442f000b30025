//! The values of flags that are one of a few.

use std::fmt;

use clap::ValueEnum;

/// What an acknowledged message survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// A power cut: it is on the device before it is acknowledged
    Fsync,
    /// The end of the process in any way, but not a power cut: the operating
    /// system has it before it is acknowledged
    Os,
    /// Nothing: it is kept in memory, and no file is written
    Memory,
}

impl fmt::Display for Durability {
    /// As it is spelled on the command line.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
            Self::Memory => "memory",
        })
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}
