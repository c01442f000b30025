//! The fleet's figures, as a scrape gets them: their names, what they mean, and
//! where each is read. The only file of the fleet that names prometheus-client.
//!
//! Nothing is counted here. Whoever does something counts it where it is done, in
//! a place that it holds (`tally`, `refusals`, `roster/census`), and a scrape reads
//! all of them: what nobody scrapes costs no more than those counts. No rocket and
//! no mission is a label, so that there are as many lines at a million rockets as at
//! one. Does not own what HTTP counts, nor how figures are asked for
//! (`http/metrics.rs`), which writes its own with what is at the end of this file.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::archive::Archive;
use super::checkpoint::{self, Checkpoints};
use super::clock::Clock;
use super::cluster::figures::ClusterFigures;
pub use super::cluster::figures::ClusterStanding;
use super::health::Health;
use super::limits::{HistoryQuota, Quotas};
use super::mailbox::Mailbox;
use super::outcome::{Cause, Outcome};
use super::refusals::{REASONS, Refusals};
use super::roster::census::Census;
use super::tally::{ANOMALIES, OUTCOMES, Tally};
use crate::journal::figures as journal;
use crate::telemetry::message::Kind;
use crate::telemetry::tally::Distribution;

/// Where the figures of a fleet are read.
#[derive(Debug)]
pub struct FleetMetrics {
    tallies: Vec<Tally>,
    mailboxes: Arc<[Mailbox]>,
    quotas: Arc<Quotas>,
    refusals: Arc<Refusals>,
    health: Arc<Health>,
    clock: Clock,
    /// Not before the rockets were read back.
    censuses: OnceLock<Vec<Census>>,
    /// Likewise; none of a journal that keeps nothing.
    journal: OnceLock<Arc<journal::Figures>>,
    checkpoints: OnceLock<Arc<Checkpoints>>,
    /// None where forgotten rockets are not archived.
    archive: OnceLock<Arc<Archive>>,
    /// Of a node of a cluster alone.
    cluster: OnceLock<ClusterFigures>,
}

/// The few figures that sum a fleet up.
#[derive(Clone, Copy, Debug)]
pub struct Sums {
    /// Messages that were applied when they came, since the start.
    pub applied: u64,
    /// Messages that had to wait for an earlier one, since the start.
    pub buffered: u64,
    /// Messages that came again, since the start.
    pub duplicate: u64,
    /// Rockets that were launched, exploded ones among them.
    pub launched: u64,
    /// Rockets that have exploded.
    pub exploded: u64,
    /// Rockets that wait for a message.
    pub waiting: u64,
    /// Messages that wait for an earlier one.
    pub buffered_messages: usize,
}

impl FleetMetrics {
    /// Of partitions, in order, that have no rockets yet.
    #[must_use]
    pub fn new(
        tallies: Vec<Tally>,
        mailboxes: Arc<[Mailbox]>,
        quotas: Arc<Quotas>,
        health: Arc<Health>,
    ) -> Self {
        Self {
            tallies,
            mailboxes,
            quotas,
            refusals: Arc::default(),
            health,
            clock: Clock::new(),
            censuses: OnceLock::new(),
            journal: OnceLock::new(),
            checkpoints: OnceLock::new(),
            archive: OnceLock::new(),
            cluster: OnceLock::new(),
        }
    }

    /// What is refused, counted.
    #[must_use]
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    /// From now on the fleet has the rockets of these.
    pub fn follow_rosters(&self, censuses: Vec<Census>) {
        assert!(self.censuses.set(censuses).is_ok(), "a fleet starts once");
    }

    /// What is accepted from now on is kept there.
    pub fn follow_journal(&self, figures: Arc<journal::Figures>) {
        assert!(self.journal.set(figures).is_ok(), "a fleet starts once");
    }

    /// Checkpoints are made from now on.
    pub fn follow_checkpoints(&self, counts: Arc<Checkpoints>) {
        assert!(self.checkpoints.set(counts).is_ok(), "a fleet starts once");
    }

    /// What there is of it all, and what was counted.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let of = |outcome| {
            let of = |tally: &Tally| {
                Kind::ALL.map(|kind| tally.messages(kind, outcome)).iter().sum::<u64>()
            };
            self.tallies.iter().map(of).sum::<u64>()
        };
        let censuses = self.censuses.get().map_or(&[][..], |censuses| censuses);
        let sum = |count: fn(&Census) -> u64| censuses.iter().map(count).sum();
        // From the least on, so that nothing falls below 0 that moves meanwhile.
        let exploded = sum(Census::exploded);
        Sums {
            applied: of(Outcome::Applied),
            buffered: of(Outcome::Buffered),
            duplicate: of(Outcome::Duplicate),
            exploded,
            launched: sum(Census::launched),
            waiting: sum(Census::waiting),
            buffered_messages: self.quotas.buffered.taken(),
        }
    }

    /// Rockets that are forgotten are archived there.
    pub fn follow_archive(&self, archive: Arc<Archive>) {
        assert!(self.archive.set(archive).is_ok(), "a fleet starts once");
    }

    /// It takes part in a cluster from now on.
    pub fn follow_cluster(&self, figures: ClusterFigures) {
        assert!(self.cluster.set(figures).is_ok(), "a fleet starts once");
    }

    /// How it takes part in its cluster, if it does.
    #[must_use]
    pub fn cluster(&self) -> Option<ClusterStanding> {
        self.cluster.get().map(ClusterFigures::read)
    }

    fn node(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(found) = self.cluster() else { return Ok(()) };
        let peers = found.peers.len() as u64;
        for (name, help, value) in [
            ("applied_offset", "Up to where this node has applied the log", found.applied),
            ("stored_offset", "Up to where it has stored it for itself", found.stored),
            ("lag_offsets", "How far it is behind the node that is ahead of all", found.lag),
            ("entries_in_flight", "Its entries that are on their way", found.in_flight),
            ("log_bytes", "Bytes that the log takes", found.log_bytes),
            ("log_limit_bytes", "Bytes that it may take, by --log-limit", found.log_limit),
            ("peers", "Nodes that are known, this one among them", peers),
        ] {
            gauge(encoder, &format!("downlink_cluster_{name}"), help, value as f64)?;
        }
        for (name, help, value) in [
            ("appends", "Entries that it has appended", found.appended as f64),
            ("append_retries", "Appends that it made again", found.repeated as f64),
            ("append_seconds", "Time of all appends together", found.append_seconds),
        ] {
            counter(encoder, &format!("downlink_cluster_{name}"), help, value)?;
        }
        Ok(())
    }

    fn journal(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(figures) = self.journal.get() else { return Ok(()) };
        let help = "Time of each commit that kept something";
        let scale = Scale { bounds: &journal::DURATIONS, units: 1e9 };
        let read = [([], figures.durations.read())];
        histograms(encoder, "downlink_commit_duration_seconds", help, scale, &read)?;
        let help = "Messages that shared a commit";
        let scale = Scale { bounds: &journal::SIZES, units: 1.0 };
        let read = [([], figures.messages.read())];
        histograms(encoder, "downlink_commit_messages", help, scale, &read)?;
        let help = "Commits that kept nothing, refused ones among them";
        let failures = figures.failures.get();
        counter(encoder, "downlink_commit_failures", help, failures as f64)?;
        let Some(room) = figures.room() else { return Ok(()) };
        let help = "Bytes of the database";
        gauge(encoder, "downlink_journal_size_bytes", help, room.store as f64)?;
        let help = "Bytes of the write-ahead log beside it";
        gauge(encoder, "downlink_journal_wal_size_bytes", help, room.wal as f64)
    }

    fn checkpoints(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(counts) = self.checkpoints.get() else { return Ok(()) };
        let help = "Time of each checkpoint that was completed";
        let scale = Scale { bounds: &checkpoint::DURATIONS, units: 1e9 };
        let read = [([], counts.durations.read())];
        histograms(encoder, "downlink_checkpoint_duration_seconds", help, scale, &read)?;
        let help = "Checkpoints that were not completed";
        let failures = counts.failures.get();
        counter(encoder, "downlink_checkpoint_failures", help, failures as f64)?;
        let help = "Since the last checkpoint was completed, or else since the start";
        let age = counts.age().as_secs_f64();
        gauge(encoder, "downlink_checkpoint_age_seconds", help, age)?;
        let help = "Since when something waits that no checkpoint has stored; 0 if nothing does";
        let unstored = counts.unstored_for().as_secs_f64();
        gauge(encoder, "downlink_checkpoint_unstored_seconds", help, unstored)
    }

    fn messages(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut samples = Vec::new();
        for (outcome, name) in OUTCOMES {
            for kind in Kind::ALL {
                let sum = self.tallies.iter().map(|tally| tally.messages(kind, outcome)).sum();
                samples.push(([("outcome", name), ("type", kind.name())], sum));
            }
        }
        let help = "Messages that were accepted, by what their sender was told";
        counters(encoder, "downlink_messages", help, &samples)?;

        let refused = REASONS.iter().enumerate();
        let refused = refused.map(|(at, reason)| ([("reason", *reason)], self.refusals.count(at)));
        let help = "Messages that were not accepted, by reason";
        counters(encoder, "downlink_messages_refused", help, &refused.collect::<Vec<_>>())?;

        let anomalies = ANOMALIES.iter().map(|(anomaly, name)| {
            let sum = self.tallies.iter().map(|tally| tally.anomalies(*anomaly)).sum();
            ([("kind", *name)], sum)
        });
        let help = "Messages that count and made no sense when they were applied";
        counters(encoder, "downlink_anomalies", help, &anomalies.collect::<Vec<_>>())?;
        let sum = |count: fn(&Tally) -> u64| self.tallies.iter().map(count).sum::<u64>() as f64;
        let help = "Messages that were declared lost";
        counter(encoder, "downlink_messages_lost", help, sum(Tally::lost))?;
        let help = "Messages that came after they were declared lost";
        counter(encoder, "downlink_messages_late", help, sum(Tally::late))?;
        let help = "Duplicates whose content was not that of the first, as far as it is known";
        counter(encoder, "downlink_messages_conflicting", help, sum(Tally::conflicts))
    }

    fn waiting(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let numbers: Vec<_> = (0..self.mailboxes.len()).map(|at| at.to_string()).collect();
        let depths = numbers.iter().zip(&*self.mailboxes);
        let depths = depths.map(|(at, mailbox)| ([("partition", &**at)], float(mailbox.waiting())));
        let help = "Messages that wait for their worker";
        gauges(encoder, "downlink_inbox_messages", help, &depths.collect::<Vec<_>>())?;
        let capacity = self.mailboxes.iter().map(Mailbox::capacity).max().unwrap_or_default();
        let help = "Messages that may wait for one worker, by --inbox-capacity";
        gauge(encoder, "downlink_inbox_capacity_messages", help, float(capacity))?;

        let Quotas { buffered, rockets, history, .. } = &*self.quotas;
        let help = "Messages that wait for an earlier one of the same rocket";
        gauge(encoder, "downlink_buffered_messages", help, float(buffered.taken()))?;
        let help = "Messages of all rockets that may wait for an earlier one, by --max-buffered";
        gauge(encoder, "downlink_buffered_messages_limit", help, float(buffered.limit()))?;
        let help = "Rockets that there may be, by --max-rockets";
        gauge(encoder, "downlink_rockets_limit", help, float(rockets.limit()))?;

        let HistoryQuota { bytes, dropped_of_rocket, dropped_for_memory, .. } = history;
        let help = "Bytes of what is kept of the recent past of rockets";
        gauge(encoder, "downlink_history_bytes", help, float(bytes.taken()))?;
        let help = "Bytes that it may take, by --history-memory";
        gauge(encoder, "downlink_history_limit_bytes", help, float(bytes.limit()))?;
        let help = "Messages that went from the recent past of their rocket, by reason";
        let dropped = [
            ([("reason", "per_rocket")], dropped_of_rocket.get()),
            ([("reason", "memory")], dropped_for_memory.get()),
        ];
        counters(encoder, "downlink_history_entries_dropped", help, &dropped)
    }

    fn rockets(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        // Nothing is known before they were read back, which is not none.
        let Some(censuses) = self.censuses.get() else { return Ok(()) };
        let sum = |count: fn(&Census) -> u64| censuses.iter().map(count).sum::<u64>();
        // From the least on, so that nothing falls below 0 that moves meanwhile.
        let (exploded, launched) = (sum(Census::exploded), sum(Census::launched));
        let known = sum(Census::known);
        let of = |status, count| ([("status", status)], count as f64);
        let by_status = [
            of("not_launched", known.saturating_sub(launched)),
            of("launched", launched.saturating_sub(exploded)),
            of("exploded", exploded),
        ];
        let help = "Rockets of which a message was accepted, by status";
        gauges(encoder, "downlink_rockets", help, &by_status)?;
        let help = "Rockets of which a message waits for an earlier one";
        gauge(encoder, "downlink_waiting_rockets", help, sum(Census::waiting) as f64)?;
        let oldest = censuses.iter().filter_map(Census::oldest_wait).min();
        let now = self.clock.now().to_unix();
        let now = now.0 as f64 + f64::from(now.1) / 1e9;
        // A clock for each partition: they may differ by a moment.
        let longest = oldest.map_or(0.0, |oldest| f64::max(now - oldest as f64 / 1e6, 0.0));
        let help = "Since when the rocket waits that waits longest; 0 if none does";
        gauge(encoder, "downlink_oldest_gap_seconds", help, longest)?;
        let forgotten = Cause::NAMES.map(|(cause, name)| {
            let sum = censuses.iter().map(|census| census.forgotten_for(cause)).sum();
            ([("reason", name)], sum)
        });
        let help = "Rockets that were forgotten, by reason";
        counters(encoder, "downlink_rockets_forgotten", help, &forgotten)?;
        let failures = self.archive.get().map_or(0, |archive| archive.failures());
        let help = "Times that rockets to be forgotten could not be archived";
        counter(encoder, "downlink_archive_failures", help, failures as f64)
    }

    fn state(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let ready = self.health.ready().is_ok();
        let help = "Whether the service can do all of its work, as /readyz says: 1 or 0";
        gauge(encoder, "downlink_ready", help, f64::from(u8::from(ready)))?;
        let accepts = self.health.can_write().is_ok();
        let help = "Whether messages can be accepted: 1 or 0";
        gauge(encoder, "downlink_accepts_messages", help, f64::from(u8::from(accepts)))
    }
}

/// Writes the figures of a fleet.
#[derive(Debug)]
pub struct FleetCollector(pub Arc<FleetMetrics>);

impl Collector for FleetCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        self.0.messages(encoder)?;
        self.0.waiting(encoder)?;
        self.0.rockets(encoder)?;
        self.0.journal(encoder)?;
        self.0.checkpoints(encoder)?;
        self.0.node(encoder)?;
        self.0.state(encoder)
    }
}

/// Counts and limits are far below 2^53.
fn float(count: usize) -> f64 {
    count as f64
}

/// The labels of one sample.
pub type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// A family of counters; `_total` is added to its name.
///
/// # Errors
/// Those of the writer.
pub fn counters<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: &[(Labels<'_, N>, u64)],
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    samples.iter().try_for_each(|(labels, value)| {
        family.encode_family(labels)?.encode_counter::<NoLabelSet, _, f64>(value, None)
    })
}

/// A counter without labels; `_total` is added to its name.
///
/// # Errors
/// Those of the writer.
pub fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: f64,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    family.encode_counter::<NoLabelSet, _, f64>(&value, None)
}

/// A family of gauges.
///
/// # Errors
/// Those of the writer.
pub fn gauges<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: &[(Labels<'_, N>, f64)],
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    samples.iter().try_for_each(|(labels, value)| family.encode_family(labels)?.encode_gauge(value))
}

/// A gauge without labels.
///
/// # Errors
/// Those of the writer.
pub fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: f64,
) -> fmt::Result {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
}

/// What a histogram's numbers are, as others are to see them.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// The bounds that it was made with.
    pub bounds: &'static [u64],
    /// How many of its units make one of those that are shown.
    pub units: f64,
}

/// A family of histograms.
///
/// # Errors
/// Those of the writer.
pub fn histograms<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    Scale { bounds, units }: Scale,
    samples: &[(Labels<'_, N>, Distribution)],
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    let shown: Vec<_> = bounds.iter().map(|bound| *bound as f64 / units).collect();
    samples.iter().try_for_each(|(labels, read)| {
        let bounds = shown.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(read.counts.iter().copied()).collect();
        let sum = read.sum as f64 / units;
        let mut encoder = family.encode_family(labels)?;
        encoder.encode_histogram::<NoLabelSet>(sum, read.count(), &buckets, None)
    })
}
