//! A copy of a database that others go on writing to. Owns that it is one moment,
//! and that it is made at a pace that leaves the disk to others; does not own that
//! half a copy is not taken for a whole one (`half_made`).
//!
//! SQLite's own backup begins again whenever somebody writes between two of its
//! steps, and under load never ends. So it reads in a transaction that is held
//! until the end, and that nobody's writes change: decision 33.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::half_made::HalfMade;
use super::open::{cannot_open, make_private};
use super::reading;
use super::tables::Tables;
use crate::journal::OpenError;

/// Pages copied at a time: 1 MiB.
const STEP: i32 = 256;

/// The wait after a step, at least; otherwise as long as the step took, so that
/// half of the time is for others.
const PAUSE: Duration = Duration::from_millis(1);

/// Copies the database `from` to where `made` is made, and tells `progress` how many
/// pages of how many are done.
pub(super) fn copy(
    from: &Path,
    made: HalfMade,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), OpenError> {
    let part = made.part();
    make_private(&part).map_err(|error| OpenError::Directory { path: part.clone(), error })?;
    let source = reading::beside(from).map_err(|error| cannot_open(from, error))?;
    Tables { file: from, connection: &source }.check_format()?;
    copy_pages(&source, &part, progress).map_err(|error| cannot_open(&part, error))?;
    drop(source);
    made.complete()
}

fn copy_pages(
    source: &Connection,
    part: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> rusqlite::Result<()> {
    let absolute =
        std::path::absolute(part).map_err(|_| rusqlite::Error::InvalidPath(part.to_owned()))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut to = Connection::open_with_flags(absolute, flags)?;
    // What is cut off is made again, and all of it is synced once, at the end.
    to.pragma_update(None, "journal_mode", "OFF")?;
    to.pragma_update(None, "synchronous", "OFF")?;
    let backup = Backup::new(source, &mut to)?;
    loop {
        let begun = Instant::now();
        match backup.step(STEP)? {
            StepResult::Done => return Ok(()),
            // Nobody else has the copy, and the source has its transaction.
            StepResult::Busy | StepResult::Locked => {}
            _ => {
                let pages = |pages: i32| u64::try_from(pages).unwrap_or_default();
                let (all, left) = (backup.progress().pagecount, backup.progress().remaining);
                progress(pages(all - left), pages(all));
            }
        }
        #[expect(clippy::disallowed_methods, reason = "its thread has nothing else to do")]
        thread::sleep(begun.elapsed().max(PAUSE));
    }
}
