//! The database: opening it, and writing one transaction. The format stands in
//! the module above; the table of rockets is `rocket_row`'s.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi, params};
use thiserror::Error;
use tracing::warn;

use super::rocket_row;
use super::settings::Synchronous;
use super::wal::{self, ProbeError, Wal};
use crate::journal::{OpenError, RocketSnapshot, record};

/// `user_version` of the format.
pub const VERSION: i64 = 1;

/// Marks the file as ours for tools such as `file`: "dnlk".
const APPLICATION_ID: i64 = 0x646e_6c6b;

/// In the order in which the tables are created.
const SCHEMA: [&str; 3] = [
    "CREATE TABLE journal (seq INTEGER PRIMARY KEY, records BLOB NOT NULL);",
    rocket_row::CREATE_TABLE,
    "
    CREATE TABLE meta (only INTEGER PRIMARY KEY CHECK (only = 1), first_seq INTEGER NOT NULL);
    INSERT INTO meta VALUES (1, 1);
    ",
];

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
    /// Rows of the journal to forget, from the first on, up to and including.
    pub trim: Option<u64>,
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
    pub(super) file: PathBuf,
    pub(super) connection: Connection,
    /// From which on a WAL checkpoint is set to be made.
    wal_pages: i64,
    wal: Wal,
}

/// The rows of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalRange {
    /// The lowest row that was not forgotten, whether it is there yet or not.
    pub first: u64,
    /// The row that comes next.
    pub next: u64,
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
        let synchronous = match synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
        wal::configure(&connection).map_err(failed)?;
        create_tables(&mut connection).map_err(failed)?;
        check_owner(file, &connection)?;
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed)?;
        if found != VERSION {
            return Err(OpenError::Version { file: file.to_owned(), found, known: VERSION });
        }
        // What is refused now is done by a later start.
        at_once(&connection, || tidy_up(&connection).or_else(unless_refused))
            .and_then(|tidied| tidied)
            .map_err(failed)?;
        Ok(Self { file: file.to_owned(), connection, wal_pages: wal::PAGES, wal: Wal::of(file) })
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

    /// The rows of the journal.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn journal_range(&self) -> Result<JournalRange, OpenError> {
        let read = || -> rusqlite::Result<(i64, Option<i64>)> {
            let first: i64 =
                self.connection.query_row("SELECT first_seq FROM meta", [], |row| row.get(0))?;
            let last: Option<i64> =
                self.connection.query_row("SELECT max(seq) FROM journal", [], |row| row.get(0))?;
            Ok((first, last))
        };
        let (first, last) = read().map_err(|error| self.corrupt("meta and journal", &error))?;
        let rows = u64::try_from(first).ok().filter(|&first| first >= 1).and_then(|first| {
            let next = match last {
                Some(last) => u64::try_from(last.checked_add(1)?).ok()?,
                None => first,
            };
            (next >= first).then_some(JournalRange { first, next })
        });
        rows.ok_or_else(|| {
            let last = last.map_or("no row".to_owned(), |last| format!("row {last}"));
            self.corrupt("meta", &format!("first_seq is {first}, and the journal ends with {last}"))
        })
    }

    fn unknown(&self, error: &impl Display) -> StorageError {
        StorageError::Failed(format!("{}: {error}", self.file.display()))
    }

    pub(super) fn corrupt(&self, place: &str, problem: &impl ToString) -> OpenError {
        OpenError::Corrupt {
            file: self.file.clone(),
            place: place.to_owned(),
            problem: problem.to_string(),
        }
    }

    fn set_wal_pages(&mut self, pages: i64) -> rusqlite::Result<()> {
        if self.wal_pages != pages {
            self.connection.pragma_update(None, "wal_autocheckpoint", pages)?;
            self.wal_pages = pages;
        }
        Ok(())
    }

    fn write(&mut self, transaction: &Transaction) -> rusqlite::Result<()> {
        let Transaction { seq, records, rockets, trim } = transaction;
        self.set_wal_pages(if rockets.is_empty() { wal::PAGES } else { wal::PAGES_STORING })?;
        // Not by `Connection::transaction`, which prepares both anew each time.
        let tx = &self.connection;
        tx.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        if !records.is_empty() {
            tx.prepare_cached("INSERT INTO journal VALUES (?1, ?2)")?
                .execute(params![row_number(*seq), record::block(*seq, &[records])])?;
        }
        if !rockets.is_empty() {
            rocket_row::write(tx, rockets)?;
        }
        if let Some(last) = trim {
            tx.prepare_cached("DELETE FROM journal WHERE seq <= ?1")?
                .execute([row_number(*last)])?;
            let updated = tx
                .prepare_cached("UPDATE meta SET first_seq = ?1")?
                .execute([row_number(last + 1)])?;
            assert_eq!(updated, 1, "meta has one row");
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
        self.wal.look();
        Ok(())
    }

    fn probe(&mut self) -> Result<(), StorageError> {
        let probed = self.wal.probe(&self.connection);
        self.told(probed)
    }
}

/// Whether an error means that nothing was written. What a write could not put
/// into the WAL is not committed, and the next transaction goes over it. A sync
/// that failed is another matter: nobody knows what the device has.
fn is_refusal(error: &rusqlite::Error) -> bool {
    let writes = [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE];
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull))
        || error.sqlite_extended_error_code().is_some_and(|code| writes.contains(&code))
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

/// Opens the database file and its WAL.
fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let open = |locking| {
        // SQLite was built to take a name with `file:` in front for a URI,
        // whatever the flags say; an absolute path begins with a slash.
        let absolute =
            std::path::absolute(file).map_err(|_| rusqlite::Error::InvalidPath(file.to_owned()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(absolute, flags)?;
        connection.pragma_update(None, "locking_mode", locking)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok::<_, rusqlite::Error>(connection)
    };
    match open("NORMAL") {
        // No room for the WAL's index, of 32 KiB, in a file: it can be in memory
        // while nobody else opens the database.
        Err(error) if error.sqlite_extended_error_code() == Some(ffi::SQLITE_IOERR_SHMSIZE) => {
            warn!(file = %file.display(), "there is no room; no other program can read the database");
            open("EXCLUSIVE")
        }
        connection => connection,
    }
}

/// Begins a new WAL, so that nothing of a torn transaction stays in it, and
/// removes what a start of an earlier release left behind when it was cut short.
fn tidy_up(connection: &Connection) -> rusqlite::Result<()> {
    // Somebody who reads the database at the same time may keep it from
    // happening, which is no failure.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.execute_batch("DROP TABLE IF EXISTS reserve")
}

/// Creates the file if there is none, for its owner alone. SQLite gives the WAL
/// the same mode.
fn make_private(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(file).map(drop)
}

/// Refuses the database of another program, whatever its tables are called.
fn check_owner(file: &Path, connection: &Connection) -> Result<(), OpenError> {
    let found: i64 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(|error| cannot_open(file, error))?;
    if found == APPLICATION_ID {
        return Ok(());
    }
    let error = format!(
        "it is the database of another program: its application_id is {found:#x}, and not \
         {APPLICATION_ID:#x}"
    );
    Err(OpenError::Open { file: file.to_owned(), error: error.into() })
}

fn cannot_open(file: &Path, error: rusqlite::Error) -> OpenError {
    OpenError::Open { file: file.to_owned(), error: Box::new(error) }
}

fn create_tables(connection: &mut Connection) -> rusqlite::Result<()> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 {
        return Ok(());
    }
    let tx = connection.transaction()?;
    for table in SCHEMA {
        tx.execute_batch(table)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
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
