//! Records and buffered messages as bytes.
//!
//! # Format, versions 1 to 3
//!
//! A *block* is what one row of the journal, or one rocket's buffer, holds:
//!
//! ```text
//! version  1 byte   1, or 2 or 3 of a buffer
//! checksum 4 bytes  CRC-32 (IEEE) of the context and the entries, little-endian
//! entries  the rest one after the other, to the end
//! ```
//!
//! The *context* is the number of the row that the block belongs to, 8 bytes
//! little-endian, so that a block in the wrong row is refused. It is not
//! stored.
//!
//! Entries are in the wire format of postcard 1 (a published specification:
//! variable-length integers, lengths before texts, an enum's variants numbered
//! from 0): `Entry` in the journal, `ReportV1` in a buffer. The types in
//! `forms` are the format, and are not those of the domain on purpose: variants
//! and fields may be added at the end of an enum, and nothing else may change
//! without a new version. A speed change takes some 30 bytes.
//!
//! Versions 2 and 3 are of buffers alone (`buffer`).
//!
//! * `buffer`: what a rocket has beside its columns.
//! * `forms`: the types that are the format; `error`: why a block cannot be read.

// It reads what a disk may have damaged: a wrong length must be an error.
#![warn(clippy::indexing_slicing)]

mod buffer;
mod error;
mod forms;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

pub use self::buffer::{buffer_block, read_buffer};
pub use self::error::BlockError;
use self::forms::{ChannelV1, Entry, MessageV1, NUMBERS, SkipV1};
use super::{Forget, Record, Recovered, Skip};
use crate::telemetry::Message;

const VERSION: u8 = 1;
const HEADER: usize = 5;

fn push(entry: &impl Serialize, entries: Vec<u8>) -> Vec<u8> {
    // Cannot fail: a vector takes all, and the types have no unsized parts.
    postcard::to_extend(entry, entries).expect("entries always serialise")
}

/// Appends one record to entries that become a block later.
#[must_use]
pub fn push_record(record: Record<'_>, entries: Vec<u8>) -> Vec<u8> {
    let channel = match record {
        Record::Message(message) => &message.channel,
        Record::Skip(skip) => &skip.channel,
        Record::Forget(forget) => &forget.channel,
    };
    let mut text = String::new();
    let channel = ChannelV1::of(channel, &mut text);
    let entry = match record {
        Record::Message(Message { report, .. }) => {
            Entry::Message(MessageV1 { channel, report: report.into() })
        }
        Record::Skip(&Skip { awaited, .. }) => {
            assert!(NUMBERS.contains(&awaited), "no message has the number {awaited}");
            Entry::Skip(SkipV1 { channel, awaited })
        }
        Record::Forget(_) => Entry::Forget(channel),
    };
    push(&entry, entries)
}

/// Makes a block of entries, handed over in parts, for the row `row`.
#[must_use]
pub fn block(row: u64, parts: &[&[u8]]) -> Vec<u8> {
    block_of(VERSION, row, parts)
}

/// As [`block`], of some version.
#[must_use]
#[expect(clippy::indexing_slicing, reason = "the header was just written")]
pub fn block_of(version: u8, row: u64, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut block = Vec::with_capacity(HEADER + length);
    block.push(version);
    block.extend_from_slice(&[0; 4]);
    for part in parts {
        block.extend_from_slice(part);
    }
    let checksum = checksum(row, &block[HEADER..]);
    block[1..HEADER].copy_from_slice(&checksum.to_le_bytes());
    block
}

/// CRC-32 of a row's number and its content.
#[must_use]
pub fn checksum(row: u64, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&row.to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}

/// Checks a block of one of these versions; returns which, and its entries.
fn entries(
    row: u64,
    block: &[u8],
    versions: RangeInclusive<u8>,
) -> Result<(u8, &[u8]), BlockError> {
    let (header, entries) = block.split_first_chunk::<HEADER>().ok_or(BlockError::Short)?;
    if !versions.contains(&header[0]) {
        return Err(BlockError::Version(header[0]));
    }
    if header[1..] != checksum(row, entries).to_le_bytes() {
        return Err(BlockError::Checksum);
    }
    Ok((header[0], entries))
}

fn take<'a, T: Deserialize<'a>>(entries: &mut &'a [u8]) -> Result<T, BlockError> {
    let (entry, rest) = postcard::take_from_bytes(entries)
        .map_err(|error| BlockError::Content(error.to_string()))?;
    *entries = rest;
    Ok(entry)
}

/// Reads the journal's row `row`, handing each record to `sink`, in order.
///
/// # Errors
/// [`BlockError`]; `sink` may have had some records by then.
pub fn read_records(
    row: u64,
    block: &[u8],
    mut sink: impl FnMut(Recovered),
) -> Result<(), BlockError> {
    let (_, mut entries) = entries(row, block, VERSION..=VERSION)?;
    while !entries.is_empty() {
        sink(match take(&mut entries)? {
            Entry::Message(MessageV1 { channel, report }) => Recovered::Message(Message {
                channel: channel.into_channel()?,
                report: report.into_report()?,
            }),
            Entry::Skip(SkipV1 { channel, awaited }) => {
                if !NUMBERS.contains(&awaited) {
                    return Err(BlockError::Content("a message number is out of range".to_owned()));
                }
                Recovered::Skip(Skip { channel: channel.into_channel()?, awaited })
            }
            Entry::Forget(channel) => {
                Recovered::Forget(Forget { channel: channel.into_channel()? })
            }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::forms::{EventV1, ReportV1};
    use super::*;
    use crate::telemetry::message::MAX_TEXT_BYTES;
    use crate::telemetry::{Channel, Event, Report, Timestamp};

    fn message(channel: &str, number: u64, event: Event) -> Message {
        let time = Timestamp::parse("2025-04-02T09:21:50.458989221+02:00").unwrap();
        let channel = Channel::parse(channel).unwrap();
        Message { channel, report: Report { number, time, event } }
    }

    fn messages() -> Vec<Message> {
        let uuid = "0e9e9df5-38fd-52e2-916f-c858b9eb4ea5";
        vec![
            message(
                uuid,
                1,
                Event::Launched { rocket_type: "A".into(), speed: 500, mission: "Ä".into() },
            ),
            message("not a uuid", u64::MAX >> 1, Event::SpeedIncreased { by: i64::MAX }),
            message(uuid, 3, Event::SpeedDecreased { by: 0 }),
            message(uuid, 4, Event::MissionChanged { mission: "M".into() }),
            message(uuid, 5, Event::Exploded { reason: "R".into() }),
        ]
    }

    fn written(row: u64, messages: &[Message]) -> Vec<u8> {
        let entries =
            messages.iter().fold(Vec::new(), |bytes, m| push_record(Record::Message(m), bytes));
        block(row, &[&entries])
    }

    fn read(row: u64, block: &[u8]) -> Result<Vec<Message>, BlockError> {
        let mut messages = Vec::new();
        let sink = |record| match record {
            Recovered::Message(message) => messages.push(message),
            other => panic!("{other:?}"),
        };
        read_records(row, block, sink).map(|()| messages)
    }

    #[test]
    fn records_come_back_as_they_were() {
        assert_eq!(read(7, &written(7, &messages())), Ok(messages()));
        assert_eq!(read(7, &written(7, &[])), Ok(vec![]));
    }

    #[test]
    fn skips_come_back_as_they_were() {
        for channel in ["0e9e9df5-38fd-52e2-916f-c858b9eb4ea5", "not a uuid"] {
            let skip = Skip { channel: Channel::parse(channel).unwrap(), awaited: 7 };
            let block = block(3, &[&push_record(Record::Skip(&skip), Vec::new())]);
            let mut records = Vec::new();
            read_records(3, &block, |record| records.push(record)).unwrap();
            assert_eq!(records, [Recovered::Skip(skip)]);
            let forget = Forget { channel: Channel::parse(channel).unwrap() };
            let row = self::block(3, &[&push_record(Record::Forget(&forget), Vec::new())]);
            let mut records = Vec::new();
            read_records(3, &row, |record| records.push(record)).unwrap();
            assert_eq!(records, [Recovered::Forget(forget)]);
        }
        let skip = Entry::Skip(SkipV1 { channel: ChannelV1::Text("a"), awaited: 0 });
        let refused = read(3, &block(3, &[&push(&skip, Vec::new())])).unwrap_err();
        assert!(refused.to_string().contains("out of range"), "{refused}");
    }

    #[test]
    fn a_number_that_no_message_has_is_neither_written_nor_read() {
        for number in [0, 1 << 63] {
            let mut message = message("a", 1, Event::SpeedIncreased { by: 1 });
            message.report.number = number;
            let event = EventV1::SpeedIncreased { by: 1 };
            let report = ReportV1 { number, seconds: 0, nanoseconds: 0, event };
            let entry = Entry::Message(MessageV1 { channel: ChannelV1::Text("a"), report });
            let refused = read(7, &block(7, &[&push(&entry, Vec::new())])).unwrap_err();
            assert!(refused.to_string().contains("out of range"), "{refused}");
            let written = std::panic::catch_unwind(|| written(7, &[message]));
            assert!(written.is_err(), "{number}");
        }
    }

    #[test]
    fn what_no_message_says_is_not_read() {
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        let launched =
            |rocket_type, speed, mission| EventV1::Launched { rocket_type, speed, mission };
        let odd = [
            launched("", 1, "M"),
            launched("T", -1, "M"),
            launched("T", 1, &long),
            EventV1::SpeedIncreased { by: -1 },
            EventV1::SpeedDecreased { by: i64::MIN },
            EventV1::MissionChanged { mission: "" },
            EventV1::Exploded { reason: &long },
        ];
        let read = |event| {
            let report = ReportV1 { number: 1, seconds: 0, nanoseconds: 0, event };
            let entry = Entry::Message(MessageV1 { channel: ChannelV1::Text("a"), report });
            read(7, &block(7, &[&push(&entry, Vec::new())]))
        };
        for event in odd {
            let refused = read(event).unwrap_err().to_string();
            assert!(refused.contains("than any") || refused.contains("out of range"), "{refused}");
        }
        read(launched("T", 0, &long[1..])).unwrap();
    }

    #[test]
    fn a_speed_change_is_compact() {
        let change = message(
            "0e9e9df5-38fd-52e2-916f-c858b9eb4ea5",
            300,
            Event::SpeedIncreased { by: 2500 },
        );
        assert!(push_record(Record::Message(&change), Vec::new()).len() <= 36);
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_refused() {
        let block = written(7, &messages());
        for byte in 0..block.len() {
            for bit in 0..8 {
                let mut broken = block.clone();
                broken[byte] ^= 1 << bit;
                assert!(read(7, &broken).is_err(), "byte {byte}, bit {bit}");
            }
            assert!(read(7, &block[..byte]).is_err(), "cut to {byte} bytes");
        }
        assert_eq!(read(8, &block), Err(BlockError::Checksum));
        assert_eq!(read(7, &[2, 0, 0, 0, 0]), Err(BlockError::Version(2)));
    }
}
