//! The table that says how far the log of a cluster is part of what is stored. It is
//! there only in a node's directory. Owns that it is written and read as it is; does
//! not own what is made of it.

use rusqlite::{Connection, OptionalExtension, params};

use super::open::MARKED;
use super::tables::Tables;
use crate::journal::{Mark, OpenError};

const CREATE_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS mark (
        only INTEGER PRIMARY KEY CHECK (only = 1), log TEXT NOT NULL,
        log_offset INTEGER NOT NULL, settled INTEGER NOT NULL, checksum INTEGER NOT NULL
    )";

/// Writes it in the transaction that is open.
pub(super) fn write(tx: &Connection, mark: &Mark) -> rusqlite::Result<()> {
    let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != MARKED {
        tx.execute_batch(CREATE_TABLE)?;
        tx.pragma_update(None, "user_version", MARKED)?;
    }
    let Mark { log, offset, settled } = mark;
    let number = |offset: u64| i64::try_from(offset).expect("no log has 2^63 entries");
    tx.prepare_cached("INSERT OR REPLACE INTO mark VALUES (1, ?1, ?2, ?3, ?4)")?
        .execute(params![log, number(*offset), number(*settled), checksum(mark)])
        .map(drop)
}

/// Reads it, if there is one.
pub(super) fn read(tables: Tables<'_>) -> Result<Option<Mark>, OpenError> {
    let connection = tables.connection;
    let read = || -> rusqlite::Result<Option<(Mark, u32)>> {
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != MARKED {
            return Ok(None);
        }
        let select = "SELECT log, log_offset, settled, checksum FROM mark";
        let mark = |row: &rusqlite::Row<'_>| {
            let number = |column| row.get(column).map(i64::cast_unsigned);
            let mark = Mark { log: row.get(0)?, offset: number(1)?, settled: number(2)? };
            Ok((mark, row.get(3)?))
        };
        connection.query_row(select, [], mark).optional()
    };
    match read().map_err(|error| tables.corrupt("table mark", &error))? {
        Some((mark, found)) if found == checksum(&mark) && mark.offset <= mark.settled => {
            Ok(Some(mark))
        }
        Some(_) => Err(tables.corrupt("table mark", &"its checksum is wrong")),
        None => Ok(None),
    }
}

fn checksum(Mark { log, offset, settled }: &Mark) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&offset.to_le_bytes());
    hasher.update(&settled.to_le_bytes());
    hasher.update(log.as_bytes());
    hasher.finalize()
}
