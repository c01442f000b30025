//! Reading everything back at a start.
//!
//! Nothing is skipped: whatever is not as it was written ends the start, with
//! an error that names the file and the row. SQLite's own check finds damage
//! to the structure; the checksums of rows and blocks find damage to what they
//! hold; and the numbers of the journal's rows find rows that are gone.

use std::ops::ControlFlow;

use super::mark;
use super::rocket_row::{self, SharedTexts};
use super::tables::Tables;
use crate::journal::{OpenError, Recovered, record};

/// Why a table could not be read to its end.
enum Broken {
    Sqlite(rusqlite::Error),
    Row { row: i64, problem: String },
    Interrupted,
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

pub(super) fn recover(
    tables: Tables<'_>,
    sink: &mut dyn FnMut(Recovered) -> ControlFlow<()>,
) -> Result<(), OpenError> {
    let broken = |table: &str, broken| match broken {
        Broken::Interrupted => OpenError::Interrupted,
        Broken::Sqlite(error) => tables.corrupt(&format!("table {table}"), &error),
        Broken::Row { row, problem } => {
            tables.corrupt(&format!("table {table}, row {row}"), &problem)
        }
    };
    check_structure(tables)?;
    if let Some(mark) = mark::read(tables)?
        && sink(Recovered::Mark(mark)).is_break()
    {
        return Err(OpenError::Interrupted);
    }
    read_rockets(tables, sink).map_err(|error| broken("rockets", error))?;
    let first = tables.journal_range()?.first;
    read_journal(tables, first, sink).map_err(|error| broken("journal", error))
}

/// Lets SQLite check that every page is where it should be.
fn check_structure(tables: Tables<'_>) -> Result<(), OpenError> {
    let verdict: String = tables
        .connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| tables.corrupt("its structure", &error))?;
    if verdict == "ok" { Ok(()) } else { Err(tables.corrupt("its structure", &verdict)) }
}

fn read_rockets(
    tables: Tables<'_>,
    sink: &mut dyn FnMut(Recovered) -> ControlFlow<()>,
) -> Result<(), Broken> {
    let mut texts = SharedTexts::default();
    let mut statement = tables.connection.prepare(rocket_row::SELECT)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let rocket = rocket_row::read(row, &mut texts)
            .map_err(|problem| Broken::Row { row: id, problem })?;
        if sink(Recovered::Rocket(rocket)).is_break() {
            return Err(Broken::Interrupted);
        }
    }
    Ok(())
}

fn read_journal(
    tables: Tables<'_>,
    first: u64,
    sink: &mut dyn FnMut(Recovered) -> ControlFlow<()>,
) -> Result<(), Broken> {
    let mut statement =
        tables.connection.prepare("SELECT seq, records FROM journal ORDER BY seq")?;
    let mut rows = statement.query([])?;
    let mut expected = first;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let broken = |problem: String| Broken::Row { row: seq, problem };
        if u64::try_from(seq) != Ok(expected) {
            return Err(broken(format!("row {expected} is missing before it")));
        }
        let block = row.get_ref(1)?.as_blob().map_err(|error| broken(error.to_string()))?;
        let mut flow = ControlFlow::Continue(());
        record::read_records(expected, block, |record| {
            if flow.is_continue() {
                flow = sink(record);
            }
        })
        .map_err(|error| broken(error.to_string()))?;
        if flow.is_break() {
            return Err(Broken::Interrupted);
        }
        expected += 1;
    }
    Ok(())
}
