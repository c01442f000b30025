//! Streams of messages against the oracle of the tests. An input is four bytes a
//! message: whose, its number, what, and how much; numbers repeat, contradict
//! each other, come in any order and far apart.
//!
//! Each message has the outcome that its number asks for, and the fleet shows
//! what the oracle works out; and so does one that is made of the same messages
//! as records, as after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::outcome::Outcome;
use downlink::fleet::roster::Roster;
use downlink::fleet::view::Lookup;
use downlink::journal::{Record, Recovered, record};
use downlink::telemetry::{Channel, Message, wire};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::fleet::TestFleet;
use super::{Kind, Target, Way, ensure};
use crate::oracle;

pub const KIND: Kind = Kind {
    name: "folding",
    about: "messages in any order, repeated and contradicted: the fleet shows what the oracle does",
    words: &[
        "\0\x01\0\0",
        "\0\x02\x01\x01",
        "\x01\x01\0\x05",
        "\0\x01\0\0\0\x02\x01\x01\0\x03\x02\x01\0\x04\x04\x01",
    ],
    most: 600,
    make: || Box::new(Folding { fleet: start(), inputs: 0 }),
};

/// After so many the fleet is made anew.
const INPUTS: u64 = 2000;

const TEXTS: [&str; 4] = ["ARTEMIS", "Ωmega \"1\"", "x", "apollo"];

struct Folding {
    fleet: TestFleet,
    inputs: u64,
}

fn start() -> TestFleet {
    TestFleet::start("folding", &[])
}

fn message(input: u64, [rocket, number, what, much]: [u8; 4]) -> Value {
    // Each input has rockets of its own.
    let channel = match rocket % 4 {
        0 => format!("0e9e9df5-38fd-52e2-916f-{input:012x}"),
        rocket => format!("rocket №{rocket} {input}"),
    };
    let number = match number {
        0 => i64::MAX as u64,
        1..192 => u64::from(number) % 24 + 1,
        far => 1 << (far % 63),
    };
    let by = match much {
        0..200 => i64::from(much),
        _ => i64::MAX - i64::from(much % 3),
    };
    let text = TEXTS[usize::from(much) % TEXTS.len()];
    let (kind, body) = match what % 8 {
        0 => ("RocketLaunched", json!({"type": text, "launchSpeed": by, "mission": text})),
        1 | 2 => ("RocketSpeedIncreased", json!({"by": by})),
        3 | 4 => ("RocketSpeedDecreased", json!({"by": by})),
        5 | 6 => ("RocketMissionChanged", json!({"newMission": text})),
        _ => ("RocketExploded", json!({"reason": text})),
    };
    let time = format!("2022-02-02T12:{:02}:{:02}.{what:03}Z", much % 60, what % 60);
    json!({
        "metadata": {
            "channel": channel, "messageNumber": number, "messageType": kind, "messageTime": time,
        },
        "message": body,
    })
}

impl Target for Folding {
    fn attempt(&mut self, input: &[u8]) -> Result<Way, String> {
        self.inputs += 1;
        if self.inputs.is_multiple_of(INPUTS) {
            self.fleet = start();
        }
        let sent: Vec<Value> =
            input.as_chunks().0.iter().map(|&it| message(self.inputs, it)).collect();
        let messages: Vec<Message> =
            sent.iter().map(|it| wire::parse(it.to_string().as_bytes()).unwrap()).collect();
        let channels: BTreeSet<Channel> = messages.iter().map(|it| it.channel.clone()).collect();
        let mut expected: BTreeMap<String, Value> = oracle::rockets(&sent)
            .into_iter()
            .map(|rocket| (rocket["id"].as_str().unwrap().to_owned(), rocket))
            .collect();

        let replayed = replayed(&messages);
        self.post(messages)?;
        let mut way = String::new();
        for channel in channels {
            let deadline = Instant::now() + std::time::Duration::from_secs(60);
            let asked = self.fleet.fleet.rocket(channel.clone(), deadline);
            let shown = self.fleet.runtime.block_on(asked).map_err(|error| error.to_string())?;
            let (mut shown, mut again) = (plain(shown), plain(replayed.lookup(&channel)));
            let mut oracle = expected.remove(&*channel.text()).unwrap_or_default();
            oracle::settle_conflicts(&mut shown, &mut oracle)?;
            ensure!(shown == oracle, "the fleet shows {shown}, and the oracle {oracle}");
            // Conflicts are counted since the start: there are none.
            oracle::settle_conflicts(&mut again, &mut oracle)?;
            ensure!(again == oracle, "after a restart it is {again}, and for the oracle {oracle}");
            let number = oracle["last_message_number"].as_u64().unwrap_or(0);
            let _ = write!(
                way,
                "{} {}|",
                "n".repeat(usize::try_from(number).unwrap_or(99).min(99) / 4),
                oracle["status"]
            );
        }
        Ok(way)
    }
}

impl Folding {
    /// Posts them one by one; each must have the outcome that it should have.
    fn post(&self, messages: Vec<Message>) -> Result<(), String> {
        let mut seen: BTreeMap<Channel, BTreeSet<u64>> = BTreeMap::new();
        self.fleet.runtime.block_on(async {
            for message in messages {
                let (channel, number) = (message.channel.clone(), message.report.number);
                let deadline = Instant::now() + std::time::Duration::from_secs(60);
                let told = self.fleet.fleet.submit(message, sleep_until(deadline)).await;
                let told = told.map_err(|error| error.to_string())?;
                let seen = seen.entry(channel).or_default();
                let next = (1..u64::MAX).find(|number| !seen.contains(number)).unwrap_or(0);
                let expected = if !seen.insert(number) {
                    Outcome::Duplicate
                } else if number == next {
                    Outcome::Applied
                } else {
                    Outcome::Buffered
                };
                ensure!(told == expected, "message {number} is {told:?}, and not {expected:?}");
            }
            Ok(())
        })
    }
}

/// What a restart makes of them.
fn replayed(messages: &[Message]) -> Roster {
    let limits = Limits {
        buffered_per_rocket: 10_000,
        buffered: 10_000,
        rockets: 10_000,
        history: HistoryLimits::NONE,
    };
    let mut roster = Roster::new(Arc::new(Quotas::new(limits)));
    let entries = messages.iter().fold(Vec::new(), |entries, message| {
        record::push_record(Record::Message(message), entries)
    });
    record::read_records(1, &record::block(1, &[&entries]), |record| match record {
        Recovered::Message(message) => roster.replay(message),
        other => unreachable!("only messages were written: {other:?}"),
    })
    .unwrap();
    roster
}

/// A launched rocket as its reader sees it; nothing for any other.
fn plain(found: Lookup) -> Value {
    match found {
        Lookup::Found(rocket) => serde_json::to_value(rocket).unwrap(),
        Lookup::NotLaunched { .. } | Lookup::Unknown => Value::Null,
    }
}
