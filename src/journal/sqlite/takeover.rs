//! A node's directory that gets what another node has stored, in place of what is
//! there. Owns that a kill at any moment leaves what the next start of the node mends
//! by itself; does not own where it comes from, nor when that is to be done.
//!
//! What comes is written to `downlink.db.part`, with which no service alone starts.
//! Once all of it is there, in this order and with a sync after each: the database that
//! is there goes, which is of no use any more; then what SQLite had beside it, which
//! must never come to lie beside another database; then what came gets its name. So a
//! directory with a `.part` has the database of before, or none, and either way the
//! node asks again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tracing::info;

use super::lock::DirectoryLock;
use super::reading;
use super::settings::{FILE, Synchronous};
use super::{half_made, lent};
use crate::journal::{Mark, OpenError};

/// What SQLite has beside a database.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// A directory that nobody serves meanwhile.
#[derive(Debug)]
pub struct Takeover {
    directory: PathBuf,
    synchronous: Synchronous,
    _lock: DirectoryLock,
}

impl Takeover {
    /// Takes the directory, and removes what an earlier one left that was cut off.
    pub(super) fn begin(directory: &Path, synchronous: Synchronous) -> Result<Self, OpenError> {
        let lock = DirectoryLock::take(directory)?;
        let taken = Self { directory: directory.to_owned(), synchronous, _lock: lock };
        lent::remove(directory)?;
        if taken.remove_part()? {
            info!(directory = %directory.display(), "removed what was cut off before all was there");
        }
        if !taken.is_there(FILE)? {
            taken.remove_beside()?;
        }
        Ok(taken)
    }

    /// What this node has stored: how far it had read the log, if it is one, and
    /// whether there is nothing at all.
    ///
    /// # Errors
    /// When a start would refuse it.
    pub fn found(&self) -> Result<(Option<Mark>, bool), OpenError> {
        let Some(reading) = reading::held(&self.directory, self.synchronous)? else {
            return Ok((None, true));
        };
        Ok((reading.mark()?, reading.is_empty()?))
    }

    /// The file for what comes, with nothing in it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn part(&self) -> Result<File, OpenError> {
        self.remove_part()?;
        let path = half_made::part(&self.directory);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.map_err(|error| OpenError::Directory { path, error })
    }

    /// The mark in what came.
    ///
    /// # Errors
    /// When it is no database of ours.
    pub fn came(&self) -> Result<Option<Mark>, OpenError> {
        reading::whole(&half_made::part(&self.directory))?.mark()
    }

    /// Puts what came, and was synced, in place of what is there.
    ///
    /// # Errors
    /// When that cannot be done; the next start mends what it left.
    pub fn replace(self) -> Result<(), OpenError> {
        self.step(|| remove(&self.directory.join(FILE)).map(drop))?;
        self.remove_beside()?;
        let part = half_made::part(&self.directory);
        self.step(|| fs::rename(&part, self.directory.join(FILE)))
    }

    fn remove_beside(&self) -> Result<(), OpenError> {
        let all = || {
            for suffix in BESIDE {
                remove(&self.directory.join(format!("{FILE}{suffix}")))?;
            }
            Ok(())
        };
        self.step(all)
    }

    fn remove_part(&self) -> Result<bool, OpenError> {
        half_made::remove(&self.directory).map_err(|error| self.failed(error))
    }

    fn is_there(&self, name: &str) -> Result<bool, OpenError> {
        self.directory.join(name).try_exists().map_err(|error| self.failed(error))
    }

    /// Does it, and has it on the disk before anything else is done.
    fn step(&self, change: impl FnOnce() -> io::Result<()>) -> Result<(), OpenError> {
        let done = || {
            change()?;
            File::open(&self.directory)?.sync_all()
        };
        done().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> OpenError {
        OpenError::Directory { path: self.directory.clone(), error }
    }
}

/// Removes a file, if it is there; says whether it was.
fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
