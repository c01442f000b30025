//! The database: opening it, and writing one transaction. The format stands in
//! the module above; the table of rockets is `rocket_row`'s.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, params};
use thiserror::Error;
use tracing::warn;

use super::files::{Files, Names};
use super::mark;
use super::open::{
    begin_wal, cannot_open, connect, create_tables, drop_leftovers, is_refusal, make_private,
};
use super::rocket_row;
use super::settings::Synchronous;
pub use super::tables::JournalRange;
use super::tables::Tables;
use super::wal::{self, ProbeError, Wal};
use crate::journal::{Mark, OpenError, RocketSnapshot, record};

/// How long a commit waits for somebody else's lock before it is refused: a look
/// with another tool goes unnoticed, and senders hear of more than that in time.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Everything that becomes durable together.
#[derive(Debug, Default)]
pub struct Transaction {
    /// The journal's next row, and the entries for it; no row if there are none.
    pub seq: u64,
    /// The entries of all records, one after the other (`journal::record`).
    pub records: Vec<u8>,
    /// Rockets to store, each in place of what is stored of it.
    pub rockets: Vec<RocketSnapshot>,
    /// Rows of rockets that are gone; what is stored in them comes after.
    pub discarded: Vec<u32>,
    /// Rows of the journal to forget, from the first on, up to and including.
    pub trim: Option<u64>,
    /// How far the log of a cluster is part of what is stored with this.
    pub mark: Option<Mark>,
}

/// Why a transaction was not written, or is not known to be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StorageError {
    /// It was not written, and the next one may be.
    #[error("{0}")]
    Refused(String),
    /// Nobody knows what is written, and nothing may be after that.
    #[error("{0}")]
    Failed(String),
}

/// Writes transactions. A seam, so that tests can inject faults.
pub trait Storage: Send + 'static {
    /// Writes one transaction; durable when this returns.
    ///
    /// # Errors
    /// When it may not be durable.
    fn commit(&mut self, transaction: &Transaction) -> Result<(), StorageError>;

    /// Finds out whether it would take a transaction, without leaving a trace.
    ///
    /// # Errors
    /// When it would not.
    fn probe(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// The open database.
#[derive(Debug)]
pub struct Database {
    file: PathBuf,
    pub(super) connection: Connection,
    /// From which on a WAL checkpoint is set to be made.
    wal_pages: i64,
    wal: Wal,
    /// Dropped after the connection.
    files: Files,
}

impl Database {
    /// Opens the database, and creates it if there is none.
    ///
    /// # Errors
    /// When it cannot be opened, is no database, or has an unknown version.
    pub fn open(file: &Path, synchronous: Synchronous) -> Result<Self, OpenError> {
        make_private(file)
            .map_err(|error| OpenError::Directory { path: file.to_owned(), error })?;
        let failed = |error| cannot_open(file, error);
        let mut connection = connect(file).map_err(failed)?;
        // Which would delete the WAL: `Database::close` does both, in order.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .map_err(failed)?;
        let synchronous = match synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
        wal::configure(&connection).map_err(failed)?;
        create_tables(&mut connection).map_err(failed)?;
        Tables { file, connection: &connection }.check_format()?;
        // What is refused now is done by a later start.
        let later = |done: rusqlite::Result<rusqlite::Result<()>>| {
            done.and_then(|done| done.or_else(unless_refused)).map_err(failed)
        };
        later(at_once(&connection, || begin_wal(&connection)))?;
        let directory_error = |error| OpenError::Directory { path: file.to_owned(), error };
        let files = Files::of(file).map_err(directory_error)?;
        let (wal_pages, wal) = (wal::PAGES, Wal::of(file));
        let database = Self { file: file.to_owned(), connection, wal_pages, wal, files };
        // SQLite would count a mark that was left as a page, if the WAL is empty.
        if database.is_whole().map_err(failed)? {
            database.files.unmark().map_err(directory_error)?;
        }
        let connection = &database.connection;
        later(at_once(connection, || drop_leftovers(connection)))?;
        Ok(database)
    }

    /// Makes ready for transactions, as [`Storage::probe`] does; `Err` within if
    /// there can be none for now.
    ///
    /// # Errors
    /// When nothing may be written at all.
    pub fn prepare(&mut self) -> Result<Result<(), StorageError>, OpenError> {
        let Self { file, connection, wal, .. } = self;
        let probed = at_once(connection, || wal.probe(connection));
        let probed = probed.map_err(|error| cannot_open(file, error))?;
        match self.told(probed) {
            Err(error @ StorageError::Failed(_)) => {
                Err(OpenError::Open { file: self.file.clone(), error: error.into() })
            }
            prepared => Ok(prepared),
        }
    }

    /// Brings what is in the WAL into the database file. Whether that was all:
    /// not while somebody reads what was before.
    fn is_whole(&self) -> rusqlite::Result<bool> {
        let copied = |row: &rusqlite::Row| Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?);
        match self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], copied) {
            Err(error) if is_refusal(&error) => Ok(false),
            whole => whole,
        }
    }

    /// From now on commits are acknowledged.
    ///
    /// # Errors
    /// When the files cannot be made ready for it.
    pub(super) fn begin(&mut self) -> Result<(), OpenError> {
        self.files.begin().map_err(|error| OpenError::Directory { path: self.file.clone(), error })
    }

    /// What the names of its files must lead to.
    pub(super) fn names(&self) -> Names {
        self.files.names()
    }

    /// Brings everything into the database file, so that the WAL can go. Left
    /// alone are files that are not ours any more: SQLite deletes the WAL by its
    /// name. What cannot be done now, the next start does.
    fn close(&self) -> rusqlite::Result<()> {
        if !self.files.are_there() {
            return Ok(());
        }
        if self.is_whole()? && self.files.unmark().is_ok() {
            let no_checkpoint = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            self.connection.set_db_config(no_checkpoint, false)?;
        }
        Ok(())
    }

    /// The rows of the journal.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn journal_range(&self) -> Result<JournalRange, OpenError> {
        self.tables().journal_range()
    }

    /// To be read.
    pub(super) fn tables(&self) -> Tables<'_> {
        Tables { file: &self.file, connection: &self.connection }
    }

    fn unknown(&self, error: &impl Display) -> StorageError {
        StorageError::Failed(format!("{}: {error}", self.file.display()))
    }

    fn set_wal_pages(&mut self, pages: i64) -> rusqlite::Result<()> {
        if self.wal_pages != pages {
            self.connection.pragma_update(None, "wal_autocheckpoint", pages)?;
            self.wal_pages = pages;
        }
        Ok(())
    }

    fn write(&mut self, transaction: &Transaction) -> rusqlite::Result<()> {
        let Transaction { seq, records, rockets, discarded, trim, mark } = transaction;
        self.set_wal_pages(if rockets.is_empty() && discarded.is_empty() {
            wal::PAGES
        } else {
            wal::PAGES_STORING
        })?;
        // Not by `Connection::transaction`, which prepares both anew each time.
        let tx = &self.connection;
        tx.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        if !records.is_empty() {
            tx.prepare_cached("INSERT INTO journal VALUES (?1, ?2)")?
                .execute(params![row_number(*seq), record::block(*seq, &[records])])?;
        }
        rocket_row::discard(tx, discarded)?;
        rocket_row::write(tx, rockets)?;
        if let Some(last) = trim {
            tx.prepare_cached("DELETE FROM journal WHERE seq <= ?1")?
                .execute([row_number(*last)])?;
            let updated = tx
                .prepare_cached("UPDATE meta SET first_seq = ?1")?
                .execute([row_number(last + 1)])?;
            assert_eq!(updated, 1, "meta has one row");
        }
        if let Some(mark) = mark {
            mark::write(tx, mark)?;
        }
        tx.prepare_cached("COMMIT")?.execute([]).map(drop)
    }

    /// How a probe ended, as it is told.
    fn told(&self, probed: Result<(), ProbeError>) -> Result<(), StorageError> {
        probed.map_err(|error| match error {
            ProbeError::Sqlite(error) => self.failure(&error),
            ProbeError::Sync(error) => self.unknown(&error),
        })
    }

    /// What a failure means, and its text.
    fn failure(&self, error: &rusqlite::Error) -> StorageError {
        let hint = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => ": another program holds the lock for writing",
            Some(ErrorCode::DiskFull) => ": there is no room",
            Some(_) if is_refusal(error) => {
                ": a write was refused; is there room, and a limit on the size of files?"
            }
            _ => "",
        };
        let text = format!("{}: {error}{hint}", self.file.display());
        if is_refusal(error) { StorageError::Refused(text) } else { StorageError::Failed(text) }
    }
}

impl Storage for Box<dyn Storage> {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), StorageError> {
        (**self).commit(transaction)
    }

    fn probe(&mut self) -> Result<(), StorageError> {
        (**self).probe()
    }
}

impl Storage for Database {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), StorageError> {
        if let Err(error) = self.write(transaction) {
            // Whatever it was, no lock stays behind.
            wal::roll_back(&self.connection).map_err(|error| self.unknown(&error))?;
            return Err(self.failure(&error));
        }
        self.files.committed().map_err(|error| StorageError::Failed(error.to_string()))?;
        self.wal.look();
        Ok(())
    }

    fn probe(&mut self) -> Result<(), StorageError> {
        let probed = self.wal.probe(&self.connection);
        self.told(probed)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            warn!(file = %self.file.display(), %error, "the log stays; the next start reads it");
        }
    }
}

/// Does something that waits for nobody's lock: nobody is to hold up a start.
fn at_once<T>(connection: &Connection, what: impl FnOnce() -> T) -> rusqlite::Result<T> {
    connection.busy_timeout(Duration::ZERO)?;
    let done = what();
    connection.busy_timeout(LOCK_WAIT)?;
    Ok(done)
}

/// A refusal is no failure of what can be done later.
fn unless_refused(error: rusqlite::Error) -> rusqlite::Result<()> {
    if is_refusal(&error) { Ok(()) } else { Err(error) }
}

/// The number of a row of the journal, as SQLite has it.
fn row_number(seq: u64) -> i64 {
    i64::try_from(seq).expect("commits are counted, and no process makes 2^63 of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(seq: u64) -> Transaction {
        Transaction { seq, records: vec![0], ..Transaction::default() }
    }

    #[test]
    fn a_failed_transaction_leaves_no_lock() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.db");
        let mut database = Database::open(&file, Synchronous::Full).unwrap();
        assert_eq!(database.prepare().unwrap(), Ok(()));
        database.commit(&transaction(1)).unwrap();
        let twice = database.commit(&transaction(1));
        assert!(matches!(twice, Err(StorageError::Failed(_))), "{twice:?}");
        let other = Connection::open(&file).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let locked = database.probe();
        assert!(matches!(locked, Err(StorageError::Refused(_))), "{locked:?}");
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(database.probe(), Ok(()));
        assert_eq!(database.journal_range().unwrap(), JournalRange { first: 1, next: 2 });
    }

    #[test]
    fn the_log_is_made_long_and_the_database_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.db");
        let mut database = Database::open(&file, Synchronous::Full).unwrap();
        assert_eq!(database.prepare().unwrap(), Ok(()));
        let bytes = |path: &Path| std::fs::metadata(path).unwrap().len();
        assert!(bytes(&wal::path(&file)) >= 1000 * 4096);
        drop(database);
        assert!(bytes(&file) < 100_000);
    }
}
