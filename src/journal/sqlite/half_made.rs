//! A new data directory whose database is not all there yet. Owns that nobody
//! takes it for a whole one; does not own what is written.
//!
//! Until it is whole and on the disk, the database has another name, with `.part`
//! behind it; a start refuses a directory with such a file. What was cut off is
//! removed by who makes it again, and by who gives it up.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::lock::{self, DirectoryLock};
use super::settings::FILE;
use super::wal;
use crate::journal::OpenError;

/// What the name of a database has behind it until it is whole.
const PART: &str = ".part";

/// What a new file system has at its top.
const LOST_AND_FOUND: &str = "lost+found";

/// A database that is being made.
#[derive(Debug)]
pub(super) struct HalfMade {
    directory: PathBuf,
    /// Kept from being served meanwhile.
    _lock: DirectoryLock,
}

/// Refuses a directory in which a database is half made.
///
/// # Errors
/// [`OpenError::HalfMade`].
pub(super) fn refuse(directory: &Path) -> Result<(), OpenError> {
    let file = part(directory);
    match file.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(OpenError::HalfMade { file }),
        Err(error) => Err(OpenError::Directory { path: file, error }),
    }
}

pub(super) fn part(directory: &Path) -> PathBuf {
    directory.join(format!("{FILE}{PART}"))
}

/// Whether a file is ours, and goes when the database is made again.
fn is_leftover(name: &str) -> bool {
    name.strip_prefix(FILE).is_some_and(|rest| rest.starts_with(PART))
}

impl HalfMade {
    /// Begins to make one in `directory`, which is created if it is not there.
    ///
    /// # Errors
    /// When there is anything else in it, or it cannot be used.
    pub fn begin(directory: &Path) -> Result<Self, OpenError> {
        // Before anything is written to it.
        refuse_others(directory)?;
        let lock = DirectoryLock::take(directory)?;
        refuse_others(directory)?;
        let made = Self { directory: directory.to_owned(), _lock: lock };
        made.remove().map_err(|error| made.failed(error))?;
        Ok(made)
    }

    /// The file to be made.
    pub fn part(&self) -> PathBuf {
        part(&self.directory)
    }

    /// Gives it its name, once all of it is on the disk. Nobody may have it open.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn complete(self) -> Result<(), OpenError> {
        let part = self.part();
        let complete = || {
            if fs::metadata(wal::path(&part)).is_ok_and(|log| log.len() > 0) {
                return Err(io::Error::other("its log was left"));
            }
            File::open(&part)?.sync_all()?;
            fs::rename(&part, self.directory.join(FILE))?;
            File::open(&self.directory)?.sync_all()
        };
        complete().map_err(|error| OpenError::Directory { path: part.clone(), error })
    }

    fn failed(&self, error: io::Error) -> OpenError {
        OpenError::Directory { path: self.directory.clone(), error }
    }

    fn remove(&self) -> io::Result<()> {
        remove(&self.directory).map(drop)
    }
}

/// Removes what is left of one that was cut off, and says whether anything was. The
/// caller has the directory's lock.
pub(super) fn remove(directory: &Path) -> io::Result<bool> {
    let mut any = false;
    for name in names(directory)? {
        if is_leftover(&name) {
            fs::remove_file(directory.join(name))?;
            any = true;
        }
    }
    Ok(any)
}

impl Drop for HalfMade {
    /// Of one that is complete nothing is left to be removed.
    fn drop(&mut self) {
        // Who comes next removes it too.
        let _ = self.remove();
    }
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(directory)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

fn refuse_others(directory: &Path) -> Result<(), OpenError> {
    let names = match names(directory) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::Directory { path: directory.to_owned(), error }),
    };
    let is_other =
        |name: &String| !is_leftover(name) && name != lock::FILE && name != LOST_AND_FOUND;
    match names.into_iter().find(is_other) {
        Some(found) => Err(OpenError::NotEmpty { directory: directory.to_owned(), found }),
        None => Ok(()),
    }
}
