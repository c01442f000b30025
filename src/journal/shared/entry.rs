//! Records as the bytes of an entry.
//!
//! # Format, version 1
//!
//! A block as in [`super::super::record`], version 1: its context is made of the
//! entry's ID, so that bytes which stand under another ID are refused. The records
//! follow one after the other, and are applied in this order.

use super::{EntryId, LogError};
use crate::journal::{Record, Recovered, record};

/// The bytes of a block before its records.
pub const HEADER: usize = 5;

/// The oldest format of records that this release writes: for who is not known to read
/// a newer one.
pub const OLDEST: u32 = 1;

/// The newest that it reads, and so may write. It reads all between, too.
pub const READS: u32 = 1;

/// Adds one record to those of an entry.
#[must_use]
pub fn push(record: Record<'_>, records: Vec<u8>) -> Vec<u8> {
    record::push_record(record, records)
}

/// An entry's bytes in this format, of its records, which look the same in all there are.
#[must_use]
pub fn write(format: u32, id: &EntryId, records: &[&[u8]]) -> Vec<u8> {
    let version = u8::try_from(format).expect("a format is one byte in an entry");
    record::block_of(version, context(id), records)
}

/// The records of an entry, in order.
///
/// # Errors
/// [`LogError::Corrupt`] if they are not what was appended, or of a later version.
pub fn read(id: &EntryId, bytes: &[u8]) -> Result<Vec<Recovered>, LogError> {
    let mut records = Vec::new();
    let sink = |record| records.push(record);
    record::read_records(context(id), bytes, sink).map_err(|error| {
        let EntryId { node, incarnation, number } = id;
        LogError::Corrupt(format!("entry {node}/{incarnation:016x}/{number}: {error}"))
    })?;
    Ok(records)
}

/// A number of an ID: not one of its own, but seldom that of another.
fn context(EntryId { node, incarnation, number }: &EntryId) -> u64 {
    let node = u64::from(crc32fast::hash(node.as_bytes()));
    node.rotate_left(32) ^ incarnation ^ number.rotate_left(17)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Forget;
    use crate::telemetry::Channel;

    #[test]
    fn an_entry_is_read_under_its_own_id_only() {
        let id = EntryId { node: "a".into(), incarnation: 7, number: 3 };
        let forget = Forget { channel: Channel::parse("x").unwrap() };
        let records = push(Record::Forget(&forget), Vec::new());
        let bytes = write(1, &id, &[&records]);
        assert_eq!(bytes.len(), HEADER + records.len());
        assert_eq!(read(&id, &bytes), Ok(vec![Recovered::Forget(forget)]));
        for other in [
            EntryId { node: "b".into(), ..id.clone() },
            EntryId { incarnation: 8, ..id.clone() },
            EntryId { number: 4, ..id.clone() },
        ] {
            assert!(matches!(read(&other, &bytes), Err(LogError::Corrupt(_))), "{other:?}");
        }
        let error = read(&id, &write(2, &id, &[&records])).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }
}
