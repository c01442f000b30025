//! The figures that every subscriber gets once a second, made once for all. Owns
//! what is in them. Does not own where it is counted (`fleet/metrics`).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::hub::Feed;
use crate::fleet::clock::Clock;
use crate::fleet::mailbox::Mailbox;
use crate::fleet::metrics::{FleetMetrics, Sums};
use crate::fleet::query::{Filter, GapSelection, Query};
use crate::fleet::version::Version;
use crate::telemetry::Timestamp;

const EVERY: Duration = Duration::from_secs(1);

/// How long a worker may take to say what waits longest.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where the figures are read.
#[derive(Debug)]
pub struct Stats {
    metrics: Arc<FleetMetrics>,
    version: Version,
    clock: Clock,
}

/// As the contract has them.
#[derive(Serialize)]
struct Shown {
    time: Timestamp,
    messages_per_second: Rates,
    rockets: Rockets,
    waiting_rockets: u64,
    longest_wait_since: Option<Timestamp>,
    buffered_messages: usize,
    subscribers: usize,
    version: u64,
}

#[derive(Serialize)]
struct Rates {
    applied: f64,
    buffered: f64,
    duplicate: f64,
}

#[derive(Serialize)]
struct Rockets {
    launched: u64,
    exploded: u64,
}

impl Stats {
    /// Of the fleet that these are of.
    #[must_use]
    pub fn new(metrics: Arc<FleetMetrics>, version: Version) -> Self {
        Self { metrics, version, clock: Clock::new() }
    }

    /// Tells them once a second while somebody listens, and closes what nobody
    /// listens to any more.
    pub(super) async fn run(&self, feed: &Feed, mailboxes: &[Mailbox]) -> Infallible {
        let mut open = feed.open();
        loop {
            // The sender is in the feed.
            let _ = open.wait_for(|open| *open).await;
            let mut before = (Instant::now(), self.metrics.sums());
            let mut seconds = interval_at(Instant::now() + EVERY, EVERY);
            seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while *open.borrow() {
                seconds.tick().await;
                feed.close_what_is_idle(Instant::now());
                if feed.subscribers() > 0 {
                    let shown = self.look(&mut before, feed, mailboxes).await;
                    let json = serde_json::to_string(&shown);
                    let json = json.expect("figures are numbers and times, which always serialise");
                    feed.publish_stats(json.into());
                }
            }
        }
    }

    async fn look(
        &self,
        before: &mut (Instant, Sums),
        feed: &Feed,
        mailboxes: &[Mailbox],
    ) -> Shown {
        let version = self.version.sum();
        let longest_wait_since = longest_wait(mailboxes).await;
        let now = (Instant::now(), self.metrics.sums());
        let seconds = (now.0 - before.0).as_secs_f64();
        // Two digits are plenty.
        let rate = |count: fn(&Sums) -> u64| {
            let more = count(&now.1).saturating_sub(count(&before.1));
            (more as f64 / seconds * 100.0).round() / 100.0
        };
        let messages_per_second = Rates {
            applied: rate(|sums| sums.applied),
            buffered: rate(|sums| sums.buffered),
            duplicate: rate(|sums| sums.duplicate),
        };
        let Sums { launched, exploded, waiting, buffered_messages, .. } = now.1;
        *before = now;
        Shown {
            time: self.clock.now(),
            messages_per_second,
            rockets: Rockets { launched: launched.saturating_sub(exploded), exploded },
            waiting_rockets: waiting,
            longest_wait_since,
            buffered_messages,
            subscribers: feed.subscribers(),
            version,
        }
    }
}

/// Since when the rocket waits that waits longest; of those workers that answer.
async fn longest_wait(mailboxes: &[Mailbox]) -> Option<Timestamp> {
    let selection = Arc::new(GapSelection {
        filter: Filter::default(),
        launch_missing: None,
        after: None,
        limit: 1,
    });
    let ask = async |mailbox: &Mailbox| {
        let (reply, answer) = oneshot::channel();
        mailbox.ask(Query::Gaps { selection: selection.clone(), reply }).ok()?;
        let part = timeout(PATIENCE, answer).await.ok()?.ok()?;
        part.gaps.first().map(|gap| gap.waiting_since)
    };
    join_all(mailboxes.iter().map(ask)).await.into_iter().flatten().min()
}
