//! The journal's files, beside SQLite: whether they are still the ones that
//! their names lead to, and a mark that says that they belong together.
//!
//! # Still there
//!
//! A process goes on writing to a file that was deleted or moved away, and
//! nobody would find again what it writes. So after each commit, and before it
//! is acknowledged, both names must lead to what was opened. [`Names`] lets
//! others look while no commit is made.
//!
//! # The mark
//!
//! What was committed last is in the WAL, and the database file alone is a whole
//! database all the same, with an older state. So that a copy of it alone is not
//! taken for everything, it carries a mark while its WAL matters: some bytes
//! behind its last page, which SQLite does not read. They are
//!
//! * put there before the first message of a run is acknowledged, once the name
//!   of the WAL is durable, so that no power cut leaves a mark without a WAL;
//! * cut off by SQLite itself in a WAL checkpoint that leaves nothing in the
//!   WAL, whoever makes it, and put there again before anything later is
//!   acknowledged;
//! * missing for a while if there is no room for it;
//! * not part of what SQLite's own means of backup copy, which is whole;
//! * gone after a stop, which leaves no WAL.
//!
//! A start refuses a database with the mark that has no WAL beside it; an empty
//! one will do, for who decides so. Does not look into either file.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
#[cfg(not(target_os = "linux"))]
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

#[cfg(target_os = "linux")]
use rustix::fs::{AtFlags, CWD, StatxFlags};
use tracing::warn;

use super::wal;
use crate::journal::OpenError;

/// To be read by people too. No whole number of sectors, as databases are.
const MARK: &[u8; 64] = b"\nA part only: the rest is in downlink.db-wal, beside this file.\n";

/// All page sizes are multiples of it.
const SMALLEST_PAGE: u64 = 512;

/// The files of a database that is open. To be dropped after its connection:
/// when a process closes a file, it loses all of its locks on it.
#[derive(Debug)]
pub struct Files {
    database: Opened,
    /// Not before there is one.
    wal: Option<Opened>,
    /// There was no room for the mark.
    unmarked: bool,
}

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    file: Arc<File>,
    id: Id,
}

/// What the names of a database's files must lead to, for whoever looks from
/// elsewhere. Keeps none of them open, for the reason that [`Files`] has.
#[derive(Debug)]
pub struct Names(Vec<Name>);

#[derive(Debug)]
struct Name {
    path: PathBuf,
    file: Weak<File>,
    id: Id,
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id(u64, u64);

impl Id {
    /// Of the file that a name leads to.
    #[cfg(target_os = "linux")]
    fn of_name(path: &Path) -> io::Result<Self> {
        Self::at(CWD, path, AtFlags::empty())
    }

    #[cfg(target_os = "linux")]
    fn of_open(file: &File) -> io::Result<Self> {
        Self::at(file, Path::new(""), AtFlags::EMPTY_PATH)
    }

    /// Asks for the number alone. Where somebody has asked for a file's times,
    /// Linux notes the next write to the nanosecond, and so each `fdatasync`
    /// writes an inode too: a third more for each commit.
    #[cfg(target_os = "linux")]
    fn at(directory: impl AsFd, path: &Path, flags: AtFlags) -> io::Result<Self> {
        let found = rustix::fs::statx(directory, path, flags, StatxFlags::INO)?;
        Ok(Self(rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino))
    }

    #[cfg(not(target_os = "linux"))]
    fn of_name(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|it| Self(it.dev(), it.ino()))
    }

    #[cfg(not(target_os = "linux"))]
    fn of_open(file: &File) -> io::Result<Self> {
        file.metadata().map(|it| Self(it.dev(), it.ino()))
    }
}

/// How long the file is that a name leads to, without asking for its times (see
/// [`Id`]); 0 if there is none.
pub fn length_of(path: &Path) -> u64 {
    #[cfg(target_os = "linux")]
    let length = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::SIZE);
    #[cfg(target_os = "linux")]
    let length = length.map(|found| found.stx_size);
    #[cfg(not(target_os = "linux"))]
    let length = std::fs::metadata(path).map(|found| found.len());
    length.unwrap_or(0)
}

/// Refuses a database file that was copied without its WAL.
///
/// # Errors
/// [`OpenError::Incomplete`], or when it cannot be read.
pub fn refuse_a_part(database: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::Directory { path: database.to_owned(), error };
    let file = match File::open(database) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let missing = wal::path(database);
    if has_mark(&file).map_err(failed)? && !missing.try_exists().map_err(failed)? {
        return Err(OpenError::Incomplete { file: database.to_owned(), missing });
    }
    Ok(())
}

/// Without asking for its times, see [`Id`].
fn length(mut file: &File) -> io::Result<u64> {
    file.seek(SeekFrom::End(0))
}

fn has_mark(file: &File) -> io::Result<bool> {
    let length = length(file)?;
    let mark = MARK.len() as u64;
    if length % SMALLEST_PAGE != mark {
        return Ok(false);
    }
    let mut end = [0; MARK.len()];
    file.read_exact_at(&mut end, length - mark)?;
    Ok(end == *MARK)
}

impl Files {
    /// Those of a database that was just opened.
    ///
    /// # Errors
    /// When it cannot be opened once more.
    pub fn of(database: &Path) -> io::Result<Self> {
        Ok(Self { database: Opened::open(database)?, wal: None, unmarked: false })
    }

    /// From now on something is acknowledged that is only in the WAL, which is
    /// there by now.
    ///
    /// # Errors
    /// When its name cannot be made durable.
    pub fn begin(&mut self) -> io::Result<()> {
        let directory = self.database.path.parent().filter(|path| !path.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        self.wal = Some(Opened::open(&wal::path(&self.database.path))?);
        self.mark();
        Ok(())
    }

    /// To be called after each commit, before it is acknowledged: looks whether
    /// the files are still there, and renews the mark.
    ///
    /// # Errors
    /// When one is not there any more.
    pub fn committed(&mut self) -> io::Result<()> {
        let Some(wal) = &self.wal else { return Ok(()) };
        self.database.check()?;
        wal.check()?;
        self.mark();
        Ok(())
    }

    /// Whether the names still lead to these files.
    pub fn are_there(&self) -> bool {
        let wal = self.wal.as_ref().is_none_or(|wal| wal.check().is_ok());
        wal && self.database.check().is_ok()
    }

    /// For looks from elsewhere, of what is open by now.
    pub fn names(&self) -> Names {
        let name =
            |it: &Opened| Name { path: it.path.clone(), file: Arc::downgrade(&it.file), id: it.id };
        Names([Some(&self.database), self.wal.as_ref()].into_iter().flatten().map(name).collect())
    }

    /// Puts the mark there, unless it is. Nothing is lost without it as long as
    /// nobody copies one file alone, so a full disk does not end the service: the
    /// next commit tries again.
    fn mark(&mut self) {
        let Opened { path, file, .. } = &self.database;
        let write = || {
            let length = length(file)?;
            if length % SMALLEST_PAGE == MARK.len() as u64 {
                return Ok(());
            }
            // Behind whatever another mark left when the file grew over it.
            file.write_all_at(MARK, length.next_multiple_of(SMALLEST_PAGE))
        };
        let result: io::Result<()> = write();
        if let Err(error) = &result
            && !self.unmarked
        {
            let file = path.display();
            warn!(%file, %error, "a copy of this file alone will not be known as incomplete");
        }
        self.unmarked = result.is_err();
    }

    /// Takes the mark away for good, once nothing is in the WAL alone.
    ///
    /// # Errors
    /// When the file cannot be written to.
    pub fn unmark(&self) -> io::Result<()> {
        let file = &self.database.file;
        if has_mark(file)? {
            file.set_len(length(file)? - MARK.len() as u64)?;
            file.sync_all()?;
        }
        Ok(())
    }
}

impl Opened {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let id = Id::of_open(&file)?;
        Ok(Self { path: path.to_owned(), file: Arc::new(file), id })
    }

    fn check(&self) -> io::Result<()> {
        check(&self.path, self.id, || Some(self.file.clone()))
    }
}

impl Names {
    /// Whether they still lead to the files. May block.
    ///
    /// # Errors
    /// When one does not.
    pub fn check(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|it| check(&it.path, it.id, || it.file.upgrade()))
    }
}

/// Whether `path` still leads to the file that had `id` when it was opened.
fn check(path: &Path, id: Id, open: impl FnOnce() -> Option<Arc<File>>) -> io::Result<()> {
    let gone = |what: &str| {
        let path = path.display();
        Err(io::Error::other(format!("{path} was {what} while the service ran")))
    };
    match Id::of_name(path) {
        Ok(found) if found == id => Ok(()),
        Ok(found) => match open() {
            // Some file systems give an open file another number.
            Some(file) if found != Id::of_open(&file)? => gone("replaced by another file"),
            // It was closed meanwhile, and so it is nobody's business any more.
            Some(_) | None => Ok(()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => gone("deleted or moved away"),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::database::{Database, Storage, Transaction};
    use super::super::settings::Synchronous;
    use super::*;

    fn database() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("downlink.db");
        fs::write(&file, [1; 4096]).unwrap();
        fs::write(wal::path(&file), "").unwrap();
        (directory, file)
    }

    #[test]
    fn the_mark_stays_behind_the_last_page_and_goes() {
        let (_directory, file) = database();
        let mut files = Files::of(&file).unwrap();
        files.begin().unwrap();
        files.committed().unwrap();
        let marked = fs::read(&file).unwrap();
        assert_eq!((marked.len(), &marked[4096..]), (4096 + 64, &MARK[..]));
        refuse_a_part(&file).unwrap();
        fs::rename(wal::path(&file), wal::path(&wal::path(&file))).unwrap();
        let refused = refuse_a_part(&file).unwrap_err().to_string();
        assert!(refused.contains("downlink.db-wal"), "{refused}");
        fs::rename(wal::path(&wal::path(&file)), wal::path(&file)).unwrap();

        // The database grew over it, once by a page and once by a part of one.
        for length in [8192, 8192 + 64 + 10] {
            fs::write(&file, vec![1; length]).unwrap();
            files.committed().unwrap();
            assert!(has_mark(&File::open(&file).unwrap()).unwrap(), "{length}");
        }
        fs::write(&file, [1; 4096]).unwrap();
        files.committed().unwrap();
        files.unmark().unwrap();
        files.unmark().unwrap();
        assert_eq!(fs::read(&file).unwrap(), [1; 4096]);
    }

    #[test]
    fn a_file_that_is_deleted_moved_or_replaced_is_missed() {
        for suffix in ["", "-wal"] {
            let (_directory, file) = database();
            let mut files = Files::of(&file).unwrap();
            files.begin().unwrap();
            let path = format!("{}{suffix}", file.display());
            let moved = format!("{path}.moved");
            fs::rename(&path, &moved).unwrap();
            let error = files.committed().unwrap_err().to_string();
            assert_eq!(error, format!("{path} was deleted or moved away while the service ran"));
            fs::copy(&moved, &path).unwrap();
            let error = files.committed().unwrap_err().to_string();
            assert_eq!(error, format!("{path} was replaced by another file while the service ran"));
            assert!(!files.are_there() && files.names().check().is_err());
            fs::rename(&moved, &path).unwrap();
            files.committed().unwrap();
            files.names().check().unwrap();
        }
    }

    #[test]
    fn a_stop_takes_the_mark_away_also_when_a_checkpoint_was_just_made() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("downlink.db");
        let is_marked = || has_mark(&File::open(&file).unwrap()).unwrap();
        let mut seq = 0;
        for pages in [1, 1000] {
            let mut database = Database::open(&file, Synchronous::Full).unwrap();
            database.prepare().unwrap().unwrap();
            assert!(!is_marked(), "nothing is acknowledged yet");
            database.begin().unwrap();
            database.connection.pragma_update(None, "wal_autocheckpoint", pages).unwrap();
            for _ in 0..3 {
                seq += 1;
                database
                    .commit(&Transaction { seq, records: vec![1; 5000], ..Transaction::default() })
                    .unwrap();
                assert!(is_marked());
            }
            drop(database);
            assert!(!is_marked() && !wal::path(&file).exists(), "{pages}");
        }
    }
}
