//! The tables of an open database, as whoever reads them has them: while it is
//! served, and while it only is looked at. Owns the rows of the journal that there
//! are; does not own how a row is read (`recovery`, `rocket_row`).

use std::path::Path;

use rusqlite::Connection;

use super::open::{MARKED, VERSION, cannot_open, check_owner};
use crate::journal::OpenError;

/// A connection, and the file that complaints name.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub file: &'a Path,
    pub connection: &'a Connection,
}

/// The rows of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalRange {
    /// The lowest row that was not forgotten, whether it is there yet or not.
    pub first: u64,
    /// The row that comes next.
    pub next: u64,
}

impl Tables<'_> {
    /// Refuses what is not ours, and versions that are not known.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn check_format(self) -> Result<(), OpenError> {
        let Self { file, connection } = self;
        check_owner(file, connection)?;
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|error| cannot_open(file, error))?;
        if found != VERSION && found != MARKED {
            return Err(OpenError::Version { file: file.to_owned(), found, known: MARKED });
        }
        Ok(())
    }

    /// The rows of the journal.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn journal_range(self) -> Result<JournalRange, OpenError> {
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

    /// That something in `place` is not as it was written.
    pub fn corrupt(self, place: &str, problem: &impl ToString) -> OpenError {
        OpenError::Corrupt {
            file: self.file.to_owned(),
            place: place.to_owned(),
            problem: problem.to_string(),
        }
    }
}
