//! Blocks of records and of early messages, as a disk may give them back. An
//! input is the entries of a block, to which a right checksum is made, and is
//! tried as a block by itself too.
//!
//! Whatever was read makes no more messages than there are bytes, comes back the
//! same when it is written again, and can be replayed.

use std::sync::Arc;

use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::roster::Roster;
use downlink::journal::{Buffer, Record, Recovered, record};
use downlink::telemetry::Channel;

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
    let mut records = Vec::new();
    let read = record::read_records(ROW, &block, |record| records.push(record));
    let way = match read {
        Ok(()) => {
            let entries = records.iter().fold(Vec::new(), |entries, record| match record {
                Recovered::Message(message) => {
                    record::push_record(Record::Message(message), entries)
                }
                Recovered::Skip(skip) => record::push_record(Record::Skip(skip), entries),
                Recovered::Forget(forget) => record::push_record(Record::Forget(forget), entries),
                Recovered::Rocket(_) | Recovered::Mark(_) => unreachable!("no record is either"),
            });
            let mut again = Vec::new();
            let read = record::read_records(ROW, &record::block(ROW, &[&entries]), |record| {
                again.push(record);
            });
            ensure!(read.is_ok() && again == records, "{records:?} came back as {again:?}");
            format!("{} records", if records.is_empty() { "no" } else { "some" })
        }
        Err(error) => error.to_string(),
    };
    ensure!(records.len() <= input.len(), "{} records", records.len());
    let limits = Limits {
        buffered_per_rocket: 10_000,
        buffered: 10_000,
        rockets: 10_000,
        history: HistoryLimits::NONE,
    };
    let mut roster = Roster::new(Arc::new(Quotas::new(limits)));
    for record in records {
        let its = match &record {
            Recovered::Message(message) => &message.channel,
            Recovered::Skip(skip) => &skip.channel,
            Recovered::Forget(forget) => &forget.channel,
            Recovered::Rocket(_) | Recovered::Mark(_) => unreachable!("no record is either"),
        };
        let channel = Channel::parse(&its.text());
        ensure!(channel.as_ref() == Ok(its), "a channel that none is: {record:?}");
        match record {
            Recovered::Message(message) => roster.replay(message),
            Recovered::Skip(skip) => roster.replay_skip(&skip),
            Recovered::Forget(forget) => roster.replay_forget(&forget),
            Recovered::Rocket(_) | Recovered::Mark(_) => {}
        }
    }
    let early = match record::read_buffer(ROW, &block) {
        Ok(buffer) => {
            let Buffer { reports, waiting_since, lost, quiet_since, history } = &buffer;
            let block =
                record::buffer_block(ROW, reports, *waiting_since, lost, *quiet_since, history);
            let again = record::read_buffer(ROW, &block);
            ensure!(again.as_ref() == Ok(&buffer), "{buffer:?} came back as {again:?}");
            "early messages".to_owned()
        }
        Err(error) => error.to_string(),
    };
    Ok(format!("{way}; {early}"))
}
