//! The JSON form of a message, and what can be wrong with it.
//!
//! A message is read in one pass over the bytes. Every field is first taken as
//! whatever it is and checked afterwards, because key order is free: which
//! fields of `message` matter is known only once `metadata.messageType` is.
//! That also lets every complaint name its field and say what was expected.

use std::borrow::Cow;
use std::fmt;

use ahash::AHashSet;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use thiserror::Error;

use super::message::{MAX_INTEGER, MAX_TEXT_BYTES};
use super::{Channel, Event, Message, Report, Timestamp};

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
    let text = std::str::from_utf8(bytes)
        .map_err(|error| WireError::NotJson(format!("{error}; JSON is UTF-8")))?;
    let mut fields = Fields::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Object { fields: &mut fields, section: Section::Root }
        .deserialize(&mut deserializer)
        .and_then(|root| deserializer.end().map(|()| root));
    match read {
        Ok(root) => {
            object("the message", &root)?;
            fields.into_message()
        }
        Err(error) if error.is_data() => {
            // The complaint may have come before the end of the text was seen.
            serde_json::from_str::<IgnoredAny>(text).map_err(not_json)?;
            Err(WireError::Invalid(error.to_string()))
        }
        Err(error) => Err(not_json(error)),
    }
}

fn not_json(error: serde_json::Error) -> WireError {
    WireError::NotJson(error.to_string())
}

/// Any JSON value, as far as a message cares.
#[derive(Default)]
enum Value<'de> {
    #[default]
    Absent,
    Null,
    Bool,
    Integer(u64),
    Negative(i64),
    /// Anything with a fraction or an exponent, or too large for 64 bits.
    Float(f64),
    Text(Cow<'de, str>),
    Array,
    Object,
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("nothing"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("a boolean"),
            Self::Integer(n) => n.fmt(f),
            Self::Negative(n) => n.fmt(f),
            Self::Float(n) => n.fmt(f),
            Self::Text(_) => f.write_str("a text"),
            Self::Array => f.write_str("an array"),
            Self::Object => f.write_str("an object"),
        }
    }
}

/// Which of a message's objects is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Root,
    Metadata,
    Message,
}

impl Section {
    /// The section that `key` of the root opens; only the root has any.
    fn of(key: &str) -> Self {
        if key == "metadata" { Self::Metadata } else { Self::Message }
    }
}

/// Every field a message can have, as it came.
#[derive(Default)]
struct Fields<'de> {
    metadata: Value<'de>,
    message: Value<'de>,
    channel: Value<'de>,
    number: Value<'de>,
    time: Value<'de>,
    kind: Value<'de>,
    rocket_type: Value<'de>,
    launch_speed: Value<'de>,
    mission: Value<'de>,
    by: Value<'de>,
    new_mission: Value<'de>,
    reason: Value<'de>,
}

impl<'de> Fields<'de> {
    /// Where the value of `key` in an object of this kind goes, if anywhere, and
    /// what complaints call it.
    fn slot(&mut self, section: Section, key: &str) -> Option<(&mut Value<'de>, &'static str)> {
        Some(match section {
            Section::Root => match key {
                "metadata" => (&mut self.metadata, "metadata"),
                "message" => (&mut self.message, "message"),
                _ => return None,
            },
            Section::Metadata => match key {
                "channel" => (&mut self.channel, "metadata.channel"),
                "messageNumber" => (&mut self.number, "metadata.messageNumber"),
                "messageTime" => (&mut self.time, "metadata.messageTime"),
                "messageType" => (&mut self.kind, "metadata.messageType"),
                _ => return None,
            },
            Section::Message => match key {
                "type" => (&mut self.rocket_type, "message.type"),
                "launchSpeed" => (&mut self.launch_speed, "message.launchSpeed"),
                "mission" => (&mut self.mission, "message.mission"),
                "by" => (&mut self.by, "message.by"),
                "newMission" => (&mut self.new_mission, "message.newMission"),
                "reason" => (&mut self.reason, "message.reason"),
                _ => return None,
            },
        })
    }

    fn into_message(self) -> Result<Message, WireError> {
        object("metadata", &self.metadata)?;
        object("message", &self.message)?;
        let channel = match &self.channel {
            Value::Text(text) => Channel::parse(text)
                .map_err(|problem| WireError::Invalid(format!("metadata.channel: {problem}")))?,
            other => return Err(unexpected("metadata.channel", "a text of 1 to 128 bytes", other)),
        };
        let number = integer("metadata.messageNumber", 1, &self.number)?;
        let time = match &self.time {
            Value::Text(text) => Timestamp::parse(text),
            _ => None,
        }
        .ok_or_else(|| {
            let expected = "an RFC 3339 time such as 2022-02-02T19:39:05.86337+01:00";
            quoted("metadata.messageTime", expected, &self.time)
        })?;
        let kind = match &self.kind {
            Value::Text(kind) => kind.as_ref(),
            _ => "",
        };
        let event = match kind {
            "RocketLaunched" => Event::Launched {
                rocket_type: short_text("message.type", self.rocket_type)?,
                speed: speed("message.launchSpeed", &self.launch_speed)?,
                mission: short_text("message.mission", self.mission)?,
            },
            "RocketSpeedIncreased" => Event::SpeedIncreased { by: speed("message.by", &self.by)? },
            "RocketSpeedDecreased" => Event::SpeedDecreased { by: speed("message.by", &self.by)? },
            "RocketMissionChanged" => Event::MissionChanged {
                mission: short_text("message.newMission", self.new_mission)?,
            },
            "RocketExploded" => {
                Event::Exploded { reason: short_text("message.reason", self.reason)? }
            }
            _ => {
                let expected = "RocketLaunched, RocketSpeedIncreased, RocketSpeedDecreased, \
                                RocketMissionChanged or RocketExploded";
                return Err(quoted("metadata.messageType", expected, &self.kind));
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
    match *value {
        Value::Integer(n) if (min..=MAX_INTEGER).contains(&n) => Ok(n),
        ref other => {
            let expected = format!("an integer from {min} to {MAX_INTEGER}");
            Err(unexpected(field, &expected, other))
        }
    }
}

fn speed(field: &str, value: &Value<'_>) -> Result<i64, WireError> {
    // Cannot saturate: `integer` lets nothing above `i64::MAX` through.
    integer(field, 0, value).map(|n| i64::try_from(n).unwrap_or(i64::MAX))
}

fn short_text(field: &str, value: Value<'_>) -> Result<Box<str>, WireError> {
    match value {
        Value::Text(text) if (1..=MAX_TEXT_BYTES).contains(&text.len()) => {
            Ok(text.into_owned().into_boxed_str())
        }
        other => {
            let expected = format!("a text of 1 to {MAX_TEXT_BYTES} bytes");
            Err(match &other {
                Value::Text(text) => WireError::Invalid(format!(
                    "{field}: expected {expected}, found {} bytes",
                    text.len()
                )),
                other => unexpected(field, &expected, other),
            })
        }
    }
}

/// The visits that are the same for every value that is not an object.
macro_rules! scalar_visits {
    () => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any JSON value")
        }
        fn visit_unit<E>(self) -> Result<Value<'de>, E> {
            Ok(Value::Null)
        }
        fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
            Ok(Value::Bool)
        }
        fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
            Ok(Value::Integer(value))
        }
        fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
            Ok(Value::Negative(value))
        }
        fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
            Ok(Value::Float(value))
        }
        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
            Ok(Value::Text(Cow::Borrowed(text)))
        }
        fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
            Ok(Value::Text(Cow::Owned(text.to_owned())))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Value::Array)
        }
    };
}

/// Reads any value; of an object only that it is one.
struct Leaf;

impl<'de> DeserializeSeed<'de> for Leaf {
    type Value = Value<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Leaf {
    type Value = Value<'de>;
    scalar_visits!();
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object)
    }
}

/// Reads any value; the entries of an object go to their slots in `fields`.
struct Object<'a, 'de> {
    fields: &'a mut Fields<'de>,
    section: Section,
}

impl<'de> DeserializeSeed<'de> for Object<'_, 'de> {
    type Value = Value<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = Value<'de>;
    scalar_visits!();
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        // Only there once a key is met that messages do not have.
        let mut unknown: Option<AHashSet<_>> = None;
        while let Some(Key(key)) = map.next_key()? {
            let Some((slot, name)) = self.fields.slot(self.section, &key) else {
                map.next_value::<IgnoredAny>()?;
                if let Some(again) = unknown.get_or_insert_default().replace(key) {
                    return Err(A::Error::custom(format_args!("key {again:?} is given twice")));
                }
                continue;
            };
            if !matches!(slot, Value::Absent) {
                return Err(A::Error::custom(format_args!("{name}: is given twice")));
            }
            if self.section == Section::Root {
                let section = Section::of(&key);
                let value = map.next_value_seed(Object { fields: self.fields, section })?;
                // Found again, since reading the section needed all of `fields`.
                if let Some((slot, _)) = self.fields.slot(self.section, &key) {
                    *slot = value;
                }
            } else {
                *slot = map.next_value_seed(Leaf)?;
            }
        }
        Ok(Value::Object)
    }
}

/// An object's key, borrowed from the text where it has no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }
            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
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
        let text = r#" {"extra":[{"a":1,"a":2}],"message":{"by":7,"reason":{},"x":null},
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
        assert!(invalid(r#"{"x":1,"x":2}"#).starts_with(r#"key "x" is given twice"#));
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
}
