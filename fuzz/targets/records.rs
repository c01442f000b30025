//! Blocks of records and of early messages, as a disk may give them back. An
//! input is the entries of a block, to which a right checksum is made, and is
//! tried as a block by itself too.
//!
//! Whatever was read makes no more messages than there are bytes, comes back the
//! same when it is written again, and can be replayed.

use std::sync::Arc;

use downlink::fleet::limits::{Limits, Quotas};
use downlink::fleet::roster::Roster;
use downlink::journal::{Record, record};
use downlink::telemetry::{Channel, Message};

use super::{Kind, Way, ensure};

pub const KIND: Kind = Kind {
    name: "records",
    about: "blocks of the journal and of early messages: read back the same, or refused",
    words: &[
        "\0\0",
        "\0\x01\x01a",
        "\u{1}",
        "\x10",
        "a",
        "Falcon-9",
        "\x08Falcon-9",
        "\x07ARTEMIS",
    ],
    most: 4 * 1024,
    make: || Box::new(attempt),
};

const ROW: u64 = 7;

fn attempt(input: &[u8]) -> Result<Way, String> {
    let forged = record::read_records(ROW, input, drop).is_ok();
    ensure!(!forged, "a block of anybody's bytes has a right checksum");
    let block = record::block(ROW, &[input]);
    let mut messages = Vec::new();
    let read = record::read_records(ROW, &block, |message| messages.push(message));
    let way = match read {
        Ok(()) => {
            let entries = messages.iter().fold(Vec::new(), |entries, message: &Message| {
                record::push_record(Record::Message(message), entries)
            });
            let mut again = Vec::new();
            let read = record::read_records(ROW, &record::block(ROW, &[&entries]), |message| {
                again.push(message);
            });
            ensure!(read.is_ok() && again == messages, "{messages:?} came back as {again:?}");
            format!("{} records", if messages.is_empty() { "no" } else { "some" })
        }
        Err(error) => error.to_string(),
    };
    ensure!(messages.len() <= input.len(), "{} messages", messages.len());
    let limits = Limits { buffered_per_rocket: 10_000, buffered: 10_000, rockets: 10_000 };
    let mut roster = Roster::new(Arc::new(Quotas::new(limits)));
    for message in messages {
        let channel = Channel::parse(&message.channel.text());
        ensure!(channel.as_ref() == Ok(&message.channel), "a channel that none is: {message:?}");
        roster.replay(message);
    }
    let early = match record::read_buffer(ROW, &block) {
        Ok(reports) => {
            let again = record::read_buffer(ROW, &record::buffer_block(ROW, &reports));
            ensure!(again.as_ref() == Ok(&reports), "{reports:?} came back as {again:?}");
            "early messages".to_owned()
        }
        Err(error) => error.to_string(),
    };
    Ok(format!("{way}; {early}"))
}
