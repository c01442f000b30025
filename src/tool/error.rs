//! Why a subcommand did not do what it was to do, and the exit code that it has.

use std::io::{self, Write};
use std::process::ExitCode;

use thiserror::Error;

use crate::http::tls::files::TlsError;
use crate::journal::OpenError;

/// Why a subcommand did not do what it was to do.
#[derive(Debug, Error)]
pub enum ToolError {
    /// The data directory is not as it should be, or cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file of certificates cannot be used: the configuration is bad.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The log of a cluster cannot be read.
    #[error("{0}")]
    Cluster(String),
    /// What was to be written could not be.
    #[error("cannot write to {to}: {error}")]
    Output {
        /// The file, or what else it is.
        to: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// What is to be imported is not what was exported.
    #[error("{from}:{line}: {problem}")]
    Input {
        /// The file, or what else it is.
        from: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
}

impl ToolError {
    /// With which code the program ends.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if matches!(self, Self::Tls(_)) { 2 } else { 1 })
    }
}

/// Writes a text to standard output.
///
/// # Errors
/// When it cannot be written.
pub fn print(text: &str) -> Result<(), ToolError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(to_standard_output)
}

/// That it could not be written to.
pub fn to_standard_output(error: io::Error) -> ToolError {
    ToolError::Output { to: "standard output".to_owned(), error }
}
