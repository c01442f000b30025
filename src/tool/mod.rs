//! The subcommands that are not the service: what operators do with its
//! configuration and its data directory. Each ends by itself, and serves nothing.
//!
//! Owns what they print, and the exit code. Does not own what a data directory
//! holds (`journal`, `fleet::kept`), nor how anything is typed (`config::invocation`).
//!
//! * `backup`: a copy of a data directory that is served.
//! * `check`: whether a start would succeed.
//! * `cluster_status`: how the nodes of a cluster are.
//! * `export`, `import`: a fleet as lines of JSON; `lines`, `format`: those lines, and
//!   what stands in them.
//! * `error`: why one did not do what it was to do, and its exit code.
//! * `progress`: how far long work is, on a terminal.
//!
//! A new one is a variant of [`Tool`], a file, and an arm below.

mod backup;
mod check;
mod cluster_status;
mod error;
mod export;
mod format;
mod import;
pub mod lines;
mod progress;
mod words;

use std::io::ErrorKind;
use std::process::ExitCode;

use self::error::{ToolError, print};
use crate::app::status;
use crate::config::LogFormat;
use crate::config::invocation::Tool;
use crate::logging;

/// Does it, and says why not if it cannot be done.
#[must_use]
pub fn run(tool: Tool) -> ExitCode {
    // What is odd about what is read is told there.
    let _log = logging::start(LogFormat::Text, "warn");
    let done = match tool {
        Tool::Check(config, sources) => check::run(&config, &sources),
        Tool::Config(listing) => print(&listing),
        Tool::Export { from, output } => export::run(&from, output.as_deref()),
        Tool::Import { input, to } => import::run(input, &to),
        Tool::ClusterStatus { engine, json } => cluster_status::run(&engine, json),
        Tool::ClusterRemove { engine, node } => status::remove(&engine, &node)
            .map_err(ToolError::Cluster)
            .and_then(|()| print(&format!("{node} counts no more\n"))),
        Tool::Backup { from, to } => backup::run(from, &to),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Who reads no further has what he wants.
            let is_gone = matches!(&error, ToolError::Output { error, .. }
                if error.kind() == ErrorKind::BrokenPipe);
            if !is_gone {
                logging::say(&format!("error: {error}"));
            }
            error.exit_code()
        }
    }
}
