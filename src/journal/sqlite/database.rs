//! The tables, and writing one transaction. The format stands in the module
//! above.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use serde::Serialize;
use thiserror::Error;

use super::{OpenError, Sync};
use crate::journal::{RocketSnapshot, record};

/// `user_version` of the format.
pub const VERSION: i64 = 1;

/// Marks the file as ours for tools such as `file`: "dnlk".
const APPLICATION_ID: i64 = 0x646e_6c6b;

const SCHEMA: &str = "
    CREATE TABLE journal (seq INTEGER PRIMARY KEY, records BLOB NOT NULL);
    CREATE TABLE rockets (
        id INTEGER PRIMARY KEY,
        channel TEXT NOT NULL,
        last_message_number INTEGER NOT NULL,
        last_update_time TEXT,
        launch_time TEXT,
        speed INTEGER,
        rocket_type TEXT,
        mission TEXT,
        explosion_reason TEXT,
        buffered BLOB,
        checksum INTEGER NOT NULL
    );
    CREATE TABLE meta (only INTEGER PRIMARY KEY CHECK (only = 1), first_seq INTEGER NOT NULL);
    INSERT INTO meta VALUES (1, 1);
";

/// A row never changes its channel: if it would, the row IDs are mixed up, and
/// another rocket's row must not be lost to that.
const STORE_ROCKET: &str = "
    INSERT INTO rockets VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (id) DO UPDATE SET
        last_message_number = excluded.last_message_number,
        last_update_time = excluded.last_update_time,
        launch_time = excluded.launch_time,
        speed = excluded.speed,
        rocket_type = excluded.rocket_type,
        mission = excluded.mission,
        explosion_reason = excluded.explosion_reason,
        buffered = excluded.buffered,
        checksum = excluded.checksum
    WHERE channel = excluded.channel
";

/// Pages in the write-ahead log from which they are copied into the database,
/// which a commit has to wait for: some 4 MB.
const LOG_PAGES: i64 = 1000;

/// The same while rockets are stored, which fills the log much faster: commits
/// wait more often then, but each for less.
const LOG_PAGES_STORING: i64 = 200;

/// Bytes written once to make the log as long as it gets.
const LOG_BYTES: i64 = LOG_PAGES * 4096;

/// Everything that becomes durable together.
#[derive(Debug, Default)]
pub struct Transaction {
    /// The journal's next row, and the entries for it; no row if there are none.
    pub seq: u64,
    pub records: Vec<u8>,
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
    /// What the log's bound is set to.
    log_pages: i64,
}

/// The rows of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalRange {
    /// The lowest row that was not forgotten, whether it is there yet or not.
    pub first: u64,
    /// The row that comes next.
    pub next: u64,
}

/// A rocket's row, but for its ID and the checksum that covers all of this.
#[derive(Serialize)]
pub(super) struct RocketRow<'a> {
    pub channel: &'a str,
    pub last_message_number: i64,
    pub last_update_time: Option<&'a str>,
    pub launch_time: Option<&'a str>,
    pub speed: Option<i64>,
    pub rocket_type: Option<&'a str>,
    pub mission: Option<&'a str>,
    pub explosion_reason: Option<&'a str>,
    pub buffered: Option<&'a [u8]>,
}

impl RocketRow<'_> {
    pub fn checksum(&self, id: u64) -> u32 {
        // Cannot fail: a vector takes all, and the row has no unsized parts.
        let content = postcard::to_stdvec(self).expect("rows always serialise");
        record::checksum(id, &content)
    }
}

impl Database {
    /// Opens the database, and creates it if there is none.
    ///
    /// # Errors
    /// When it cannot be opened, is no database, or has an unknown version.
    pub fn open(file: &Path, sync: Sync) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Open { file: file.to_owned(), error };
        let mut connection = Connection::open(file).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        let synchronous = match sync {
            Sync::Device => "FULL",
            Sync::OperatingSystem => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).map_err(failed)?;
        // Begins a new log, so that nothing of a torn transaction stays in it:
        // the check of the log relies on that. Somebody who reads the database
        // at the same time may keep it from happening, which is no failure.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed)?;
        create_tables(&mut connection).map_err(failed)?;
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed)?;
        if found != VERSION {
            return Err(OpenError::Version { file: file.to_owned(), found, known: VERSION });
        }
        Ok(Self { file: file.to_owned(), connection, log_pages: LOG_PAGES })
    }

    /// The rows of the journal.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn journal_range(&self) -> Result<JournalRange, OpenError> {
        let read = || -> rusqlite::Result<(i64, i64)> {
            let first: i64 =
                self.connection.query_row("SELECT first_seq FROM meta", [], |row| row.get(0))?;
            let last: Option<i64> =
                self.connection.query_row("SELECT max(seq) FROM journal", [], |row| row.get(0))?;
            Ok((first, last.map_or(first, |last| last + 1)))
        };
        let (first, next) = read().map_err(|error| self.corrupt("meta and journal", &error))?;
        match (u64::try_from(first), u64::try_from(next)) {
            (Ok(first), Ok(next)) if first >= 1 => Ok(JournalRange { first, next }),
            _ => Err(self.corrupt("meta", &format!("first_seq is {first}"))),
        }
    }

    /// Makes the write-ahead log as long as it will get. A sync that also has to
    /// make a file longer was measured to take three times as long, and the log
    /// is new at every start.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn reserve_log(&self) -> Result<(), OpenError> {
        let reserve = format!(
            "CREATE TABLE reserve (bytes BLOB);
             INSERT INTO reserve VALUES (zeroblob({LOG_BYTES}));
             DROP TABLE reserve;"
        );
        self.connection
            .execute_batch(&reserve)
            .map_err(|error| OpenError::Open { file: self.file.clone(), error })
    }

    pub(super) fn corrupt(&self, place: &str, problem: &impl ToString) -> OpenError {
        OpenError::Corrupt {
            file: self.file.clone(),
            place: place.to_owned(),
            problem: problem.to_string(),
        }
    }

    fn bound_log(&mut self, pages: i64) -> rusqlite::Result<()> {
        if self.log_pages != pages {
            self.connection.pragma_update(None, "wal_autocheckpoint", pages)?;
            self.log_pages = pages;
        }
        Ok(())
    }

    fn write(&mut self, transaction: &Transaction) -> rusqlite::Result<()> {
        let Transaction { seq, records, rockets, trim } = transaction;
        self.bound_log(if rockets.is_empty() { LOG_PAGES } else { LOG_PAGES_STORING })?;
        // Not by `Connection::transaction`, which prepares both anew each time.
        // Without its roll-back: after a failure nothing more is written.
        let tx = &self.connection;
        tx.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        if !records.is_empty() {
            tx.prepare_cached("INSERT INTO journal VALUES (?1, ?2)")?
                .execute(params![integer(*seq), record::block(*seq, &[records])])?;
        }
        if !rockets.is_empty() {
            let mut insert = tx.prepare_cached(STORE_ROCKET)?;
            for rocket in rockets {
                write_rocket(&mut insert, rocket)?;
            }
        }
        if let Some(last) = trim {
            tx.prepare_cached("DELETE FROM journal WHERE seq <= ?1")?.execute([integer(*last)])?;
            tx.prepare_cached("UPDATE meta SET first_seq = ?1")?.execute([integer(last + 1)])?;
        }
        tx.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

impl Storage for Database {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), StorageError> {
        self.write(transaction)
            .map_err(|error| StorageError(format!("{}: {error}", self.file.display())))
    }
}

fn create_tables(connection: &mut Connection) -> rusqlite::Result<()> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 {
        return Ok(());
    }
    let tx = connection.transaction()?;
    tx.execute_batch(SCHEMA)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

fn write_rocket(
    insert: &mut rusqlite::CachedStatement<'_>,
    rocket: &RocketSnapshot,
) -> rusqlite::Result<()> {
    let id = u64::from(rocket.row_id);
    let channel = rocket.channel.text();
    let last_update_time = rocket.last_update_time.map(|time| time.to_string());
    let flight = rocket.flight.as_ref();
    let launch_time = flight.map(|flight| flight.launch_time.to_string());
    let buffered =
        (!rocket.buffered.is_empty()).then(|| record::buffer_block(id, &rocket.buffered));
    let row = RocketRow {
        channel: &channel,
        last_message_number: integer(rocket.last_message_number),
        last_update_time: last_update_time.as_deref(),
        launch_time: launch_time.as_deref(),
        speed: flight.map(|flight| flight.speed),
        rocket_type: flight.map(|flight| &*flight.rocket_type),
        mission: flight.map(|flight| &*flight.mission),
        explosion_reason: flight.and_then(|flight| flight.explosion_reason.as_deref()),
        buffered: buffered.as_deref(),
    };
    let stored = insert.execute(params![
        rocket.row_id,
        row.channel,
        row.last_message_number,
        row.last_update_time,
        row.launch_time,
        row.speed,
        row.rocket_type,
        row.mission,
        row.explosion_reason,
        row.buffered,
        row.checksum(id),
    ])?;
    // Anything else is the conflict that the statement does not resolve.
    if stored == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(stored)) }
}

/// SQLite's integers are signed. No number here gets near the end of that:
/// messages are numbered up to 2^63 - 1, and commits are counted.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
