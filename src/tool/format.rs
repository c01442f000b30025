//! A fleet as lines of JSON: what stands in each of them. Does not own how one comes
//! after the other (`lines`).
//!
//! # Format, version 1
//!
//! The first line is the header, the last one says how many rockets and early
//! messages there were, so that a file that was cut off is noticed. Between them is
//! one line for each rocket, with all that a checkpoint stores of it:
//!
//! ```text
//! {"format":"downlink export","version":1,"release":"0.1.0"}
//! {"id":"a","last_message_number":1,"last_update_time":"2022-02-02T18:39:05Z",
//!  "flight":{"launch_time":"2022-02-02T18:39:05Z","speed":500,"rocket_type":"Falcon-9",
//!            "mission":"ARTEMIS","explosion_reason":null},
//!  "buffered":[{"number":3,"time":"2022-02-02T18:39:07Z",
//!               "event":{"type":"RocketSpeedIncreased","by":3000}}],
//!  "waiting_since":"2022-02-02T18:40:00Z","lost":{"count":0,"ranges":[]}}
//! {"rockets":1,"buffered_messages":1}
//! ```
//!
//! (A rocket is on one line, too.) `flight` is null before the launch. `lost` counts
//! the numbers that were declared lost, and has the latest of them as pairs of the
//! first and the last. Every field must be there, and no other may be: a field that
//! a release does not know would be lost without a word. What changes is a new
//! version.
//!
//! The types here are the format, and are not those of the domain on purpose; where
//! those get another field, the conversions below do not compile until it has a
//! place here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::journal::RocketSnapshot;
use crate::telemetry::lost::Lost;
use crate::telemetry::message::{MAX_INTEGER, MAX_TEXT_BYTES};
use crate::telemetry::rocket::FlightSnapshot;
use crate::telemetry::{Channel, Event, Report, Timestamp};

/// What the header says that it is.
pub const FORMAT: &str = "downlink export";
/// Of what is written; no other is read.
pub const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderV1 {
    pub format: String,
    pub version: u32,
    /// Of whoever wrote it; says nothing to who reads it.
    pub release: String,
}

/// Of a header of any version.
#[derive(Deserialize)]
pub struct AnyHeader {
    pub format: String,
    pub version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndV1 {
    pub rockets: u64,
    pub buffered_messages: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RocketV1 {
    id: String,
    last_message_number: u64,
    #[serde(deserialize_with = "given")]
    last_update_time: Option<String>,
    #[serde(deserialize_with = "given")]
    flight: Option<FlightV1>,
    buffered: Vec<ReportV1>,
    #[serde(deserialize_with = "given")]
    waiting_since: Option<String>,
    #[serde(deserialize_with = "given")]
    quiet_since: Option<String>,
    lost: LostV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlightV1 {
    launch_time: String,
    speed: i64,
    rocket_type: Arc<str>,
    mission: Arc<str>,
    #[serde(deserialize_with = "given")]
    explosion_reason: Option<Arc<str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportV1 {
    number: u64,
    time: String,
    event: EventV1,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum EventV1 {
    #[serde(rename = "RocketLaunched")]
    Launched { rocket_type: Box<str>, speed: i64, mission: Box<str> },
    #[serde(rename = "RocketSpeedIncreased")]
    SpeedIncreased { by: i64 },
    #[serde(rename = "RocketSpeedDecreased")]
    SpeedDecreased { by: i64 },
    #[serde(rename = "RocketMissionChanged")]
    MissionChanged { mission: Box<str> },
    #[serde(rename = "RocketExploded")]
    Exploded { reason: Box<str> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LostV1 {
    count: u64,
    ranges: Vec<(u64, u64)>,
}

/// With this a field that may be null must be there all the same.
fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

impl From<RocketSnapshot> for RocketV1 {
    fn from(rocket: RocketSnapshot) -> Self {
        let RocketSnapshot {
            // Another one is given by who stores it.
            row_id: _,
            channel,
            last_message_number,
            last_update_time,
            flight,
            buffered,
            waiting_since,
            quiet_since,
            lost,
        } = rocket;
        Self {
            id: channel.to_string(),
            last_message_number,
            last_update_time: last_update_time.map(|time| time.to_string()),
            flight: flight.map(FlightV1::from),
            buffered: buffered.into_iter().map(ReportV1::from).collect(),
            waiting_since: waiting_since.map(|time| time.to_string()),
            quiet_since: quiet_since.map(|time| time.to_string()),
            lost: LostV1 { count: lost.count(), ranges: lost.ranges().to_vec() },
        }
    }
}

impl TryFrom<RocketV1> for RocketSnapshot {
    type Error = String;

    fn try_from(rocket: RocketV1) -> Result<Self, String> {
        let RocketV1 {
            id,
            last_message_number,
            last_update_time,
            flight,
            buffered,
            waiting_since,
            quiet_since,
            lost: LostV1 { count, ranges },
        } = rocket;
        let optional = |field: &str, text: Option<String>| match text {
            Some(text) => time(field, &text).map(Some),
            None => Ok(None),
        };
        if last_message_number > MAX_INTEGER {
            return Err(out_of_range("last_message_number", 0, last_message_number));
        }
        Ok(Self {
            row_id: 0,
            channel: Channel::parse(&id).map_err(|problem| format!("id: {problem}"))?,
            last_message_number,
            last_update_time: optional("last_update_time", last_update_time)?,
            flight: flight.map(FlightSnapshot::try_from).transpose()?,
            buffered: buffered.into_iter().map(Report::try_from).collect::<Result<_, _>>()?,
            waiting_since: optional("waiting_since", waiting_since)?,
            quiet_since: optional("quiet_since", quiet_since)?,
            lost: Lost::restore(count, ranges)
                .ok_or_else(|| "lost: the numbers make no sense".to_owned())?,
        })
    }
}

impl From<FlightSnapshot> for FlightV1 {
    fn from(flight: FlightSnapshot) -> Self {
        let FlightSnapshot { launch_time, speed, rocket_type, mission, explosion_reason } = flight;
        Self { launch_time: launch_time.to_string(), speed, rocket_type, mission, explosion_reason }
    }
}

impl TryFrom<FlightV1> for FlightSnapshot {
    type Error = String;

    fn try_from(flight: FlightV1) -> Result<Self, String> {
        let FlightV1 { launch_time, speed, rocket_type, mission, explosion_reason } = flight;
        text("flight.rocket_type", &rocket_type)?;
        text("flight.mission", &mission)?;
        explosion_reason.as_deref().map_or(Ok(()), |it| text("flight.explosion_reason", it))?;
        let launch_time = time("flight.launch_time", &launch_time)?;
        Ok(Self { launch_time, speed, rocket_type, mission, explosion_reason })
    }
}

impl From<Report> for ReportV1 {
    fn from(report: Report) -> Self {
        let Report { number, time, event } = report;
        let event = match event {
            Event::Launched { rocket_type, speed, mission } => {
                EventV1::Launched { rocket_type, speed, mission }
            }
            Event::SpeedIncreased { by } => EventV1::SpeedIncreased { by },
            Event::SpeedDecreased { by } => EventV1::SpeedDecreased { by },
            Event::MissionChanged { mission } => EventV1::MissionChanged { mission },
            Event::Exploded { reason } => EventV1::Exploded { reason },
        };
        Self { number, time: time.to_string(), event }
    }
}

impl TryFrom<ReportV1> for Report {
    type Error = String;

    fn try_from(report: ReportV1) -> Result<Self, String> {
        let ReportV1 { number, time: at, event } = report;
        if !(1..=MAX_INTEGER).contains(&number) {
            return Err(out_of_range("buffered.number", 1, number));
        }
        let event = match event {
            EventV1::Launched { rocket_type, speed, mission } => {
                text("buffered.event.rocket_type", &rocket_type)?;
                text("buffered.event.mission", &mission)?;
                let speed = positive("buffered.event.speed", speed)?;
                Event::Launched { rocket_type, speed, mission }
            }
            EventV1::SpeedIncreased { by } => {
                Event::SpeedIncreased { by: positive("buffered.event.by", by)? }
            }
            EventV1::SpeedDecreased { by } => {
                Event::SpeedDecreased { by: positive("buffered.event.by", by)? }
            }
            EventV1::MissionChanged { mission } => {
                text("buffered.event.mission", &mission)?;
                Event::MissionChanged { mission }
            }
            EventV1::Exploded { reason } => {
                text("buffered.event.reason", &reason)?;
                Event::Exploded { reason }
            }
        };
        Ok(Self { number, time: time("buffered.time", &at)?, event })
    }
}

fn time(field: &str, text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| {
        let shown: String = text.chars().take(64).collect();
        format!("{field}: expected an RFC 3339 time, found {shown:?}")
    })
}

fn text(field: &str, text: &str) -> Result<(), String> {
    let bytes = text.len();
    if (1..=MAX_TEXT_BYTES).contains(&bytes) {
        return Ok(());
    }
    Err(format!("{field}: expected a text of 1 to {MAX_TEXT_BYTES} bytes, found {bytes} bytes"))
}

fn positive(field: &str, number: i64) -> Result<i64, String> {
    if number >= 0 { Ok(number) } else { Err(out_of_range(field, 0, number)) }
}

fn out_of_range(field: &str, least: u64, found: impl std::fmt::Display) -> String {
    format!("{field}: expected an integer from {least} to {MAX_INTEGER}, found {found}")
}
