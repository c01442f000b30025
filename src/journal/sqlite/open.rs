//! The database file: finding or making it, its tables, and whose it is. Does
//! not own what is written to it (`database`) or its WAL (`wal`).

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use tracing::warn;

use super::rocket_row;
use crate::journal::OpenError;

/// `user_version` of the format.
pub(super) const VERSION: i64 = 1;

/// The same with a mark.
pub(super) const MARKED: i64 = 2;

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

/// Whether an error means that nothing was written. What a write could not put
/// into the WAL is not committed, and the next transaction goes over it. A sync
/// that failed is another matter: nobody knows what the device has.
pub(super) fn is_refusal(error: &rusqlite::Error) -> bool {
    let writes = [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE];
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull))
        || error.sqlite_extended_error_code().is_some_and(|code| writes.contains(&code))
}

/// Opens the database file and its WAL.
pub(super) fn connect(file: &Path) -> rusqlite::Result<Connection> {
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

/// Begins a new WAL, so that nothing of a torn transaction stays in it. Somebody
/// who reads the database at the same time may keep it from happening, which is
/// no failure.
pub(super) fn begin_wal(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Removes what a start of an earlier release left behind when it was cut short.
pub(super) fn drop_leftovers(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DROP TABLE IF EXISTS reserve")
}

/// Creates the file if there is none, for its owner alone. SQLite gives the WAL
/// the same mode.
pub(super) fn make_private(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(file).map(drop)
}

/// Refuses the database of another program, whatever its tables are called.
pub(super) fn check_owner(file: &Path, connection: &Connection) -> Result<(), OpenError> {
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

pub(super) fn cannot_open(file: &Path, error: rusqlite::Error) -> OpenError {
    OpenError::Open { file: file.to_owned(), error: Box::new(error) }
}

pub(super) fn create_tables(connection: &mut Connection) -> rusqlite::Result<()> {
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
