//! Owns the counts of a run and how it ended. Does not own how they are shown
//! (`report`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::timeline::Timeline;

/// So many messages that were not acknowledged are named.
pub const EXAMPLES: usize = 20;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every message was acknowledged, or refused for good.
    Complete,
    /// No acknowledgement for the given time.
    GaveUp(Duration),
    /// By a signal.
    Interrupted,
    /// The first messages were refused for good and none was acknowledged.
    Refused,
    /// What is in the file was sent, but it could not be read to its end.
    BrokeOff,
}

/// What happened to the messages.
#[derive(Debug)]
pub struct RunTally {
    pub requests: u64,
    /// Messages in requests that repeated a failed one.
    pub retries: u64,
    /// Failed requests by cause: a status, or what happened.
    pub failures: BTreeMap<String, u64>,
    pub acknowledged: u64,
    /// Second copies handed out, and acknowledged.
    pub copies: u64,
    pub copies_acknowledged: u64,
    /// In microseconds, from when a message was due to its acknowledgement.
    pub latency: Histogram<u64>,
    pub last_failure: Option<String>,
    /// Messages given up because the server kept refusing them.
    pub refused: u64,
    /// The first messages that were not acknowledged, described.
    pub examples: Vec<String>,
    /// The same over time, if it is to be drawn.
    pub timeline: Option<Timeline>,
}

impl RunTally {
    /// With a timeline, if one is wanted, that begins now.
    pub fn new(with_timeline: bool) -> Self {
        // 1 µs to an hour, three digits.
        let latency =
            Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds are valid");
        Self {
            requests: 0,
            retries: 0,
            failures: BTreeMap::new(),
            acknowledged: 0,
            copies: 0,
            copies_acknowledged: 0,
            latency,
            last_failure: None,
            refused: 0,
            examples: Vec::new(),
            timeline: with_timeline.then(|| Timeline::beginning(Instant::now())),
        }
    }

    /// Counts the latency of a message that was acknowledged at `landed`; beyond an
    /// hour, as an hour.
    pub fn record(&mut self, latency: Duration, landed: Instant) {
        let micros = u64::try_from(latency.as_micros()).expect("no run lasts so long");
        self.latency.saturating_record(micros);
        if let Some(timeline) = &mut self.timeline {
            timeline.acknowledged(landed, micros);
        }
    }

    /// Counts a failure where it is to be drawn.
    pub fn record_failure(&mut self) {
        if let Some(timeline) = &mut self.timeline {
            timeline.failed(Instant::now());
        }
    }
}
