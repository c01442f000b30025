//! The write-ahead log while the service runs: how long it is, and whether there
//! is room for more. Does not own what is written to it (`database`), or whether
//! it is as it was written (`wal_check`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tracing::{info, warn};

/// Pages in the WAL from which a WAL checkpoint copies them into the database,
/// which a commit has to wait for: some 4 MB.
pub(super) const PAGES: i64 = 1000;

/// The same while rockets are stored, which fills the WAL much faster: commits
/// wait more often then, but each for less.
pub(super) const PAGES_STORING: i64 = 200;

/// Bytes written once to make the WAL as long as it usually gets.
const USUAL_BYTES: i64 = PAGES * 4096;

/// Bytes written to see whether there is room again. More than nearly any
/// transaction, so that the next one is not refused at once.
const PROBE_BYTES: i64 = 1 << 20;

/// What a WAL that has grown is cut back to when it is begun anew: longer than
/// large transactions make it again and again.
const LIMIT: i64 = 16 << 20;

/// From here on somebody keeps it from being begun anew, and whoever runs the
/// service should know.
const LONG: u64 = 32 << 20;

/// How often its length is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Pages of the cache, as SQLite has them by itself: 2,000 KiB.
const CACHE: i64 = -2000;

/// The WAL of one database.
#[derive(Debug)]
pub(super) struct Wal {
    file: PathBuf,
    /// Whether it was made as long as it usually gets.
    reserved: bool,
    /// A length to be told of.
    long: u64,
    looked: Instant,
}

/// Where SQLite has the WAL of `database`.
pub(super) fn path(database: &Path) -> PathBuf {
    let mut file = database.as_os_str().to_owned();
    file.push("-wal");
    file.into()
}

/// Sets when the WAL is copied into the database, and how long it may stay.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "wal_autocheckpoint", PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LIMIT)
}

/// Ends a transaction that did not come to its end, if there is one.
pub(super) fn roll_back(connection: &Connection) -> rusqlite::Result<()> {
    // Some failures have SQLite do it.
    if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("ROLLBACK") }
}

impl Wal {
    pub fn of(database: &Path) -> Self {
        Self { file: path(database), reserved: false, long: LONG, looked: Instant::now() }
    }

    /// Writes what will be overwritten, to see whether that can be done. The
    /// first time it makes the WAL as long as it usually gets, and has the device
    /// have it: a sync that also has to make a file longer was measured to take
    /// three times as long, and the WAL is new at every start.
    pub fn probe(&mut self, connection: &Connection) -> Result<(), ProbeError> {
        if self.reserved {
            return Ok(fill(connection, PROBE_BYTES)?);
        }
        fill(connection, USUAL_BYTES)?;
        // Nothing locks this file, so nobody loses a lock when it is closed.
        File::open(&self.file).and_then(|file| file.sync_all()).map_err(ProbeError::Sync)?;
        self.reserved = true;
        Ok(())
    }

    /// Tells of a WAL that has grown long, and of its end.
    pub fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        // Only to be told.
        let Ok(bytes) = fs::metadata(&self.file).map(|file| file.len()) else { return };
        let file = self.file.display();
        if bytes >= self.long {
            warn!(
                %file,
                bytes,
                "the write-ahead log grows: does another program read the database for long?"
            );
            self.long = bytes.saturating_mul(2);
        } else if self.long > LONG && bytes < LONG {
            info!(%file, bytes, "the write-ahead log is short again");
            self.long = LONG;
        }
    }
}

/// Why nothing could be written.
#[derive(Debug)]
pub(super) enum ProbeError {
    Sqlite(rusqlite::Error),
    Sync(std::io::Error),
}

impl From<rusqlite::Error> for ProbeError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Has a transaction that is rolled back write `bytes` into the WAL. Wherever
/// it is cut short, nothing of it counts: it is never committed.
fn fill(connection: &Connection, bytes: i64) -> rusqlite::Result<()> {
    // What does not fit into the cache is written before its transaction ends.
    connection.pragma_update(None, "cache_size", 1)?;
    let filled = connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS reserve (bytes BLOB);
         INSERT INTO reserve VALUES (zeroblob({bytes}));"
    ));
    let rolled_back = roll_back(connection);
    connection.pragma_update(None, "cache_size", CACHE)?;
    filled.and(rolled_back)
}
