//! One process for each data directory.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::journal::OpenError;

/// The file in it that is locked, too, and says who has it.
pub(super) const FILE: &str = "lock";

/// Holds a data directory until it is dropped, or the process ends in whatever
/// way: the operating system keeps the locks, and no file's content does.
///
/// Both the directory and a file in it are locked. The file may be deleted, by
/// somebody who takes it for left over, and another be made in its place; the
/// directory cannot be without its database. But not every file system can lock
/// a directory, and what only looks at the file must be kept out as well.
#[derive(Debug)]
pub struct DirectoryLock {
    _directory: Option<File>,
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
        let path = directory.join(FILE);
        let in_use = || OpenError::InUse { path: directory.to_owned(), holder: holder(&path) };
        let locked = match File::open(directory).map(|file| (file.try_lock(), file)) {
            Ok((Ok(()), file)) => Some(file),
            Ok((Err(TryLockError::WouldBlock), _)) => return Err(in_use()),
            // It is not to be read, or its file system cannot do that: NFS. The
            // file has to do, then.
            Ok((Err(TryLockError::Error(_)), _)) | Err(_) => None,
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => return Err(in_use()),
        }
        // Only said to help whoever is refused; the lock does not depend on it,
        // and a disk may have no room for it.
        let note = format!("process {}", std::process::id());
        let _ = file.set_len(0).and_then(|()| file.write_all(note.as_bytes()));
        Ok(Self { _directory: locked, _file: file })
    }
}

/// Keeps whoever would serve a data directory out of it, while it is read. Writes
/// nothing, and others may read at the same time.
#[derive(Debug)]
pub struct ReadersLock(#[expect(dead_code, reason = "held, not used")] [Option<File>; 2]);

impl ReadersLock {
    /// Takes the directory, which is there; or says who serves it.
    ///
    /// # Errors
    /// When the directory cannot be looked at.
    pub fn take(directory: &Path) -> Result<Result<Self, String>, OpenError> {
        let failed = |error| OpenError::Directory { path: directory.to_owned(), error };
        let note = directory.join(FILE);
        let mut held = [None, None];
        for (held, path) in held.iter_mut().zip([directory, &note]) {
            *held = match File::open(path).map(|file| (file.try_lock_shared(), file)) {
                Ok((Ok(()), file)) => Some(file),
                Ok((Err(TryLockError::WouldBlock), _)) => return Ok(Err(holder(&note))),
                // As for who serves it: one of both will do.
                Ok((Err(TryLockError::Error(_)), _)) => None,
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(failed(error)),
            };
        }
        Ok(Ok(Self(held)))
    }
}

/// Who has the directory, as far as its file says.
fn holder(file: &Path) -> String {
    let read = std::fs::read_to_string(file).ok().filter(|holder| !holder.is_empty());
    read.unwrap_or_else(|| "another process".to_owned())
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
