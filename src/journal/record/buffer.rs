//! What a row of rockets has beside its columns, as a block: the messages that wait,
//! since when, what was lost, when an exploded one was heard of, and the recent past.
//!
//! # Format, versions 1 to 3
//!
//! Version 1 is the reports alone: nothing was lost, and since when they wait is
//! not known. In version 2 an `AsideV2` stands before them, in version 3 an
//! `AsideV3`, whose last field is in the form of `telemetry::past`. What needs no
//! more is written in version 2, which earlier releases read.

// It reads what a disk may have damaged: a wrong length must be an error.
#![warn(clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};

use super::error::BlockError;
use super::forms::ReportV1;
use super::{VERSION, block_of, entries, push, take};
use crate::journal::Buffer;
use crate::telemetry::lost::Lost;
use crate::telemetry::{Report, Timestamp};

const WITH_LOST: u8 = 2;
const WITH_PAST: u8 = 3;

/// What a rocket has beside its messages that wait.
#[derive(Serialize, Deserialize)]
struct AsideV2 {
    /// Since when they wait: seconds since 1970 and nanoseconds.
    waiting_since: Option<(i64, u32)>,
    lost: u64,
    /// Of the latest of those, the first and the last numbers.
    ranges: Vec<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct AsideV3<'a> {
    aside: AsideV2,
    /// When something was heard last of an exploded rocket, as above.
    quiet_since: Option<(i64, u32)>,
    #[serde(borrow)]
    history: &'a [u8],
}

/// The block of the rocket stored as row `row`: what waits, since when, what was
/// lost, when it was heard of if it exploded, and what its last messages changed.
#[must_use]
pub fn buffer_block(
    row: u64,
    reports: &[Report],
    waiting_since: Option<Timestamp>,
    lost: &Lost,
    quiet_since: Option<Timestamp>,
    history: &[u8],
) -> Vec<u8> {
    let aside = AsideV2 {
        waiting_since: waiting_since.map(Timestamp::to_unix),
        lost: lost.count(),
        ranges: lost.ranges().to_vec(),
    };
    let (version, aside) = if history.is_empty() && quiet_since.is_none() {
        (WITH_LOST, push(&aside, Vec::new()))
    } else {
        let quiet_since = quiet_since.map(Timestamp::to_unix);
        (WITH_PAST, push(&AsideV3 { aside, quiet_since, history }, Vec::new()))
    };
    let entries =
        reports.iter().fold(aside, |entries, report| push(&ReportV1::from(report), entries));
    block_of(version, row, &[&entries])
}

/// Reads the buffer of the rocket stored as row `row`. What it says of the recent
/// past is not checked against the rocket.
///
/// # Errors
/// [`BlockError`].
pub fn read_buffer(row: u64, block: &[u8]) -> Result<Buffer, BlockError> {
    let (version, mut entries) = entries(row, block, VERSION..=WITH_PAST)?;
    let mut buffer = Buffer::default();
    let aside = match version {
        VERSION => None,
        WITH_LOST => Some(take::<AsideV2>(&mut entries)?),
        _ => {
            let AsideV3 { aside, quiet_since, history } = take(&mut entries)?;
            buffer.quiet_since = quiet_since.map(time).transpose()?;
            buffer.history = history.to_vec();
            Some(aside)
        }
    };
    if let Some(AsideV2 { waiting_since, lost, ranges }) = aside {
        buffer.waiting_since = waiting_since.map(time).transpose()?;
        buffer.lost = Lost::restore(lost, ranges)
            .ok_or_else(|| content("the numbers that were lost make no sense"))?;
    }
    while !entries.is_empty() {
        buffer.reports.push(take::<ReportV1<'_>>(&mut entries)?.into_report()?);
    }
    Ok(buffer)
}

fn time((seconds, nanoseconds): (i64, u32)) -> Result<Timestamp, BlockError> {
    let time = Timestamp::from_unix(seconds, nanoseconds);
    time.ok_or_else(|| content("a time is out of range"))
}

fn content(problem: &str) -> BlockError {
    BlockError::Content(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::block;
    use crate::telemetry::Event;

    fn reports() -> Vec<Report> {
        let time = Timestamp::parse("2025-04-02T09:21:50.458989221+02:00").unwrap();
        let events = [
            Event::Launched { rocket_type: "A".into(), speed: 500, mission: "Ä".into() },
            Event::SpeedIncreased { by: i64::MAX },
            Event::Exploded { reason: "R".into() },
        ];
        (3..).zip(events).map(|(number, event)| Report { number, time, event }).collect()
    }

    #[test]
    fn buffers_come_back_as_they_were() {
        let reports = reports();
        let (waiting_since, lost) =
            (Some(reports[0].time), Lost::restore(3, vec![(2, 4)]).unwrap());
        let quiet = Some(reports[1].time);
        for (quiet_since, history) in
            [(None, vec![]), (None, vec![0, 1, 2, 255]), (quiet, vec![]), (quiet, vec![7])]
        {
            let block = buffer_block(9, &reports, waiting_since, &lost, quiet_since, &history);
            let (reports, lost) = (reports.clone(), lost.clone());
            let buffer = Buffer { reports, waiting_since, lost, quiet_since, history };
            assert_eq!(read_buffer(9, &block), Ok(buffer));
        }
        let none = buffer_block(9, &[], None, &Lost::default(), None, &[]);
        assert_eq!(read_buffer(9, &none), Ok(Buffer::default()));
        assert_eq!(none[0], WITH_LOST);
    }

    /// As releases wrote it that knew of no waits and of nothing lost.
    #[test]
    fn a_buffer_of_version_1_is_read() {
        let reports = reports();
        let entries = reports
            .iter()
            .fold(Vec::new(), |entries, report| push(&ReportV1::from(report), entries));
        let buffer = Buffer { reports, ..Buffer::default() };
        assert_eq!(read_buffer(9, &block(9, &[&entries])), Ok(buffer));
    }

    /// From which follows how many may wait for one rocket (`fleet/limits`).
    #[test]
    fn the_largest_early_message_takes_no_more_than_560_bytes() {
        let text = || "x".repeat(crate::telemetry::message::MAX_TEXT_BYTES).into();
        let event = Event::Launched { rocket_type: text(), speed: i64::MAX, mission: text() };
        let number = u64::MAX >> 1;
        let time = Timestamp::parse("9999-12-31T23:59:59.999999999Z").unwrap();
        let length =
            |reports: &[Report]| buffer_block(1, reports, None, &Lost::default(), None, &[]).len();
        let (none, one) = (length(&[]), length(&[Report { number, time, event }]));
        assert!((540..=560 + none).contains(&one), "{one}");
    }
}
