//! Counts anomalies and logs them, at most one line a second: an odd sender must
//! not fill the log.

use std::time::{Duration, Instant};

use tracing::warn;

use crate::fleet::observer::{Folded, Observer};
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
}

impl AnomalyLog {
    pub fn new(partition: usize) -> Self {
        Self { partition, total: 0, unlogged: 0, last: None, logged_at: None }
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

    fn ended(&mut self) {
        self.flush();
    }
}
