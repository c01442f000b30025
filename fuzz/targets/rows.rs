//! Rows of the database, as a disk may give them back. An input is JSON:
//! `{"rockets": [[id, channel, …]], "journal": [[seq, entries]]}`, with the
//! columns in the order of the tables but for the checksum, which is made right.
//! Where entries of a block are meant it is `{"entries": "hex"}`, to which a
//! right block is made, of version 1 or of that in `"version"`; `{"hex": "…"}` is a
//! blob as it is.
//!
//! Every start either refuses them or can go on with them: the rosters that it
//! makes of them take them, and more.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::query::Span;
use downlink::fleet::roster::Roster;
use downlink::journal::sqlite::{FILE, SqliteJournal};
use downlink::journal::{JournalSource, OpenedJournal, Recovered, record};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

use super::{Kind, Target, Way, ensure};

pub const KIND: Kind = Kind {
    name: "rows",
    about: "rows of the database with right checksums: a start refuses them or goes on with them",
    words: &[
        "null",
        "1",
        "0",
        "\"a\"",
        "{\"entries\":\"\"}",
        "{\"version\":3,\"entries\":\"\"}",
        "{\"hex\":\"01\"}",
        "\"2022-02-02T18:39:05.86337Z\"",
        ",",
        "[",
        "]",
        "\"rockets\"",
        "\"journal\"",
        "1.5",
        "\"x\"",
        "-9223372036854775808",
        "4294967295",
        "4294967296",
        "true",
    ],
    most: 4 * 1024,
    make: || Box::new(Rows::open()),
};

struct Rows {
    opened: Box<dyn OpenedJournal>,
    writer: Connection,
    _directory: TempDir,
}

/// As the journal's own, over which it has its checksum.
#[derive(Serialize)]
struct Columns<'a> {
    channel: &'a str,
    last_message_number: i64,
    last_update_time: Option<&'a str>,
    launch_time: Option<&'a str>,
    speed: Option<i64>,
    rocket_type: Option<&'a str>,
    mission: Option<&'a str>,
    explosion_reason: Option<&'a str>,
    buffered: Option<&'a [u8]>,
}

const COLUMNS: usize = 10;

impl Rows {
    fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let opened = Box::new(SqliteJournal::os(directory.path(), Duration::ZERO)).open().unwrap();
        let writer = Connection::open(directory.path().join(FILE)).unwrap();
        writer.pragma_update(None, "synchronous", "OFF").unwrap();
        Self { opened, writer, _directory: directory }
    }

    /// Puts the rows in place of those before; `Err` if no table takes them.
    fn write(&mut self, rows: &Value) -> rusqlite::Result<()> {
        let all = |name: &str| rows[name].as_array().cloned().unwrap_or_default();
        let tx = self.writer.transaction()?;
        tx.execute_batch("DELETE FROM rockets; DELETE FROM journal")?;
        {
            let mut insert = tx.prepare_cached("INSERT INTO journal VALUES (?, ?)")?;
            for row in all("journal") {
                let seq = row[0].as_u64().unwrap_or(0);
                insert.execute(params_from_iter([sql(0, &row[0]), sql(seq, &row[1])]))?;
            }
            let mut insert =
                tx.prepare_cached("INSERT INTO rockets VALUES (?,?,?,?,?,?,?,?,?,?,?)")?;
            for row in all("rockets") {
                let id = row[0].as_u64().unwrap_or(0);
                let mut values: Vec<Sql> = (0..COLUMNS).map(|at| sql(id, &row[at])).collect();
                values.push(Sql::Integer(checksum(id, &values).unwrap_or(0)));
                insert.execute(params_from_iter(values))?;
            }
        }
        tx.commit()
    }
}

fn sql(id: u64, value: &Value) -> Sql {
    match value {
        Value::Null | Value::Array(_) => Sql::Null,
        Value::Bool(value) => Sql::Integer(i64::from(*value)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Sql::Integer(number),
            None => Sql::Real(number.as_f64().unwrap_or(0.0)),
        },
        Value::String(text) => Sql::Text(text.clone()),
        Value::Object(object) => match (object.get("entries"), object.get("hex")) {
            (Some(Value::String(entries)), _) => {
                let version = object.get("version").and_then(Value::as_u64).unwrap_or(1);
                let version = version.to_le_bytes()[0];
                Sql::Blob(record::block_of(version, id, &[&bytes(entries)]))
            }
            (_, Some(Value::String(hex))) => Sql::Blob(bytes(hex)),
            _ => Sql::Blob(Vec::new()),
        },
    }
}

/// Of hexadecimal digits; all else is passed over.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.as_chunks().0.iter().map(|[high, low]| (high * 16 + low).to_le_bytes()[0]).collect()
}

/// `None` if there is a column that holds what it never does.
fn checksum(id: u64, values: &[Sql]) -> Option<i64> {
    let text = |at: usize| match &values[at] {
        Sql::Text(text) => Some(Some(text.as_str())),
        Sql::Null => Some(None),
        _ => None,
    };
    let number = |at: usize| match values[at] {
        Sql::Integer(number) => Some(Some(number)),
        Sql::Null => Some(None),
        _ => None,
    };
    let buffered = match &values[9] {
        Sql::Blob(blob) => Some(blob.as_slice()),
        Sql::Null => None,
        _ => return None,
    };
    let columns = Columns {
        channel: text(1)??,
        last_message_number: number(2)??,
        last_update_time: text(3)?,
        launch_time: text(4)?,
        speed: number(5)?,
        rocket_type: text(6)?,
        mission: text(7)?,
        explosion_reason: text(8)?,
        buffered,
    };
    Some(record::checksum(id, &postcard::to_stdvec(&columns).unwrap()).into())
}

impl Target for Rows {
    fn attempt(&mut self, input: &[u8]) -> Result<Way, String> {
        let Ok(rows) = serde_json::from_slice::<Value>(input) else {
            return Ok("no JSON".to_owned());
        };
        if let Err(refused) = self.write(&rows) {
            return Ok(format!("no table takes it: {refused}"));
        }
        let limits = Limits {
            buffered_per_rocket: 10_000,
            buffered: 10_000,
            rockets: 10_000,
            history: HistoryLimits { per_rocket: 8, memory: 4096 },
        };
        let quotas = Arc::new(Quotas::new(limits));
        let mut roster = Roster::new(quotas.clone());
        let mut count = 0;
        // As a start does (`fleet/restore`), with one partition.
        let read = self.opened.recover(&mut |recovered| {
            count += 1;
            match recovered {
                Recovered::Rocket(rocket) => {
                    quotas.row_ids.reserve(rocket.row_id);
                    roster.restore(rocket);
                }
                Recovered::Message(message) => roster.replay(message),
                Recovered::Skip(skip) => roster.replay_skip(&skip),
                Recovered::Forget(forget) => roster.replay_forget(&forget),
                Recovered::Mark(_) => {}
            }
            ControlFlow::Continue(())
        });
        // Whatever is there of the past can be read and stored.
        let all: Vec<_> = (0..roster.slots()).collect();
        roster.put_back(&all);
        for rocket in roster.take_changed(0).rockets {
            let _ = roster.history(&rocket.channel, &Span::default());
        }
        ensure!(count <= input.len(), "{count} rockets and messages of {} bytes", input.len());
        Ok(match read {
            Ok(()) => format!("read: {} launched", "n".repeat(roster.launched().min(3))),
            Err(error) => {
                let error = error.to_string();
                // Without the path, which is another one each time.
                error.split_once(FILE).map_or("", |(_, rest)| rest).to_owned()
            }
        })
    }
}
