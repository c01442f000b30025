//! What records and buffers are on the disk: the types whose postcard form that is,
//! to and from those of the domain. Does not own blocks, nor versions.
//!
//! Variants and fields may be added at the end of an enum; nothing else may change
//! without a new version (the module above).

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::error::BlockError;
use crate::telemetry::message::MAX_TEXT_BYTES;
use crate::telemetry::{Channel, Event, Report, Timestamp};

/// Of messages. The HTTP contract has the same, and SQLite can hold no more.
pub(super) const NUMBERS: RangeInclusive<u64> = 1..=i64::MAX as u64;

#[derive(Serialize, Deserialize)]
pub(super) enum Entry<'a> {
    Message(#[serde(borrow)] MessageV1<'a>),
    Skip(#[serde(borrow)] SkipV1<'a>),
    Forget(#[serde(borrow)] ChannelV1<'a>),
}

#[derive(Serialize, Deserialize)]
pub(super) struct SkipV1<'a> {
    #[serde(borrow)]
    pub channel: ChannelV1<'a>,
    pub awaited: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct MessageV1<'a> {
    #[serde(borrow)]
    pub channel: ChannelV1<'a>,
    #[serde(borrow)]
    pub report: ReportV1<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum ChannelV1<'a> {
    Uuid([u8; 16]),
    Text(&'a str),
}

#[derive(Serialize, Deserialize)]
pub(super) struct ReportV1<'a> {
    pub number: u64,
    /// Since 1970.
    pub seconds: i64,
    pub nanoseconds: u32,
    #[serde(borrow)]
    pub event: EventV1<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum EventV1<'a> {
    Launched { rocket_type: &'a str, speed: i64, mission: &'a str },
    SpeedIncreased { by: i64 },
    SpeedDecreased { by: i64 },
    MissionChanged { mission: &'a str },
    Exploded { reason: &'a str },
}

impl<'a> From<&'a Report> for ReportV1<'a> {
    fn from(report: &'a Report) -> Self {
        assert!(NUMBERS.contains(&report.number), "no message has the number {}", report.number);
        let (seconds, nanoseconds) = report.time.to_unix();
        let event = match &report.event {
            Event::Launched { rocket_type, speed, mission } => {
                EventV1::Launched { rocket_type, speed: *speed, mission }
            }
            Event::SpeedIncreased { by } => EventV1::SpeedIncreased { by: *by },
            Event::SpeedDecreased { by } => EventV1::SpeedDecreased { by: *by },
            Event::MissionChanged { mission } => EventV1::MissionChanged { mission },
            Event::Exploded { reason } => EventV1::Exploded { reason },
        };
        Self { number: report.number, seconds, nanoseconds, event }
    }
}

impl ReportV1<'_> {
    pub fn into_report(self) -> Result<Report, BlockError> {
        if !NUMBERS.contains(&self.number) {
            return Err(BlockError::Content("a message number is out of range".to_owned()));
        }
        let time = Timestamp::from_unix(self.seconds, self.nanoseconds)
            .ok_or_else(|| BlockError::Content("a time is out of range".to_owned()))?;
        let event = match self.event {
            EventV1::Launched { rocket_type, speed, mission } => Event::Launched {
                rocket_type: text(rocket_type)?,
                speed: amount(speed)?,
                mission: text(mission)?,
            },
            EventV1::SpeedIncreased { by } => Event::SpeedIncreased { by: amount(by)? },
            EventV1::SpeedDecreased { by } => Event::SpeedDecreased { by: amount(by)? },
            EventV1::MissionChanged { mission } => {
                Event::MissionChanged { mission: text(mission)? }
            }
            EventV1::Exploded { reason } => Event::Exploded { reason: text(reason)? },
        };
        Ok(Report { number: self.number, time, event })
    }
}

/// A text that a message may have.
fn text(text: &str) -> Result<Box<str>, BlockError> {
    if (1..=MAX_TEXT_BYTES).contains(&text.len()) {
        return Ok(text.into());
    }
    Err(BlockError::Content("a text is longer or shorter than any".to_owned()))
}

/// A speed, or a change of it, that a message may have.
fn amount(number: i64) -> Result<i64, BlockError> {
    if number >= 0 {
        return Ok(number);
    }
    Err(BlockError::Content("a speed is out of range".to_owned()))
}

impl ChannelV1<'_> {
    pub fn into_channel(self) -> Result<Channel, BlockError> {
        match self {
            Self::Uuid(bytes) => Ok(Channel::from_uuid(bytes)),
            Self::Text(text) => Channel::parse(text).map_err(BlockError::Content),
        }
    }
}

impl<'a> ChannelV1<'a> {
    /// `text` is where it stands if it is no UUID.
    pub fn of(channel: &Channel, text: &'a mut String) -> Self {
        if let Some(uuid) = channel.as_uuid() {
            return Self::Uuid(*uuid);
        }
        *text = channel.to_string();
        Self::Text(text)
    }
}
