//! A data directory that is read as it is, by who does not serve it. Owns that
//! nothing in it is changed, not even made; does not own what is read
//! (`recovery`).
//!
//! Of a directory that is served this is one moment of it, in a transaction that is
//! held until the end: the log grows meanwhile. Of any other, it is what a start
//! would find, and none can come in between.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::lock::ReadersLock;
use super::open::cannot_open;
use super::settings::{FILE, Synchronous};
use super::tables::Tables;
use super::{files, half_made, mark, recovery, wal, wal_check};
use crate::journal::{Mark, OpenError, Recovered};

/// How long to wait for a lock of the service's, which has none for long.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// What stays as it is in a path within a URI.
const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_');

/// A data directory, open to be read.
#[derive(Debug)]
pub struct Reading {
    file: PathBuf,
    connection: Connection,
    /// None where its reader keeps others out by another lock.
    lock: Result<Option<ReadersLock>, String>,
}

/// Opens the directory; `None` if nothing is kept in it.
pub(super) fn open(
    directory: &Path,
    synchronous: Synchronous,
) -> Result<Option<Reading>, OpenError> {
    let failed = |error| OpenError::Directory { path: directory.to_owned(), error };
    if !directory.try_exists().map_err(failed)? {
        return Ok(None);
    }
    let lock = ReadersLock::take(directory)?.map(Some);
    half_made::refuse(directory)?;
    found(directory, synchronous, lock)
}

/// Opens a directory that the caller has the lock of; `None` if nothing is kept in it.
pub(super) fn held(
    directory: &Path,
    synchronous: Synchronous,
) -> Result<Option<Reading>, OpenError> {
    found(directory, synchronous, Ok(None))
}

/// Opens a database that is whole, whatever else there is.
pub(super) fn whole(file: &Path) -> Result<Reading, OpenError> {
    let connection = alone(file).map_err(|error| cannot_open(file, error))?;
    let reading = Reading { file: file.to_owned(), connection, lock: Ok(None) };
    reading.tables().check_format()?;
    Ok(reading)
}

fn found(
    directory: &Path,
    synchronous: Synchronous,
    lock: Result<Option<ReadersLock>, String>,
) -> Result<Option<Reading>, OpenError> {
    let file = directory.join(FILE);
    let failed = |error| OpenError::Directory { path: directory.to_owned(), error };
    if !file.try_exists().map_err(failed)? {
        return Ok(None);
    }
    let opened = if lock.is_ok() {
        files::refuse_a_part(&file)?;
        wal_check::refuse_damage(&file, synchronous)?;
        alone(&file)
    } else {
        beside(&file)
    };
    let connection = opened.map_err(|error| cannot_open(&file, error))?;
    let is_new = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(0)? == 0);
    let is_new = connection.query_row("SELECT count(*) FROM sqlite_schema", [], is_new);
    // A start that was cut off made the file, and no table yet.
    if is_new.map_err(|error| cannot_open(&file, error))? {
        return Ok(None);
    }
    let reading = Reading { file, connection, lock };
    reading.tables().check_format()?;
    Ok(Some(reading))
}

/// Opens a database that nobody else has open, without a file beside it that is not
/// there yet.
fn alone(file: &Path) -> rusqlite::Result<Connection> {
    if fs::metadata(wal::path(file)).is_ok_and(|log| log.len() > 0) {
        // Where nobody else is, the index of the log needs no file.
        let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        return Ok(connection);
    }
    let absolute =
        std::path::absolute(file).map_err(|_| rusqlite::Error::InvalidPath(file.to_owned()))?;
    let path = percent_encode(absolute.as_os_str().as_bytes(), IN_PATHS);
    let uri = PathBuf::from(format!("file:{path}?immutable=1"));
    open_with(&uri, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
}

/// Opens a database that somebody else may write to meanwhile, as it is now.
pub(super) fn beside(file: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.execute_batch("BEGIN")?;
    // The moment is that of the first look.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

fn connect(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    // An absolute path is not taken for a URI.
    let absolute =
        std::path::absolute(file).map_err(|_| rusqlite::Error::InvalidPath(file.to_owned()))?;
    open_with(&absolute, flags)
}

fn open_with(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // The last to close would bring the log into the database, and delete it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(LOCK_WAIT)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

impl Reading {
    /// Who serves the directory meanwhile, if anybody does.
    #[must_use]
    pub fn served_by(&self) -> Option<&str> {
        self.lock.as_ref().err().map(String::as_str)
    }

    /// Reads everything back, as a start does.
    ///
    /// # Errors
    /// As [`crate::journal::OpenedJournal::recover`].
    pub fn recover(
        &self,
        sink: &mut dyn FnMut(Recovered) -> ControlFlow<()>,
    ) -> Result<(), OpenError> {
        recovery::recover(self.tables(), sink)
    }

    /// The version of the tables.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn version(&self) -> Result<i64, OpenError> {
        let version = self.connection.pragma_query_value(None, "user_version", |row| row.get(0));
        version.map_err(|error| cannot_open(&self.file, error))
    }

    /// Rows of the journal: commits since what was stored.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub fn journal_rows(&self) -> Result<u64, OpenError> {
        let rows = self.tables().journal_range()?;
        Ok(rows.next - rows.first)
    }

    /// How far the log of a cluster is part of it, if it is a node's.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn mark(&self) -> Result<Option<Mark>, OpenError> {
        mark::read(self.tables())
    }

    /// Whether there is a rocket in it, or a commit.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn is_empty(&self) -> Result<bool, OpenError> {
        let any = "SELECT EXISTS (SELECT 1 FROM rockets) OR EXISTS (SELECT 1 FROM journal)";
        let any = self.connection.query_row(any, [], |row| row.get::<_, bool>(0));
        any.map(|any| !any).map_err(|error| cannot_open(&self.file, error))
    }

    /// The bytes of the database, and of its log.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (files::length_of(&self.file), files::length_of(&wal::path(&self.file)))
    }

    fn tables(&self) -> Tables<'_> {
        Tables { file: &self.file, connection: &self.connection }
    }
}
