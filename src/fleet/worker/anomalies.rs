//! Counts anomalies, losses, conflicts and what comes late, and logs them, at most one line a
//! second of each: an odd sender must not fill the log.

use tracing::field::debug;
use tracing::warn;

use crate::fleet::observer::{Folded, Observer};
use crate::fleet::outcome::Skipped;
use crate::fleet::roster::slot::Slot;
use crate::fleet::throttle::{Throttle, Untold};
use crate::telemetry::Channel;
use crate::telemetry::rocket::{Anomaly, Effect};

/// The anomalies of one partition.
pub(super) struct AnomalyLog {
    partition: usize,
    anomalies: Kind,
    lost: Kind,
    late: Kind,
    conflicts: Kind,
}

/// One kind of what is told.
struct Kind {
    what: &'static str,
    total: u64,
    line: Throttle<Line>,
}

/// What was not told yet, and the latest of it.
#[derive(Default)]
struct Line {
    partition: usize,
    what: &'static str,
    latest: Option<(Channel, u64, Option<Anomaly>)>,
    count: u64,
    total: u64,
}

impl Untold for Line {
    fn tell(self) {
        let Self { partition, what, latest, count, total } = self;
        let Some((channel, number, anomaly)) = latest else { return };
        let anomaly = anomaly.map(debug);
        warn!(partition, %channel, number, anomaly, count, total, "{what}");
    }
}

impl Kind {
    fn new(what: &'static str) -> Self {
        Self { what, total: 0, line: Throttle::default() }
    }

    /// Counts so many numbers up to `last`.
    fn count(
        &mut self,
        partition: usize,
        channel: &Channel,
        (numbers, last): (u64, u64),
        anomaly: Option<Anomaly>,
    ) {
        self.total = self.total.saturating_add(numbers);
        let (what, total) = (self.what, self.total);
        self.line.count(|line| {
            let latest = Some((channel.clone(), last, anomaly));
            let count = line.count.saturating_add(numbers);
            *line = Line { partition, what, latest, count, total };
        });
    }
}

impl AnomalyLog {
    pub fn new(partition: usize) -> Self {
        Self {
            partition,
            anomalies: Kind::new("anomalous messages; shown is the latest"),
            lost: Kind::new("messages are declared lost; shown is the latest"),
            late: Kind::new("messages came that were declared lost; shown is the latest"),
            conflicts: Kind::new("messages came again with another content; shown is the latest"),
        }
    }
}

impl Observer for AnomalyLog {
    fn folded(&mut self, folded: &Folded<'_>) {
        let Effect::Anomaly(anomaly) = folded.effect else { return };
        let (partition, channel) = (self.partition, folded.channel);
        self.anomalies.count(partition, channel, (1, folded.number), Some(anomaly));
    }

    fn lost(&mut self, _: Slot, channel: &Channel, Skipped { first, last }: Skipped) {
        self.lost.count(self.partition, channel, (last - first + 1, last), None);
    }

    fn late(&mut self, channel: &Channel, number: u64) {
        self.late.count(self.partition, channel, (1, number), None);
    }

    fn conflicting(&mut self, _: Slot, channel: &Channel, number: u64) {
        self.conflicts.count(self.partition, channel, (1, number), None);
    }

    fn ended(&mut self) {
        for kind in [&self.conflicts, &self.lost, &self.late, &self.anomalies] {
            kind.line.flush();
        }
    }
}
