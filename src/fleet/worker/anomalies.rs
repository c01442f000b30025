//! Counts anomalies, losses, conflicts and what comes late, and logs them, at most one line a
//! second of each: an odd sender must not fill the log.

use std::time::{Duration, Instant};

use tracing::warn;

use crate::fleet::observer::{Folded, Observer};
use crate::fleet::outcome::Skipped;
use crate::fleet::roster::slot::Slot;
use crate::telemetry::Channel;
use crate::telemetry::rocket::{Anomaly, Effect};

const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// The anomalies of one partition.
pub(super) struct AnomalyLog {
    partition: usize,
    total: u64,
    unlogged: u64,
    last: Option<(Channel, u64, Anomaly)>,
    logged_at: Option<Instant>,
    lost: Gone,
    late: Gone,
    conflicts: Gone,
}

/// Numbers of which something is to be told.
#[derive(Default)]
struct Gone {
    total: u64,
    unlogged: u64,
    last: Option<(Channel, u64)>,
    logged_at: Option<Instant>,
}

impl Gone {
    /// Counts so many numbers up to `last`. Whether it is time for a line.
    fn count(&mut self, channel: &Channel, numbers: u64, last: u64) -> bool {
        self.total = self.total.saturating_add(numbers);
        self.unlogged = self.unlogged.saturating_add(numbers);
        self.last = Some((channel.clone(), last));
        self.logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL)
    }

    /// Logs what was not logged yet, as `what`.
    fn flush(&mut self, partition: usize, what: &'static str) {
        let Some((channel, number)) = self.last.take() else { return };
        warn!(partition, %channel, number, count = self.unlogged, total = self.total, "{what}");
        self.unlogged = 0;
        self.logged_at = Some(Instant::now());
    }
}

const LOST: &str = "messages are declared lost; shown is the latest";
const CONFLICTS: &str = "messages came again with another content; shown is the latest";
const LATE: &str = "messages came that were declared lost; shown is the latest";

impl AnomalyLog {
    pub fn new(partition: usize) -> Self {
        Self {
            partition,
            total: 0,
            unlogged: 0,
            last: None,
            logged_at: None,
            lost: Gone::default(),
            late: Gone::default(),
            conflicts: Gone::default(),
        }
    }

    /// Logs what was not logged yet.
    fn flush(&mut self) {
        let Some((channel, number, anomaly)) = self.last.take() else { return };
        warn!(
            partition = self.partition,
            %channel,
            number,
            ?anomaly,
            count = self.unlogged,
            total = self.total,
            "anomalous messages; shown is the latest"
        );
        self.unlogged = 0;
        self.logged_at = Some(Instant::now());
    }
}

impl Observer for AnomalyLog {
    fn folded(&mut self, folded: &Folded<'_>) {
        let Effect::Anomaly(anomaly) = folded.effect else { return };
        self.total += 1;
        self.unlogged += 1;
        self.last = Some((folded.channel.clone(), folded.number, anomaly));
        if self.logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            self.flush();
        }
    }

    fn lost(&mut self, _: Slot, channel: &Channel, Skipped { first, last }: Skipped) {
        if self.lost.count(channel, last - first + 1, last) {
            self.lost.flush(self.partition, LOST);
        }
    }

    fn late(&mut self, channel: &Channel, number: u64) {
        if self.late.count(channel, 1, number) {
            self.late.flush(self.partition, LATE);
        }
    }

    fn conflicting(&mut self, _: Slot, channel: &Channel, number: u64) {
        if self.conflicts.count(channel, 1, number) {
            self.conflicts.flush(self.partition, CONFLICTS);
        }
    }

    fn ended(&mut self) {
        self.conflicts.flush(self.partition, CONFLICTS);
        self.lost.flush(self.partition, LOST);
        self.late.flush(self.partition, LATE);
        self.flush();
    }
}
