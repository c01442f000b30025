//! Owns how a message looks on the wire: channel IDs, the JSON and its key
//! order, the time format. Does not own what messages say (`generator`).

use bytes::{BufMut, BytesMut};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use uuid::{Builder, Uuid};

use crate::generator::{Event, Message};

/// The channel IDs of a seed: any rocket's ID in constant time, none stored.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    base: u64,
}

impl Channels {
    pub fn new(seed: u64) -> Self {
        // Scattered, so that neighbouring seeds do not share channels.
        let base = SplitMix64::seed_from_u64(seed).next_u64();
        Self { base }
    }

    /// A rocket's ID (version 4), sent in lower case with hyphens.
    pub fn id(self, rocket: u32) -> Uuid {
        // Two outputs further on for each rocket: SplitMix64 steps by a
        // constant, and its first million outputs are all different.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let skipped = STEP.wrapping_mul(2 * u64::from(rocket));
        let mut random = SplitMix64::seed_from_u64(self.base.wrapping_add(skipped));
        let bits = (u128::from(random.next_u64()) << 64) | u128::from(random.next_u64());
        Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

/// Writes messages as compact JSON, in the key order of the challenge's
/// launcher. The same message always gives the same bytes.
pub struct Encoder {
    channels: Channels,
    offset: UtcOffset,
    offset_text: String,
    /// Formatting a date is dear and most messages share their second.
    second: i64,
    second_text: String,
}

impl Encoder {
    pub fn new(channels: Channels, offset: UtcOffset) -> Self {
        let (hours, minutes, _) = offset.as_hms();
        let sign = if offset.is_negative() { '-' } else { '+' };
        Self {
            channels,
            offset,
            offset_text: format!("{sign}{:02}:{:02}", hours.unsigned_abs(), minutes.unsigned_abs()),
            second: i64::MIN,
            second_text: String::new(),
        }
    }

    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Appends one message to `out`.
    pub fn write(&mut self, message: &Message, out: &mut BytesMut) {
        out.extend_from_slice(br#"{"metadata":{"channel":""#);
        let id = self.channels.id(message.rocket).hyphenated();
        out.extend_from_slice(id.encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        out.extend_from_slice(br#"","messageNumber":"#);
        push_number(out, message.number);
        out.extend_from_slice(br#","messageType":""#);
        out.extend_from_slice(type_name(&message.event).as_bytes());
        out.extend_from_slice(br#"","messageTime":""#);
        self.push_time(out, message.at);
        out.extend_from_slice(br#""},"message":{"#);
        match message.event {
            Event::Launched { rocket_type, speed, mission } => {
                push_text(out, "type", rocket_type);
                out.extend_from_slice(br#","launchSpeed":"#);
                push_number(out, speed);
                out.put_u8(b',');
                push_text(out, "mission", mission);
            }
            Event::SpeedIncreased { by } | Event::SpeedDecreased { by } => {
                out.extend_from_slice(br#""by":"#);
                push_number(out, by);
            }
            Event::MissionChanged { mission } => push_text(out, "newMission", mission),
            Event::Exploded { reason } => push_text(out, "reason", reason),
        }
        out.extend_from_slice(b"}}");
    }

    /// RFC 3339 with nine digits of fraction and a numeric offset.
    fn push_time(&mut self, out: &mut BytesMut, at: i64) {
        let second = at.div_euclid(1_000_000_000);
        let mut fraction = at.rem_euclid(1_000_000_000).unsigned_abs();
        if second != self.second || self.second_text.is_empty() {
            let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
            self.second_text = OffsetDateTime::from_unix_timestamp(second)
                .expect("nanoseconds in an i64 reach from 1677 to 2262")
                .to_offset(self.offset)
                .format(format)
                .expect("a date and time has every component of the format");
            self.second = second;
        }
        out.extend_from_slice(self.second_text.as_bytes());
        let mut digits = *b".000000000";
        for digit in digits[1..].iter_mut().rev() {
            // A remainder of 10 fits any integer.
            *digit = b'0' + (fraction % 10) as u8;
            fraction /= 10;
        }
        out.extend_from_slice(&digits);
        out.extend_from_slice(self.offset_text.as_bytes());
    }
}

/// The message type as it is sent.
pub fn type_name(event: &Event) -> &'static str {
    match event {
        Event::Launched { .. } => "RocketLaunched",
        Event::SpeedIncreased { .. } => "RocketSpeedIncreased",
        Event::SpeedDecreased { .. } => "RocketSpeedDecreased",
        Event::MissionChanged { .. } => "RocketMissionChanged",
        Event::Exploded { .. } => "RocketExploded",
    }
}

/// Texts are the generator's own constants, none of which needs escaping.
fn push_text(out: &mut BytesMut, key: &str, value: &str) {
    out.put_u8(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(br#"":""#);
    out.extend_from_slice(value.as_bytes());
    out.put_u8(b'"');
}

fn push_number(out: &mut BytesMut, number: u32) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use uuid::Variant;

    use super::*;

    const AT: i64 = 1_743_578_510_458_989_221;

    fn encode(event: Event, at: i64) -> String {
        let offset = UtcOffset::from_hms(2, 0, 0).unwrap();
        let mut encoder = Encoder::new(Channels::new(444), offset);
        let mut out = BytesMut::new();
        let message = Message { rocket: 0, number: 12, at, event };
        encoder.write(&message, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn metadata(kind: &str) -> String {
        let channel = Channels::new(444).id(0);
        format!(
            r#"{{"metadata":{{"channel":"{channel}","messageNumber":12,"messageType":"{kind}","messageTime":"2025-04-02T09:21:50.458989221+02:00"}}"#
        )
    }

    #[test]
    fn each_kind_has_the_shape_and_key_order_of_the_challenge() {
        let launched = Event::Launched { rocket_type: "Atlas-H", speed: 500, mission: "APOLLO" };
        let cases = [
            (
                launched,
                "RocketLaunched",
                r#"{"type":"Atlas-H","launchSpeed":500,"mission":"APOLLO"}"#,
            ),
            (Event::SpeedIncreased { by: 3000 }, "RocketSpeedIncreased", r#"{"by":3000}"#),
            (Event::SpeedDecreased { by: 2500 }, "RocketSpeedDecreased", r#"{"by":2500}"#),
            (
                Event::MissionChanged { mission: "GEMINI" },
                "RocketMissionChanged",
                r#"{"newMission":"GEMINI"}"#,
            ),
            (
                Event::Exploded { reason: "FROZEN_O_RINGS" },
                "RocketExploded",
                r#"{"reason":"FROZEN_O_RINGS"}"#,
            ),
        ];
        for (event, kind, body) in cases {
            let expected = format!(r#"{},"message":{body}}}"#, metadata(kind));
            assert_eq!(encode(event, AT), expected);
        }
    }

    #[test]
    fn times_keep_nine_digits_and_offsets_their_sign() {
        let event = Event::SpeedIncreased { by: 500 };
        assert!(encode(event, AT / 1_000_000_000 * 1_000_000_000 + 7).contains(":50.000000007+02"));
        let west = UtcOffset::from_hms(-3, -30, 0).unwrap();
        let mut encoder = Encoder::new(Channels::new(1), west);
        let mut out = BytesMut::new();
        encoder.push_time(&mut out, AT);
        assert_eq!(&out[..], b"2025-04-02T03:51:50.458989221-03:30");
        out.clear();
        encoder.push_time(&mut out, AT + 10_000_000_000);
        assert_eq!(&out[..], b"2025-04-02T03:52:00.458989221-03:30");
    }

    #[test]
    fn channels_are_distinct_version_4_uuids_that_follow_from_the_seed() {
        let channels = Channels::new(444);
        let ids: HashSet<Uuid> = (0..100_000).map(|rocket| channels.id(rocket)).collect();
        assert_eq!(ids.len(), 100_000);
        assert!(!ids.contains(&Channels::new(445).id(0)));
        assert_eq!(channels.id(5), Channels::new(444).id(5));
        let id = channels.id(3);
        assert_eq!((id.get_version_num(), id.get_variant()), (4, Variant::RFC4122));
    }

    #[test]
    fn a_seed_keeps_its_channels_between_versions() {
        let cases = [
            (444, 0, "87d82212-805d-4e57-99b9-4089bd2cbe51"),
            (444, 19, "6bf6a637-7cb1-4fae-b75c-5db232c552e8"),
            (0, 1, "631a9154-fbab-4717-a80a-ba8c86640906"),
            (u64::MAX, 99_999_999, "990bc87e-f641-4212-b2b7-5d57c6d56fdb"),
        ];
        for (seed, rocket, text) in cases {
            assert_eq!(Channels::new(seed).id(rocket).to_string(), text, "{seed} {rocket}");
        }
    }
}
