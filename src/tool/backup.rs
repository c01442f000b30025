//! `downlink backup`: a copy of a data directory that is served. Owns what is said of
//! it; the copy is the journal's.

use std::path::{Path, PathBuf};

use super::error::{ToolError, print};
use super::progress::Progress;
use crate::journal::sqlite::DataDirectory;

/// Copies the data directory `from` to `to`.
///
/// # Errors
/// When nothing is kept there, `to` is not empty, or something cannot be read or
/// written.
pub fn run(from: PathBuf, to: &Path) -> Result<(), ToolError> {
    let progress = Progress::of("pages copied");
    DataDirectory::at(from).back_up(to, &mut |done, all| progress.show(done, Some(all)))?;
    progress.end();
    print(&format!("the backup is complete: {}\n", to.display()))
}
