//! One process for each data directory.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::journal::OpenError;

/// Holds a data directory until it is dropped, or the process ends in whatever
/// way: the operating system keeps the lock, not the file's content.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the directory, and creates it if there is none.
    ///
    /// # Errors
    /// When another process has it, or it cannot be created or written to.
    pub fn take(directory: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Directory { path: directory.to_owned(), error };
        if !directory.is_dir() {
            // What rockets report is for nobody else on the machine.
            let mut private = DirBuilder::new();
            private.recursive(true).mode(0o700).create(directory).map_err(failed)?;
            // A new directory is durable once the one that it is in is.
            let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = File::open(parent.unwrap_or(Path::new("."))).map_err(failed)?;
            parent.sync_all().map_err(failed)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join("lock"))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = file.read_to_string(&mut holder).is_ok() && !holder.is_empty();
                let holder = if read { holder } else { "another process".to_owned() };
                return Err(OpenError::InUse { path: directory.to_owned(), holder });
            }
        }
        // Only said to help whoever is refused; the lock does not depend on it,
        // and a disk may have no room for it.
        let note = format!("process {}", std::process::id());
        let _ = file
            .rewind()
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.write_all(note.as_bytes()));
        Ok(Self { _file: file })
    }
}
