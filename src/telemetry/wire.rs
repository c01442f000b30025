//! The JSON form of a message, and what can be wrong with it.
//!
//! Most messages are of the usual shape, and read at once ([`super::usual`]). The
//! rest of this is about all others, and about what that shape means.
//!
//! A message is read in one pass over the bytes. Every field is first taken as
//! whatever it is and checked afterwards, because key order is free: which
//! fields of `message` matter is known only once `metadata.messageType` is.
//! That also lets every complaint name its field and say what was expected.
//!
//! What is no message for that pass is read again in a lenient way
//! ([`super::lenient`]), which takes all that is JSON and keeps numbers as they
//! came. What a valid channel and a valid time are does not stand here.

// It reads what anybody sends: nothing in it may be a panic.
#![warn(clippy::indexing_slicing)]

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess};
use thiserror::Error;

use super::lenient::Lenient;
use super::message::{MAX_INTEGER, MAX_TEXT_BYTES};
use super::value::{Key, Object, Reader, Value, ignore};
use super::{Channel, Event, Message, Report, Timestamp, usual, whole};

/// What Windows tools begin a text with; to be ignored, as RFC 8259 allows.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why bytes are not a message.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WireError {
    /// The bytes are not JSON at all.
    #[error("not valid JSON: {0}")]
    NotJson(String),
    /// The bytes are JSON, but not a message; the text names the field.
    #[error("{0}")]
    Invalid(String),
}

/// Reads one message from its JSON form.
///
/// # Errors
/// [`WireError`], by whether the bytes are JSON at all.
pub fn parse(bytes: &[u8]) -> Result<Message, WireError> {
    usual::read(bytes).map_or_else(|| parse_in_general(bytes), Ok)
}

/// As [`parse`], for whatever there is: it says what a message is.
///
/// # Errors
/// As there.
#[inline(never)]
pub fn parse_in_general(bytes: &[u8]) -> Result<Message, WireError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| WireError::NotJson(format!("{error}; JSON is UTF-8")))?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut envelope = Envelope::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Reader(&mut envelope).deserialize(&mut deserializer);
    match read.and_then(|whole| deserializer.end().map(|()| whole)) {
        Ok(whole) => envelope.to_message(&whole).or_else(|_| parse_leniently(text)),
        Err(error) => {
            // The complaint may have come before the end of the text was seen, or
            // be about what is JSON all the same.
            serde_json::from_str::<IgnoredAny>(text).map_err(not_json)?;
            if error.is_data() { Err(invalid(error)) } else { parse_leniently(text) }
        }
    }
}

/// As [`parse`], for any text that is JSON. Apart, since few texts get here.
#[cold]
fn parse_leniently(text: &str) -> Result<Message, WireError> {
    let mut envelope = Envelope::default();
    let whole = Reader(&mut envelope).deserialize(Lenient(text.trim_ascii())).map_err(invalid)?;
    envelope.to_message(&whole)
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` calls it so")]
fn not_json(error: serde_json::Error) -> WireError {
    WireError::NotJson(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` calls it so")]
fn invalid(error: serde_json::Error) -> WireError {
    WireError::Invalid(error.to_string())
}

/// The whole of a message, as it came.
#[derive(Default)]
struct Envelope<'de> {
    metadata: Value<'de>,
    metadata_fields: Metadata<'de>,
    message: Value<'de>,
    message_fields: Body<'de>,
}

#[derive(Default)]
struct Metadata<'de> {
    channel: Value<'de>,
    number: Value<'de>,
    time: Value<'de>,
    kind: Value<'de>,
}

/// What `message` may hold, whatever the type of message.
#[derive(Default)]
struct Body<'de> {
    rocket_type: Value<'de>,
    launch_speed: Value<'de>,
    mission: Value<'de>,
    by: Value<'de>,
    new_mission: Value<'de>,
    reason: Value<'de>,
}

impl Envelope<'_> {
    /// `whole` is what it was read from.
    fn to_message(&self, whole: &Value<'_>) -> Result<Message, WireError> {
        object("the message", whole)?;
        object("metadata", &self.metadata)?;
        object("message", &self.message)?;
        let (metadata, body) = (&self.metadata_fields, &self.message_fields);
        let channel = match &metadata.channel {
            Value::Text(text) => Channel::parse(text)
                .map_err(|problem| WireError::Invalid(format!("metadata.channel: {problem}")))?,
            other => return Err(unexpected("metadata.channel", "a text of 1 to 128 bytes", other)),
        };
        let number = integer("metadata.messageNumber", 1, &metadata.number)?;
        let time = match &metadata.time {
            Value::Text(text) => Timestamp::parse(text),
            _ => None,
        }
        .ok_or_else(|| {
            let expected = "an RFC 3339 time such as 2022-02-02T19:39:05.86337+01:00";
            quoted("metadata.messageTime", expected, &metadata.time)
        })?;
        let kind = match &metadata.kind {
            Value::Text(kind) => kind.as_ref(),
            _ => "",
        };
        let event = match kind {
            "RocketLaunched" => Event::Launched {
                rocket_type: short_text("message.type", &body.rocket_type)?,
                speed: speed("message.launchSpeed", &body.launch_speed)?,
                mission: short_text("message.mission", &body.mission)?,
            },
            "RocketSpeedIncreased" => Event::SpeedIncreased { by: speed("message.by", &body.by)? },
            "RocketSpeedDecreased" => Event::SpeedDecreased { by: speed("message.by", &body.by)? },
            "RocketMissionChanged" => Event::MissionChanged {
                mission: short_text("message.newMission", &body.new_mission)?,
            },
            "RocketExploded" => {
                Event::Exploded { reason: short_text("message.reason", &body.reason)? }
            }
            _ => {
                let expected = "RocketLaunched, RocketSpeedIncreased, RocketSpeedDecreased, \
                                RocketMissionChanged or RocketExploded";
                return Err(quoted("metadata.messageType", expected, &metadata.kind));
            }
        };
        Ok(Message { channel, report: Report { number, time, event } })
    }
}

fn unexpected(field: &str, expected: &str, found: &Value<'_>) -> WireError {
    WireError::Invalid(format!("{field}: expected {expected}, found {found}"))
}

/// As [`unexpected`], but shows a text that is short enough to help.
fn quoted(field: &str, expected: &str, found: &Value<'_>) -> WireError {
    match found {
        Value::Text(text) if text.len() <= 64 => {
            WireError::Invalid(format!("{field}: expected {expected}, found {text:?}"))
        }
        other => unexpected(field, expected, other),
    }
}

fn object(field: &str, value: &Value<'_>) -> Result<(), WireError> {
    match value {
        Value::Object => Ok(()),
        other => Err(unexpected(field, "an object", other)),
    }
}

fn integer(field: &str, min: u64, value: &Value<'_>) -> Result<u64, WireError> {
    let number = match *value {
        Value::Integer(number) => Some(number),
        Value::Raw(number) => whole::value(number),
        _ => None,
    };
    number
        .filter(|number| (min..=MAX_INTEGER).contains(number))
        .ok_or_else(|| unexpected(field, &format!("an integer from {min} to {MAX_INTEGER}"), value))
}

fn speed(field: &str, value: &Value<'_>) -> Result<i64, WireError> {
    let speed = integer(field, 0, value)?;
    Ok(i64::try_from(speed).expect("`integer` lets nothing above `i64::MAX` through"))
}

fn short_text(field: &str, value: &Value<'_>) -> Result<Box<str>, WireError> {
    let expected = || format!("a text of 1 to {MAX_TEXT_BYTES} bytes");
    match value {
        Value::Text(text) if (1..=MAX_TEXT_BYTES).contains(&text.len()) => Ok(text.as_ref().into()),
        Value::Text(text) => Err(WireError::Invalid(format!(
            "{field}: expected {}, found {} bytes",
            expected(),
            text.len()
        ))),
        other => Err(unexpected(field, &expected(), other)),
    }
}

impl<'de> Object<'de> for Envelope<'de> {
    type Key = Key<'de>;

    fn read<A: MapAccess<'de>>(&mut self, key: Key<'de>, map: &mut A) -> Result<(), A::Error> {
        match key.0.as_ref() {
            "metadata" => self.metadata.read_once("metadata", &mut self.metadata_fields, map),
            "message" => self.message.read_once("message", &mut self.message_fields, map),
            _ => ignore(map),
        }
    }
}

impl<'de> Object<'de> for Metadata<'de> {
    type Key = Key<'de>;

    fn read<A: MapAccess<'de>>(&mut self, key: Key<'de>, map: &mut A) -> Result<(), A::Error> {
        match key.0.as_ref() {
            "channel" => self.channel.read_leaf("metadata.channel", map),
            "messageNumber" => self.number.read_leaf("metadata.messageNumber", map),
            "messageTime" => self.time.read_leaf("metadata.messageTime", map),
            "messageType" => self.kind.read_leaf("metadata.messageType", map),
            _ => ignore(map),
        }
    }
}

impl<'de> Object<'de> for Body<'de> {
    type Key = Key<'de>;

    fn read<A: MapAccess<'de>>(&mut self, key: Key<'de>, map: &mut A) -> Result<(), A::Error> {
        match key.0.as_ref() {
            "type" => self.rocket_type.read_leaf("message.type", map),
            "launchSpeed" => self.launch_speed.read_leaf("message.launchSpeed", map),
            "mission" => self.mission.read_leaf("message.mission", map),
            "by" => self.by.read_leaf("message.by", map),
            "newMission" => self.new_mission.read_leaf("message.newMission", map),
            "reason" => self.reason.read_leaf("message.reason", map),
            _ => ignore(map),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    const LAUNCH: &str = r#"{"metadata":{"channel":"0e9e9df5-38fd-52e2-916f-c858b9eb4ea5","messageNumber":1,"messageType":"RocketLaunched","messageTime":"2025-04-02T09:21:50.458989221+02:00"},"message":{"type":"Atlas-H","launchSpeed":500,"mission":"APOLLO"}}"#;

    fn invalid(text: &str) -> String {
        match parse(text.as_bytes()) {
            Err(WireError::Invalid(problem)) => problem,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_real_message_is_read() {
        let message = parse(LAUNCH.as_bytes()).unwrap();
        assert_eq!(message.channel.to_string(), "0e9e9df5-38fd-52e2-916f-c858b9eb4ea5");
        assert_eq!(message.report.number, 1);
        assert_eq!(message.report.time.to_string(), "2025-04-02T07:21:50.458989221Z");
        let expected =
            Event::Launched { rocket_type: "Atlas-H".into(), speed: 500, mission: "APOLLO".into() };
        assert_eq!(message.report.event, expected);
    }

    #[test]
    fn key_order_escapes_and_unknown_fields_do_not_matter() {
        let text = r#" {"extra":[{"a":1,"a":2}],"message":{"by":7,"reason":{},"x":null,"x":1},"extra":{},
            "metadata":{"messageTime":"2025-04-02T09:21:50Z","messageType":"RocketSpeedIncreased",
            "\u0063hannel":"\u0061b","messageNumber":9223372036854775807,"unit":"m/s"}} "#;
        let message = parse(text.as_bytes()).unwrap();
        assert_eq!(message.channel.to_string(), "ab");
        assert_eq!(message.report.number, MAX_INTEGER);
        assert_eq!(message.report.event, Event::SpeedIncreased { by: 7 });
    }

    #[test]
    fn a_complaint_names_the_field_and_what_was_found() {
        let bad_number = LAUNCH.replace(r#""messageNumber":1"#, r#""messageNumber":0"#);
        assert_eq!(
            invalid(&bad_number),
            "metadata.messageNumber: expected an integer from 1 to 9223372036854775807, found 0"
        );
        assert_eq!(invalid("[]"), "the message: expected an object, found an array");
        assert_eq!(invalid("{}"), "metadata: expected an object, found nothing");
        assert!(
            invalid(r#"{"metadata":{},"metadata":{}}"#).starts_with("metadata: is given twice")
        );
    }

    #[test]
    fn what_is_not_json_is_told_apart_even_behind_an_invalid_field() {
        for text in [r#"{"x":1,"x":2"#, "", "{", "nul", r#"{"metadata":{},"metadata":{}} x"#] {
            assert!(matches!(parse(text.as_bytes()), Err(WireError::NotJson(_))), "{text}");
        }
        assert!(matches!(parse(b"\"\xff\""), Err(WireError::NotJson(_))));
    }

    #[test]
    fn nesting_without_end_is_no_stack_overflow() {
        let deep = "[".repeat(1_000_000);
        assert!(parse(deep.as_bytes()).is_err());
        let unknown = LAUNCH.replace(
            r#""message":"#,
            &format!(r#""x":{}{},"message":"#, "[".repeat(60_000), "]".repeat(60_000)),
        );
        assert!(parse(unknown.as_bytes()).is_ok());
    }

    const MESSAGES: [&str; 7] = [
        r#"{"metadata":{"channel":"0e9e9df5-38fd-52e2-916f-c858b9eb4ea5","messageNumber":1,"messageType":"RocketLaunched","messageTime":"2025-04-02T09:21:50.458989221+02:00"},"message":{"type":"Atlas-H","launchSpeed":500,"mission":"APOLLO"}}"#,
        r#"{"metadata":{"channel":"a b","messageNumber":123456789012345678,"messageType":"RocketSpeedIncreased","messageTime":"2025-04-02T09:21:50.4Z"},"message":{"by":3000}}"#,
        "{ \"message\" : {\t\"by\" : 0 , \"reason\":\"x\" },\r\n \"metadata\":{\"messageTime\":\"2024-02-29T23:59:59Z\",\"messageType\":\"RocketSpeedDecreased\",\"messageNumber\":10,\"channel\":\"z\"}} ",
        r#"{"metadata":{"channel":"193270a9-c9cf-404a-8f83-838e71d9ae67","messageNumber":4,"messageTime":"0000-01-01T00:00:00+00:00","messageType":"RocketMissionChanged"},"message":{"newMission":"SHUTTLE_MIR"}}"#,
        r#"{"metadata":{"channel":"193270a9-c9cf-404a-8f83-838e71d9ae67","messageNumber":5,"messageTime":"9999-12-31T23:59:59.123456789-00:00","messageType":"RocketExploded"},"message":{"reason":"PRESSURE_VESSEL_FAILURE"}}"#,
        r#"{"metadata":{"channel":"a\u0062","messageNumber":6,"messageType":"RocketSpeedIncreased","messageTime":"2025-04-02t09:21:50z"},"message":{"by":1e3},"x":1}"#,
        r#"{"metadata":{"channel":"é","messageNumber":007,"messageType":"RocketSpeedIncreased","messageTime":"2025-04-02T09:21:50"},"message":{"by":-1}}"#,
    ];

    /// What breaks readers, and what they may take.
    const PIECES: [&[u8]; 42] = [
        b"\"",
        b"\\",
        b"\\u0061",
        b"\x1f",
        b"\x7f",
        b"\x80",
        "é".as_bytes(),
        "\u{feff}".as_bytes(),
        b" ",
        b"\t",
        b"\n",
        b"\r",
        b"\x0c",
        b"0",
        b"00",
        b"9",
        b"1",
        b"-",
        b"+",
        b".",
        b"e3",
        b".0",
        b"null",
        b"{}",
        b"[]",
        b",",
        b":",
        b"{",
        b"}",
        b"\"by\":1,",
        b"\"metadata\":{},",
        b"\"channel\":\"x\",",
        b"\"mission\":\"y\",",
        b"T24",
        b":60",
        b"-02-30",
        b"+23:59",
        b"+24:00",
        b"Z",
        b"z",
        b"t",
        b"9223372036854775807",
    ];

    #[test]
    fn usual_messages_are_read_and_others_are_left_to_the_general_reader() {
        let read = MESSAGES.map(|text| usual::read(text.as_bytes()));
        assert_eq!(
            read.each_ref().map(Option::is_some),
            [true, true, true, true, true, false, false]
        );
        for (text, message) in MESSAGES.iter().zip(read) {
            if let Some(message) = message {
                assert_eq!(Ok(message), parse_in_general(text.as_bytes()), "{text}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        /// What is done to a message: bytes of it replaced by a piece, or nothing.
        #[test]
        fn whatever_is_read_means_the_same_to_the_general_reader(
            text in select(&MESSAGES),
            changes in prop::collection::vec(
                (any::<Index>(), 0_usize..4, prop_oneof![
                    select(&PIECES[..]).prop_map(<[u8]>::to_vec),
                    prop::collection::vec(any::<u8>(), 0..2),
                ]),
                0..3,
            ),
        ) {
            let mut bytes = text.as_bytes().to_vec();
            for (at, removed, piece) in changes {
                let at = at.index(bytes.len() + 1);
                let end = (at + removed).min(bytes.len());
                bytes.splice(at..end, piece);
            }
            if let Some(message) = usual::read(&bytes) {
                prop_assert_eq!(Ok(message), parse_in_general(&bytes));
            }
        }
    }
}
