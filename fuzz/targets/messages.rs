//! Messages as clients write them. An input is the JSON of one.
//!
//! What is no JSON for `serde_json` is none here, and the reverse; a complaint
//! is short; a plain message, as nearly all are, is taken, and for what it says;
//! a message that was taken can be written again, as JSON and as a record, and
//! comes back the same.

use downlink::journal::{Record, Recovered, record};
use downlink::telemetry::{Event, Message, Timestamp, wire};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::{Kind, Way, ensure};

pub const KIND: Kind = Kind {
    name: "messages",
    about: "JSON of one message: taken for what it says, or refused in few words",
    words: WORDS,
    most: 8 * 1024,
    make: || Box::new(attempt),
};

pub const WORDS: &[&str] = &[
    "\"metadata\"",
    "\"message\"",
    "\"channel\"",
    "\"messageNumber\"",
    "\"messageTime\"",
    "\"messageType\"",
    "\"RocketLaunched\"",
    "\"RocketSpeedIncreased\"",
    "\"RocketSpeedDecreased\"",
    "\"RocketMissionChanged\"",
    "\"RocketExploded\"",
    "\"type\"",
    "\"launchSpeed\"",
    "\"mission\"",
    "\"by\"",
    "\"newMission\"",
    "\"reason\"",
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "\"\"",
    "\u{feff}",
    "\\ud800",
    "\\udfff\\ud800",
    "\\u0000",
    "\\u0061",
    "\\\"",
    "\u{202e}",
    "é",
    "1e400",
    "-0",
    "1.0",
    "5e2",
    "1E+400",
    "0.1e1",
    "9007199254740993.0",
    "9223372036854775807",
    "9223372036854775808",
    "2022-02-02T19:39:05.86337+01:00",
    "2016-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.9999999999-23:59",
    "2022-02-30T00:00:00Z",
    "2022-02-02t19:39:05z",
    "0e9e9df5-38fd-52e2-916f-c858b9eb4ea5",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "//",
    "NaN",
    "\r\n",
    "\t",
];

/// Longer than any complaint: it shows little of what was sent.
const LONGEST: usize = 600;

/// Each stands once in a plain message.
const KEYS: [&str; 6] = [
    "\"metadata\"",
    "\"message\"",
    "\"channel\"",
    "\"messageNumber\"",
    "\"messageTime\"",
    "\"messageType\"",
];

fn attempt(input: &[u8]) -> Result<Way, String> {
    let text = str::from_utf8(input).ok().map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    let is_json = text.is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let plain = text.and_then(plain);
    let read = wire::parse(input);
    let generally = wire::parse_in_general(input);
    ensure!(read == generally, "read as {read:?}, and in general as {generally:?}");
    let message = match read {
        Ok(message) => message,
        Err(error) => {
            let refused = error.to_string();
            ensure!(plain.is_none(), "a plain message is refused: {refused}");
            ensure!(refused.len() <= LONGEST, "a complaint of {} bytes: {refused}", refused.len());
            ensure!(
                is_json == matches!(error, wire::WireError::Invalid(_)),
                "it is {}JSON, and yet: {refused}",
                if is_json { "" } else { "no " }
            );
            return Ok(refused);
        }
    };
    ensure!(is_json, "what is no JSON is taken: {message:?}");
    if let Some(expected) = plain {
        let found = written(&message);
        ensure!(found == expected, "read as {found}, and it says {expected}");
    }
    let again = wire::parse(written(&message).to_string().as_bytes());
    ensure!(again.as_ref() == Ok(&message), "{message:?} was written and came back as {again:?}");
    let entries = record::push_record(Record::Message(&message), Vec::new());
    let mut kept = Vec::new();
    let read = record::read_records(7, &record::block(7, &[&entries]), |record| kept.push(record));
    ensure!(
        read.is_ok() && kept == [Recovered::Message(message.clone())],
        "{message:?} was kept and came back as {read:?} {kept:?}"
    );
    Ok(format!("taken: {:?} {}", std::mem::discriminant(&message.report.event), plain_or_not(text)))
}

fn plain_or_not(text: Option<&str>) -> &'static str {
    if text.is_some_and(|text| text.contains('\\')) { "with escapes" } else { "" }
}

/// A message as JSON; its time as the service writes it.
pub fn written(message: &Message) -> Value {
    let Message { channel, report } = message;
    let (kind, body) = match &report.event {
        Event::Launched { rocket_type, speed, mission } => (
            "RocketLaunched",
            json!({"type": rocket_type, "launchSpeed": speed, "mission": mission}),
        ),
        Event::SpeedIncreased { by } => ("RocketSpeedIncreased", json!({"by": by})),
        Event::SpeedDecreased { by } => ("RocketSpeedDecreased", json!({"by": by})),
        Event::MissionChanged { mission } => {
            ("RocketMissionChanged", json!({"newMission": mission}))
        }
        Event::Exploded { reason } => ("RocketExploded", json!({"reason": reason})),
    };
    json!({
        "metadata": {
            "channel": channel.text(),
            "messageNumber": report.number,
            "messageTime": report.time.to_string(),
            "messageType": kind,
        },
        "message": body,
    })
}

/// What a message says that is so plain that it must be taken, by reading it in
/// another way; `None` for all others.
fn plain(text: &str) -> Option<Value> {
    let fields: &[&str] = &["type", "launchSpeed", "mission", "by", "newMission", "reason"];
    let once = |key: &str| text.matches(key).count() == 1;
    let no_more = |field: &&str| text.matches(&format!("\"{field}\"")).count() <= 1;
    if text.contains('\\') || !KEYS.iter().all(|key| once(key)) || !fields.iter().all(no_more) {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let (metadata, message) = (&value["metadata"], &value["message"]);
    let short = |value: &Value, most: usize| {
        value.as_str().filter(|text| (1..=most).contains(&text.len())).map(str::to_owned)
    };
    let number = |value: &Value| value.as_u64().filter(|&number| i64::try_from(number).is_ok());
    let channel = short(&metadata["channel"], 128)?;
    if channel.chars().any(char::is_control) {
        return None;
    }
    let sent = metadata["messageTime"].as_str()?;
    let is_usual = sent.len() == 20 && sent.ends_with('Z') && sent.is_ascii();
    // Whether such a day exists is not asked twice.
    let time = Timestamp::parse(sent).filter(|_| is_usual)?.to_string();
    if time != sent {
        return None;
    }
    let kind = metadata["messageType"].as_str()?;
    let body = match kind {
        "RocketLaunched" => json!({
            "type": short(&message["type"], 256)?,
            "launchSpeed": number(&message["launchSpeed"])?,
            "mission": short(&message["mission"], 256)?,
        }),
        "RocketSpeedIncreased" | "RocketSpeedDecreased" => json!({"by": number(&message["by"])?}),
        "RocketMissionChanged" => json!({"newMission": short(&message["newMission"], 256)?}),
        "RocketExploded" => json!({"reason": short(&message["reason"], 256)?}),
        _ => return None,
    };
    let number = number(&metadata["messageNumber"]).filter(|&number| number > 0)?;
    Some(json!({
        "metadata": {"channel": channel, "messageNumber": number, "messageTime": time, "messageType": kind},
        "message": body,
    }))
}
