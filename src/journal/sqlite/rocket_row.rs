//! The table of rockets: its columns, their checksum, writing a row and reading
//! it back.
//!
//! A new field of a rocket is added here, and nowhere else in the journal. What
//! is written was asserted to make sense, and what is read back is held to the
//! same: a row that no release can have written is corrupt.

use std::sync::Arc;

use ahash::AHashMap;
use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::row_check::{check, check_all};
use crate::journal::{Buffer, RocketSnapshot, record};
use crate::telemetry::rocket::FlightSnapshot;
use crate::telemetry::{Channel, Timestamp};

pub(super) const CREATE_TABLE: &str = "
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
";

/// All rows as [`read`] reads them, in order.
pub(super) const SELECT: &str = "SELECT * FROM rockets ORDER BY id";

/// A row never changes its channel: if it would, the row IDs are mixed up, and
/// another rocket's row must not be lost to that.
const UPSERT: &str = "
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

/// Distinct texts kept at hand while rockets are read; a fleet has few.
const MAX_TEXTS: usize = 10_000;

/// A row, but for its ID and the checksum that covers all of this.
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

impl Columns<'_> {
    fn checksum(&self, id: u64) -> u32 {
        // Cannot fail: a vector takes all, and the row has no unsized parts.
        let content = postcard::to_stdvec(self).expect("rows always serialise");
        record::checksum(id, &content)
    }
}

/// Empties rows, whatever they hold; some may be empty.
pub(super) fn discard(connection: &Connection, rows: &[u32]) -> rusqlite::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut delete = connection.prepare_cached("DELETE FROM rockets WHERE id = ?1")?;
    rows.iter().try_for_each(|row| delete.execute([row]).map(drop))
}

/// Writes the rockets, in place of what their rows hold.
pub(super) fn write(connection: &Connection, rockets: &[RocketSnapshot]) -> rusqlite::Result<()> {
    if rockets.is_empty() {
        return Ok(());
    }
    let mut upsert = connection.prepare_cached(UPSERT)?;
    for rocket in rockets {
        if let Err(problem) = check(rocket) {
            panic!("a rocket to be stored makes no sense: {problem}: {rocket:?}");
        }
        let stored = write_row(&mut upsert, rocket)?;
        // Anything else is the conflict that the statement does not resolve.
        if stored != 1 {
            return Err(rusqlite::Error::StatementChangedRows(stored));
        }
    }
    Ok(())
}

fn write_row(
    upsert: &mut rusqlite::CachedStatement<'_>,
    rocket: &RocketSnapshot,
) -> rusqlite::Result<usize> {
    let id = u64::from(rocket.row_id);
    let channel = rocket.channel.text();
    let last_update_time = rocket.last_update_time.map(|time| time.to_string());
    let flight = rocket.flight.as_ref();
    let launch_time = flight.map(|flight| flight.launch_time.to_string());
    let RocketSnapshot { buffered, waiting_since, lost, quiet_since, history, .. } = rocket;
    let has_more =
        !buffered.is_empty() || !lost.is_empty() || quiet_since.is_some() || !history.is_empty();
    let buffered = has_more
        .then(|| record::buffer_block(id, buffered, *waiting_since, lost, *quiet_since, history));
    let row = Columns {
        channel: &channel,
        last_message_number: i64::try_from(rocket.last_message_number)
            .expect("messages are numbered up to 2^63 - 1"),
        last_update_time: last_update_time.as_deref(),
        launch_time: launch_time.as_deref(),
        speed: flight.map(|flight| flight.speed),
        rocket_type: flight.map(|flight| &*flight.rocket_type),
        mission: flight.map(|flight| &*flight.mission),
        explosion_reason: flight.and_then(|flight| flight.explosion_reason.as_deref()),
        buffered: buffered.as_deref(),
    };
    upsert.execute(params![
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
    ])
}

/// Reads a row, or says what is wrong with it.
pub(super) fn read(row: &Row<'_>, texts: &mut SharedTexts) -> Result<RocketSnapshot, String> {
    let column = |at: usize| row.get_ref(at).map_err(|error| error.to_string());
    let text = |at: usize| column(at)?.as_str_or_null().map_err(|error| error.to_string());
    let number = |at: usize| column(at)?.as_i64_or_null().map_err(|error| error.to_string());
    let missing = |what: &str| format!("it has no {what}");

    let id = number(0)?.ok_or_else(|| missing("id"))?;
    let row_id = u32::try_from(id).map_err(|_| "its id is out of range".to_owned())?;
    let stored = Columns {
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
    let Buffer { reports: buffered, waiting_since, lost, quiet_since, history } =
        match stored.buffered {
            Some(block) => record::read_buffer(u64::from(row_id), block)
                .map_err(|error| format!("its buffered messages: {error}"))?,
            None => Buffer::default(),
        };
    let rocket = RocketSnapshot {
        row_id,
        channel: Channel::parse(stored.channel)?,
        last_message_number: u64::try_from(stored.last_message_number)
            .map_err(|_| "its message number is negative".to_owned())?,
        last_update_time: time(stored.last_update_time)?,
        flight,
        buffered,
        waiting_since,
        lost,
        quiet_since,
        history,
    };
    check_all(&rocket)?;
    Ok(rocket)
}

/// One copy of each text, whichever rows it stands in.
#[derive(Default)]
pub(super) struct SharedTexts(AHashMap<String, Arc<str>>);

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::MAX_ROW_ID;
    use crate::telemetry::lost::Lost;
    use crate::telemetry::{Event, Report};

    fn time() -> Timestamp {
        Timestamp::parse("2022-02-02T19:39:05.86337+01:00").unwrap()
    }

    fn silent() -> RocketSnapshot {
        RocketSnapshot {
            row_id: 1,
            channel: Channel::parse("silent").unwrap(),
            last_message_number: 0,
            last_update_time: None,
            flight: None,
            buffered: vec![Report {
                number: 2,
                time: time(),
                event: Event::SpeedIncreased { by: 3 },
            }],
            waiting_since: Some(time()),
            lost: Lost::default(),
            quiet_since: None,
            history: vec![],
        }
    }

    fn exploded() -> RocketSnapshot {
        RocketSnapshot {
            row_id: MAX_ROW_ID,
            channel: Channel::parse("0e9e9df5-38fd-52e2-916f-c858b9eb4ea5").unwrap(),
            last_message_number: u64::MAX >> 1,
            last_update_time: Some(time()),
            flight: Some(FlightSnapshot {
                launch_time: time(),
                speed: i64::MIN,
                rocket_type: "Falcon-9".into(),
                mission: "ÄRTEMIS".into(),
                explosion_reason: Some("O-RING".into()),
            }),
            buffered: vec![],
            waiting_since: None,
            lost: Lost::restore(5, vec![(7, 11)]).unwrap(),
            quiet_since: Some(time()),
            // The explosion, a second after the message before.
            history: vec![0x34, 2],
        }
    }

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(CREATE_TABLE).unwrap();
        connection
    }

    fn read_all(connection: &Connection) -> Result<Vec<RocketSnapshot>, String> {
        let mut texts = SharedTexts::default();
        let mut statement = connection.prepare(SELECT).unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut all = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            all.push(read(row, &mut texts)?);
        }
        Ok(all)
    }

    #[test]
    fn rockets_come_back_as_they_were_written_last() {
        let table = table();
        let mut moved = exploded();
        moved.row_id = 7;
        moved.last_message_number = 2;
        moved.lost = Lost::default();
        moved.history = Vec::new();
        write(&table, &[moved.clone(), silent(), exploded()]).unwrap();
        moved.last_message_number = 3;
        (moved.flight, moved.quiet_since) = (None, None);
        write(&table, std::slice::from_ref(&moved)).unwrap();
        assert_eq!(read_all(&table), Ok(vec![silent(), moved, exploded()]));
    }

    #[test]
    fn a_row_does_not_go_to_another_rocket() {
        let table = table();
        write(&table, &[silent()]).unwrap();
        let mut other = exploded();
        other.row_id = 1;
        assert!(write(&table, &[other]).is_err());
        assert_eq!(read_all(&table), Ok(vec![silent()]));
    }

    #[test]
    fn every_column_is_under_the_checksum() {
        for change in [
            "id = 3",
            "channel = 'b'",
            "last_message_number = 9",
            "last_update_time = '2022-02-02T18:39:05Z'",
            "launch_time = '2022-02-02T18:39:05Z'",
            "speed = 0",
            "rocket_type = 'B'",
            "mission = 'B'",
            "explosion_reason = NULL",
            "buffered = x'00'",
        ] {
            let table = table();
            write(&table, &[exploded()]).unwrap();
            table.execute(&format!("UPDATE rockets SET {change}"), []).unwrap();
            let problem = read_all(&table).unwrap_err();
            assert!(problem.contains("checksum"), "{change}: {problem}");
        }
    }

    #[test]
    fn a_message_that_waits_twice_is_not_read() {
        let table = table();
        let mut rocket = silent();
        rocket.buffered.push(rocket.buffered[0].clone());
        write(&table, &[rocket]).unwrap();
        assert_eq!(read_all(&table), Err("message 2 waits twice".to_owned()));
    }

    #[test]
    fn a_past_that_does_not_lead_to_its_rocket_is_not_read() {
        let table = table();
        let another = RocketSnapshot { history: vec![0x31, 0], ..exploded() };
        write(&table, &[another]).unwrap();
        let refused = "its recent past: it exploded before its launch";
        assert_eq!(read_all(&table), Err(refused.to_owned()));
    }

    #[test]
    fn what_makes_no_sense_is_neither_written_nor_read() {
        let without_time = RocketSnapshot { last_update_time: None, ..exploded() };
        let without_message =
            RocketSnapshot { last_message_number: 0, last_update_time: None, ..exploded() };
        let without_waiting = RocketSnapshot { waiting_since: Some(time()), ..exploded() };
        let at_once = RocketSnapshot { last_message_number: 1, ..exploded() };
        let lost_last = RocketSnapshot { last_message_number: 11, ..exploded() };
        let not_missing = RocketSnapshot { last_message_number: 1, ..silent() };
        let not_missing = RocketSnapshot { last_update_time: Some(time()), ..not_missing };
        let with_text = |mission: String| {
            let flight = FlightSnapshot { mission: mission.into(), ..exploded().flight.unwrap() };
            RocketSnapshot { flight: Some(flight), ..exploded() }
        };
        let without_id = RocketSnapshot { row_id: 0, ..silent() };
        let beyond = RocketSnapshot { row_id: MAX_ROW_ID + 1, ..silent() };
        for (rocket, problem) in [
            (without_time, "without its time"),
            (without_message, "without a message"),
            (not_missing, "none before it is missing"),
            (without_waiting, "none waits for that"),
            (at_once, "with its first message"),
            (lost_last, "none after it has counted"),
            (with_text(String::new()), "longer or shorter than any"),
            (with_text("x".repeat(257)), "longer or shorter than any"),
            (without_id, "its id is 0"),
            (beyond, "its id is out of range"),
        ] {
            let table = table();
            write_row(&mut table.prepare_cached(UPSERT).unwrap(), &rocket).unwrap();
            let refused = read_all(&table).unwrap_err();
            assert!(refused.contains(problem), "{refused}, and not {problem}");
            let written = std::panic::catch_unwind(|| write(&self::table(), &[rocket]));
            assert!(written.is_err(), "{problem}");
        }
    }
}
