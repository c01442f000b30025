//! One process for each data directory.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
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
        make(directory, |parent| File::open(parent)?.sync_all()).map_err(failed)?;
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

/// Makes the directory, and what it is in, level by level, if it is not there; a
/// new one is durable once `sync` was done for the one that it is in. A start that
/// was cut may have left out the sync of the deepest level that is there.
fn make(directory: &Path, mut sync: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
    let missing: Vec<_> = directory.ancestors().take_while(is_missing).collect();
    let deepest = directory.ancestors().nth(missing.len()).unwrap_or(directory);
    match sync(parent(deepest)) {
        // Then it was hardly this service that made it.
        Err(error) if cannot_sync(&error) => {}
        synced => synced?,
    }
    for level in missing.into_iter().rev() {
        // What rockets report is for nobody else on the machine.
        match DirBuilder::new().mode(0o700).create(level) {
            Err(_) if level.is_dir() => {}
            made => made?,
        }
        sync(parent(level))?;
    }
    Ok(())
}

/// What `path` is in.
fn parent(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Whether a directory may be used that its user cannot sync: one that is not to
/// be read, is mounted read-only, or has no such thing.
fn cannot_sync(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | InvalidInput | Unsupported)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    /// Makes `directory`; what is in a directory at its sync is durable then.
    /// Breaks off before a sync when so many were done.
    fn made(directory: &Path, durable: &mut BTreeSet<PathBuf>, syncs: usize) -> io::Result<()> {
        let mut left = syncs;
        make(directory, |parent| {
            left = left.checked_sub(1).ok_or_else(|| io::Error::other("cut"))?;
            for entry in std::fs::read_dir(parent)? {
                durable.insert(entry?.path());
            }
            Ok(())
        })
    }

    #[test]
    fn every_level_of_a_new_directory_is_durable_wherever_a_start_was_cut() {
        for cuts in [&[][..], &[0], &[1], &[2], &[0, 1], &[1, 1], &[0, 0, 0]] {
            let root = tempfile::tempdir().unwrap();
            let levels: Vec<_> =
                ["a", "a/b", "a/b/c"].iter().map(|name| root.path().join(name)).collect();
            let mut durable = BTreeSet::new();
            for &syncs in cuts {
                assert!(made(&levels[2], &mut durable, syncs).is_err(), "{cuts:?}");
            }
            made(&levels[2], &mut durable, usize::MAX).unwrap();
            for level in &levels {
                assert!(durable.contains(level), "after {cuts:?} {} is not", level.display());
                let mode = level.metadata().unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o700, "{}", level.display());
            }
        }
    }

    #[test]
    fn what_was_there_may_be_in_a_directory_that_cannot_be_synced() {
        let root = tempfile::tempdir().unwrap();
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
            make(root.path(), |_| Err(kind.into())).unwrap();
            let new = root.path().join(kind.to_string());
            assert!(make(&new, |_| Err(kind.into())).is_err());
        }
        assert!(make(root.path(), |_| Err(io::Error::from_raw_os_error(5))).is_err());
    }
}
