//! The database: opening it, and writing one transaction. The format stands in
//! the module above; the table of rockets is `rocket_row`'s.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use thiserror::Error;

use super::rocket_row;
use super::settings::Synchronous;
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

/// Pages in the WAL from which a WAL checkpoint copies them into the database,
/// which a commit has to wait for: some 4 MB.
const WAL_PAGES: i64 = 1000;

/// The same while rockets are stored, which fills the WAL much faster: commits
/// wait more often then, but each for less.
const WAL_PAGES_STORING: i64 = 200;

/// Bytes written once to make the WAL as long as it gets.
const WAL_BYTES: i64 = WAL_PAGES * 4096;

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
#[derive(Debug, Error)]
#[error("{0}")]
pub struct StorageError(pub String);

/// Writes transactions. A seam, so that tests can inject faults.
pub trait Storage: Send + 'static {
    /// Writes one transaction; durable when this returns.
    ///
    /// # Errors
    /// When it may not be durable. Nothing may be written after that.
    fn commit(&mut self, transaction: &Transaction) -> Result<(), StorageError>;
}

/// The open database.
#[derive(Debug)]
pub struct Database {
    pub(super) file: PathBuf,
    pub(super) connection: Connection,
    /// From which on a WAL checkpoint is set to be made.
    wal_pages: i64,
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
        let failed = |error| cannot_open(file, error);
        let mut connection = Connection::open(file).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        let synchronous = match synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES).map_err(failed)?;
        // Begins a new WAL, so that nothing of a torn transaction stays in it:
        // `wal_check` relies on that. Somebody who reads the database at the
        // same time may keep it from happening, which is no failure.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed)?;
        create_tables(&mut connection).map_err(failed)?;
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed)?;
        if found != VERSION {
            return Err(OpenError::Version { file: file.to_owned(), found, known: VERSION });
        }
        Ok(Self { file: file.to_owned(), connection, wal_pages: WAL_PAGES })
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

    /// Makes the WAL as long as it will get. A sync that also has to make a file
    /// longer was measured to take three times as long, and the WAL is new at
    /// every start.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn reserve_wal(&self) -> Result<(), OpenError> {
        let reserve = format!(
            "CREATE TABLE reserve (bytes BLOB);
             INSERT INTO reserve VALUES (zeroblob({WAL_BYTES}));
             DROP TABLE reserve;"
        );
        self.connection.execute_batch(&reserve).map_err(|error| cannot_open(&self.file, error))
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
        self.set_wal_pages(if rockets.is_empty() { WAL_PAGES } else { WAL_PAGES_STORING })?;
        // Not by `Connection::transaction`, which prepares both anew each time.
        // Without its roll-back: after a failure nothing more is written.
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
}

impl Storage for Box<dyn Storage> {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), StorageError> {
        (**self).commit(transaction)
    }
}

impl Storage for Database {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), StorageError> {
        self.write(transaction)
            .map_err(|error| StorageError(format!("{}: {error}", self.file.display())))
    }
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
