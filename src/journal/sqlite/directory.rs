//! What there is of a data directory for who does not serve it. The seam of the
//! tools to SQLite: they get a directory by name, and what it gives them.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::backup;
use super::filling::Filling;
use super::half_made::HalfMade;
use super::reading::{self, Reading};
use super::settings::{FILE, Synchronous};
use super::takeover::Takeover;
use super::{files, lent, lock, wal_check};
use crate::journal::{Mark, OpenError};

/// A data directory, which may or may not be there.
#[derive(Clone, Debug)]
pub struct DataDirectory {
    path: PathBuf,
    synchronous: Synchronous,
}

impl DataDirectory {
    /// The one at `path`, whose commits were synced.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), synchronous: Synchronous::Full }
    }

    /// The same, but its commits were not synced: what a power cut left is only told.
    #[must_use]
    pub fn not_synced(self) -> Self {
        Self { synchronous: Synchronous::Normal, ..self }
    }

    /// Opens it to be read, as it is; `None` if nothing is kept there.
    ///
    /// # Errors
    /// When a start would refuse it.
    pub fn read(&self) -> Result<Option<Reading>, OpenError> {
        reading::open(&self.path, self.synchronous)
    }

    /// Begins to fill it; it must be empty or not be there.
    ///
    /// # Errors
    /// When it is not empty, or cannot be written to.
    pub fn fill(&self) -> Result<Filling, OpenError> {
        Filling::begin(HalfMade::begin(&self.path)?)
    }

    /// Takes it, to have what another node has stored put in place of what is there.
    /// Makes it if it is not there.
    ///
    /// # Errors
    /// When somebody serves it, or it cannot be written to.
    pub fn take_over(&self) -> Result<Takeover, OpenError> {
        Takeover::begin(&self.path, self.synchronous)
    }

    /// A copy to be given away of what this process serves, as it is at one moment, and
    /// how far the log of a cluster is part of it. It is on the disk as long as it is
    /// open. One at a time.
    ///
    /// # Errors
    /// When something cannot be read or written.
    pub fn lend(&self) -> Result<(File, Option<Mark>), OpenError> {
        lent::lend(&self.path)
    }

    /// Copies it to the directory `to`, which must be empty or not be there; whoever
    /// serves it goes on meanwhile, and may come and go. `progress` hears how many
    /// pages of how many are copied.
    ///
    /// # Errors
    /// When nothing is kept here, `to` is not empty, or something cannot be read or
    /// written.
    pub fn back_up(&self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), OpenError> {
        let file = self.path.join(FILE);
        if !file.try_exists().unwrap_or_default() {
            return Err(OpenError::Nothing { directory: self.path.clone() });
        }
        // While it is served that is its own business, and the log is being written.
        if lock::ReadersLock::take(&self.path)?.is_ok() {
            files::refuse_a_part(&file)?;
            wal_check::refuse_damage(&file, self.synchronous)?;
        }
        backup::copy(&file, HalfMade::begin(to)?, progress)
    }
}
