//! The journal in one SQLite database.
//!
//! # On disk, version 1
//!
//! A data directory holds `downlink.db` with SQLite's own `-wal` and `-shm`
//! beside it, and `lock`, which names the process that has the directory open.
//!
//! ```text
//! journal  one row for each commit, with the records of the whole batch
//!   seq      rises by 1 from row to row, without gaps
//!   records  a block of records (see the format in `journal::record`)
//! rockets  one row for each rocket, as it was at its last checkpoint
//!   id       the rocket's key, given once, in order of appearance
//!   channel, last_message_number, last_update_time, launch_time, speed,
//!   rocket_type, mission, explosion_reason
//!            as the HTTP contract shows them; what only a launched rocket has
//!            is NULL before its launch
//!   buffered a block of the messages that wait, or NULL if none does
//!   checksum CRC-32 of the row's key and its other columns
//! meta     one row
//!   first_seq  the lowest seq that was not forgotten
//! ```
//!
//! `user_version` is the format's version. Invariants:
//!
//! * Records that share a transaction share a row: a row for each message was
//!   measured to halve the throughput.
//! * A row of `rockets` holds nothing that was not in the journal when it was
//!   written. A restart applies the journal to it again, and drops by its number
//!   what the row knows already.
//! * Rows of the journal are deleted only once every rocket in them has been
//!   stored after they were applied.
//!
//! * [`database`]: the tables, and writing one transaction.
//! * [`committer`]: the thread that commits, for all partitions together.
//! * [`log_check`]: finding damage that SQLite passes over.
//! * [`recovery`]: reading everything back at a start.
//! * [`lock`]: one process for each directory.

pub mod committer;
pub mod database;
pub mod lock;
pub mod log_check;
pub mod recovery;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use thiserror::Error;
use tracing::warn;

use self::committer::Committer;
use self::database::{Database, Storage};
use self::lock::DirectoryLock;
use self::log_check::Damage;
use super::Recovered;

/// The database's file in its directory.
pub const FILE: &str = "downlink.db";

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// The device has it: it survives a power cut.
    Device,
    /// The operating system has it: it survives the end of the process, in
    /// whatever way, but not that of the machine.
    OperatingSystem,
}

/// Why a data directory cannot be used. Every text names what it is about.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("cannot use the data directory {}: {error}", path.display())]
    Directory { path: PathBuf, error: io::Error },
    #[error("the data directory {} is in use by {holder}", path.display())]
    InUse { path: PathBuf, holder: String },
    #[error("cannot open {}: {error}", file.display())]
    Open { file: PathBuf, error: rusqlite::Error },
    #[error("{} has format version {found}, and only version {known} is known", file.display())]
    Version { file: PathBuf, found: i64, known: i64 },
    #[error("{} is corrupt: {place}: {problem}", file.display())]
    Corrupt { file: PathBuf, place: String, problem: String },
    #[error("cannot start the thread that commits: {0}")]
    Thread(io::Error),
    #[error("the start was interrupted")]
    Interrupted,
}

/// A journal that was opened and not read yet.
pub struct Opened {
    database: Database,
    lock: DirectoryLock,
}

/// The thread that commits. It ends, and lets go of the directory, once every
/// handle on the journal is dropped.
pub type CommitterThread = JoinHandle<()>;

/// Opens the journal in `directory`, and creates both if there are none.
///
/// # Errors
/// [`OpenError`].
pub fn open(directory: &Path, sync: Sync) -> Result<Opened, OpenError> {
    let lock = DirectoryLock::take(directory)?;
    let file = directory.join(FILE);
    check_log(&file, sync)?;
    let database = Database::open(&file, sync)?;
    Ok(Opened { database, lock })
}

/// Refuses a damaged write-ahead log. Where commits were not synced, a power cut
/// may leave one that looks damaged anywhere; that loss was agreed to, and is
/// only told.
fn check_log(database: &Path, sync: Sync) -> Result<(), OpenError> {
    let mut file = database.as_os_str().to_owned();
    file.push("-wal");
    let file = PathBuf::from(file);
    let place = match log_check::damage(&file) {
        Ok(None) => return Ok(()),
        Ok(Some(Damage::Header)) => "its header".to_owned(),
        Ok(Some(Damage::Frame(number))) => format!("frame {number}"),
        Err(error) => return Err(OpenError::Directory { path: file, error }),
    };
    if sync == Sync::OperatingSystem {
        let file = file.display();
        warn!(%file, place, "the log is damaged, and what was committed after that is lost");
        return Ok(());
    }
    let problem = "it is not as it was written, and more was committed after it; only if that was \
                   with `--durability os`, a power cut can have done it, and one start with \
                   `--durability os` goes on without what came after it";
    Err(OpenError::Corrupt { file, place, problem: problem.to_owned() })
}

impl Opened {
    /// Reads everything back into `sink`, until it breaks off.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] where anything is not as it was written;
    /// [`OpenError::Interrupted`] when `sink` broke off.
    pub fn recover(&self, sink: impl FnMut(Recovered) -> ControlFlow<()>) -> Result<(), OpenError> {
        recovery::recover(&self.database, sink)
    }

    /// Starts the thread that commits.
    ///
    /// # Errors
    /// When the database cannot be read or the thread cannot be started.
    pub fn start(self) -> Result<(Committer, CommitterThread), OpenError> {
        self.start_with(|database| database)
    }

    /// As [`Opened::start`], with something around the database: for tests that
    /// have faults to inject.
    ///
    /// # Errors
    /// As [`Opened::start`].
    pub fn start_with<S: Storage>(
        self,
        wrap: impl FnOnce(Database) -> S,
    ) -> Result<(Committer, CommitterThread), OpenError> {
        let range = self.database.journal_range()?;
        self.database.reserve_log()?;
        let (storage, lock) = (wrap(self.database), self.lock);
        committer::start(storage, range, lock)
    }
}
