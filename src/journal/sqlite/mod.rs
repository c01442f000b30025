//! The journal in one SQLite database.
//!
//! # On disk, versions 1 and 2
//!
//! A data directory holds `downlink.db` with SQLite's own `-wal` and `-shm`
//! beside it, and `lock`, which names the process that has the directory open. A
//! `downlink.db.part` is a database that is not all there yet (`half_made`).
//!
//! ```text
//! journal  one row for each commit, with the records of the whole batch
//!   seq      rises by 1 from row to row, without gaps
//!   records  a block of records (see the format in `journal::record`)
//! rockets  one row for each rocket, as it was at its last checkpoint
//!   id       the rocket's row ID, given once, in order of appearance
//!   channel, last_message_number, last_update_time, launch_time, speed,
//!   rocket_type, mission, explosion_reason
//!            as the HTTP contract shows them; what only a launched rocket has
//!            is NULL before its launch
//!   buffered a block of the messages that wait, what was lost and the recent past,
//!            or NULL if there is nothing of them
//!   checksum CRC-32 of the row's ID and its other columns
//! meta     one row
//!   first_seq  the lowest seq that was not forgotten
//! mark     one row, if this is a node's part of a cluster; not there otherwise
//!   log      the name of the cluster's log
//!   log_offset  up to where all of that log is part of `rockets`
//!   settled  up to where some of it is
//!   checksum CRC-32 of the other columns
//! ```
//!
//! `user_version` is the format's version: 1, or 2 with a mark, so that no release
//! serves a node's part alone that does not know of nodes. While what was kept last is in the
//! WAL alone, the database file has a mark behind its last page (`files`), which
//! a start refuses if there is no WAL beside it. Invariants:
//!
//! * Records that share a transaction share a row: a row for each message was
//!   measured to halve the throughput.
//! * A row of `rockets` holds nothing that was not in the journal when it was
//!   written. A restart applies the journal to it again, and drops by its number
//!   what the row knows already.
//! * Rows of the journal are deleted only once every rocket in them has been
//!   stored after they were applied.
//!
//! * [`settings`]: what it is opened with.
//! * [`database`]: opening it, and writing one transaction.
//! * `rocket_row`: the table of rockets; `row_check`: what must hold of each.
//! * `group_commit`: the thread that commits, for all partitions together.
//! * [`commit_delay`]: how long it waits for more.
//! * `standing`: whether anything can be written, and when to try again.
//! * `wal`: how long the write-ahead log is, and whether there is room for more.
//! * `open`: the database file, its tables, and whose it is.
//! * `wal_check`: finding damage that SQLite passes over.
//! * `recovery`: reading everything back at a start.
//! * `files`: whether the files are still there, and all of them.
//! * `lock`: one process for each directory.
//! * `mark`: how far the log of a cluster is part of what is stored.
//! * `directory`: what there is for who has the directory, and does not serve it:
//!   `reading` it as it is, `filling` a new one, a `backup` of one that is served.
//! * `takeover`: in place of what a node has, what it got of another one; `lent`: the
//!   copy that it gives away.
//! * `half_made`: what is not a whole database yet is not taken for one.

pub mod commit_delay;
pub mod database;
pub mod settings;

mod backup;
mod directory;
mod files;
mod filling;
mod group_commit;
mod half_made;
mod lent;
mod lock;
mod mark;
mod open;
mod reading;
mod recovery;
mod rocket_row;
mod row_check;
mod standing;
mod tables;
mod takeover;
mod wal;
mod wal_check;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::commit_delay::CommitDelay;
use self::database::{Database, Storage};
pub use self::directory::DataDirectory;
use self::lock::DirectoryLock;
pub use self::settings::{FILE, Synchronous};
use super::figures::{Figures, Room};
use super::{JournalSource, OpenError, OpenedJournal, Recovered, RunningJournal};

/// A journal in a data directory.
pub struct SqliteJournal {
    directory: PathBuf,
    synchronous: Synchronous,
    commit_delay: CommitDelay,
    wrap: Box<dyn FnOnce(Database) -> Box<dyn Storage> + Send>,
}

/// The same, once it was opened.
struct Opened {
    database: Database,
    lock: DirectoryLock,
    file: PathBuf,
    commit_delay: CommitDelay,
    wrap: Box<dyn FnOnce(Database) -> Box<dyn Storage> + Send>,
}

impl SqliteJournal {
    /// The journal in `directory`, whose commits the device has. Opening it
    /// creates both if there are none. A commit waits for more senders up to
    /// `commit_delay`.
    #[must_use]
    pub fn fsync(directory: impl Into<PathBuf>, commit_delay: Duration) -> Self {
        Self::at(directory, Synchronous::Full, commit_delay)
    }

    /// As [`SqliteJournal::fsync`], but its commits are with the operating
    /// system.
    #[must_use]
    pub fn os(directory: impl Into<PathBuf>, commit_delay: Duration) -> Self {
        Self::at(directory, Synchronous::Normal, commit_delay)
    }

    /// As [`SqliteJournal::fsync`], but its commits wait for what `synchronous`
    /// says.
    #[must_use]
    pub fn at(
        directory: impl Into<PathBuf>,
        synchronous: Synchronous,
        commit_delay: Duration,
    ) -> Self {
        Self {
            directory: directory.into(),
            synchronous,
            commit_delay: CommitDelay::up_to(commit_delay),
            wrap: Box::new(|database| Box::new(database)),
        }
    }

    /// Puts something around the database that commits go to: for tests that
    /// have faults to inject.
    #[must_use]
    pub fn with_storage<S: Storage>(
        self,
        wrap: impl FnOnce(Database) -> S + Send + 'static,
    ) -> Self {
        Self { wrap: Box::new(|database| Box::new(wrap(database))), ..self }
    }
}

impl JournalSource for SqliteJournal {
    fn open(self: Box<Self>) -> Result<Box<dyn OpenedJournal>, OpenError> {
        let Self { directory, synchronous, commit_delay, wrap } = *self;
        let lock = DirectoryLock::take(&directory)?;
        let file = directory.join(FILE);
        half_made::refuse(&directory)?;
        files::refuse_a_part(&file)?;
        wal_check::refuse_damage(&file, synchronous)?;
        let database = Database::open(&file, synchronous)?;
        Ok(Box::new(Opened { database, lock, file, commit_delay, wrap }))
    }
}

impl OpenedJournal for Opened {
    fn recover(&self, sink: &mut dyn FnMut(Recovered) -> ControlFlow<()>) -> Result<(), OpenError> {
        recovery::recover(self.database.tables(), sink)
    }

    fn start(self: Box<Self>) -> Result<RunningJournal, OpenError> {
        let Self { mut database, lock, file, commit_delay, wrap } = *self;
        let range = database.journal_range()?;
        let prepared = database.prepare()?;
        database.begin()?;
        let names = database.names();
        let still_there = move || names.check().map_err(|error| error.to_string());
        let wal = wal::path(&file);
        let measure = move || Room { store: files::length_of(&file), wal: files::length_of(&wal) };
        let figures = Figures::new(Some(Box::new(measure)));
        let storage = wrap(database);
        let running = group_commit::start(storage, range, prepared, commit_delay, (lock, figures))?;
        Ok(RunningJournal { still_there: Some(Arc::new(still_there)), ..running })
    }
}
