//! Reading everything back at a start.
//!
//! Nothing is skipped: whatever is not as it was written ends the start, with
//! an error that names the file and the row. SQLite's own check finds damage
//! to the structure; the checksums of rows and blocks find damage to what they
//! hold; and the numbers of the journal's rows find rows that are gone.

use std::ops::ControlFlow;
use std::sync::Arc;

use ahash::AHashMap;
use rusqlite::Row;

use super::OpenError;
use super::database::{Database, RocketRow};
use crate::journal::{Recovered, RocketSnapshot, record};
use crate::telemetry::rocket::FlightSnapshot;
use crate::telemetry::{Channel, Timestamp};

/// Distinct texts kept at hand while rockets are read; a fleet has few.
const MAX_TEXTS: usize = 10_000;

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
    database: &Database,
    mut sink: impl FnMut(Recovered) -> ControlFlow<()>,
) -> Result<(), OpenError> {
    let broken = |table: &str, broken| match broken {
        Broken::Interrupted => OpenError::Interrupted,
        Broken::Sqlite(error) => database.corrupt(&format!("table {table}"), &error),
        Broken::Row { row, problem } => {
            database.corrupt(&format!("table {table}, row {row}"), &problem)
        }
    };
    check_structure(database)?;
    read_rockets(database, &mut sink).map_err(|error| broken("rockets", error))?;
    let first = database.journal_range()?.first;
    read_journal(database, first, &mut sink).map_err(|error| broken("journal", error))
}

/// Lets SQLite check that every page is where it should be.
fn check_structure(database: &Database) -> Result<(), OpenError> {
    let verdict: String = database
        .connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| database.corrupt("its structure", &error))?;
    if verdict == "ok" { Ok(()) } else { Err(database.corrupt("its structure", &verdict)) }
}

fn read_rockets(
    database: &Database,
    sink: &mut impl FnMut(Recovered) -> ControlFlow<()>,
) -> Result<(), Broken> {
    let mut texts = SharedTexts::default();
    let mut statement = database.connection.prepare("SELECT * FROM rockets ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let rocket =
            read_rocket(row, &mut texts).map_err(|problem| Broken::Row { row: id, problem })?;
        if sink(Recovered::Rocket(rocket)).is_break() {
            return Err(Broken::Interrupted);
        }
    }
    Ok(())
}

fn read_journal(
    database: &Database,
    first: u64,
    sink: &mut impl FnMut(Recovered) -> ControlFlow<()>,
) -> Result<(), Broken> {
    let mut statement =
        database.connection.prepare("SELECT seq, records FROM journal ORDER BY seq")?;
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
        record::read_records(expected, block, |message| {
            if flow.is_continue() {
                flow = sink(Recovered::Message(message));
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

/// One copy of each text, whichever rows it stands in.
#[derive(Default)]
struct SharedTexts(AHashMap<String, Arc<str>>);

impl SharedTexts {
    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(text) {
            return shared.clone();
        }
        if self.0.len() >= MAX_TEXTS {
            self.0.clear();
        }
        let shared: Arc<str> = text.into();
        self.0.insert(text.to_owned(), shared.clone());
        shared
    }
}

fn read_rocket(row: &Row<'_>, texts: &mut SharedTexts) -> Result<RocketSnapshot, String> {
    let column = |at: usize| row.get_ref(at).map_err(|error| error.to_string());
    let text = |at: usize| column(at)?.as_str_or_null().map_err(|error| error.to_string());
    let number = |at: usize| column(at)?.as_i64_or_null().map_err(|error| error.to_string());
    let missing = |what: &str| format!("it has no {what}");

    let id = number(0)?.ok_or_else(|| missing("id"))?;
    let row_id = u32::try_from(id).map_err(|_| "its id is out of range".to_owned())?;
    let stored = RocketRow {
        channel: text(1)?.ok_or_else(|| missing("channel"))?,
        last_message_number: number(2)?.ok_or_else(|| missing("last_message_number"))?,
        last_update_time: text(3)?,
        launch_time: text(4)?,
        speed: number(5)?,
        rocket_type: text(6)?,
        mission: text(7)?,
        explosion_reason: text(8)?,
        buffered: column(9)?.as_blob_or_null().map_err(|error| error.to_string())?,
    };
    if number(10)? != Some(i64::from(stored.checksum(u64::from(row_id)))) {
        return Err("its checksum does not match its content".to_owned());
    }
    let time = |text: Option<&str>| match text {
        Some(text) => Timestamp::parse(text).map(Some).ok_or(format!("{text:?} is no time")),
        None => Ok(None),
    };
    let flight = match (time(stored.launch_time)?, stored.speed, stored.rocket_type, stored.mission)
    {
        (Some(launch_time), Some(speed), Some(rocket_type), Some(mission)) => {
            Some(FlightSnapshot {
                launch_time,
                speed,
                rocket_type: texts.share(rocket_type),
                mission: texts.share(mission),
                explosion_reason: stored.explosion_reason.map(|reason| texts.share(reason)),
            })
        }
        (None, None, None, None) => None,
        _ => return Err("it is launched in part".to_owned()),
    };
    let buffered = match stored.buffered {
        Some(block) => record::read_buffer(u64::from(row_id), block)
            .map_err(|error| format!("its buffered messages: {error}"))?,
        None => Vec::new(),
    };
    Ok(RocketSnapshot {
        row_id,
        channel: Channel::parse(stored.channel)?,
        last_message_number: u64::try_from(stored.last_message_number)
            .map_err(|_| "its message number is negative".to_owned())?,
        last_update_time: time(stored.last_update_time)?,
        flight,
        buffered,
    })
}
