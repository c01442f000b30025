//! Asks the workers for what has changed, ten times a second while somebody
//! listens, and puts it into the logs. Owns how much of it: no more than
//! subscribers may get, for what nobody gets need not be looked at. What is left
//! stays marked at the worker, where the latest wins. Does not own what is marked.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::changed::{Changes, Lane};
use super::event::Event;
use super::hub::Feed;
use super::marks::SLICE;
use super::stats::Stats;
use super::subscription::FRAME;
use crate::fleet::mailbox::Mailbox;
use crate::fleet::query::Query;

/// Most rockets that are looked at in a frame for all who name some.
const MOST_NAMED: usize = 4096;

/// Most slices of a partition that are looked at in a frame for each lane: where
/// hardly any rocket passes the filters.
const MOST_SLICES: usize = 32;

/// See the module.
#[derive(Debug)]
pub struct Pump {
    feed: Feed,
    mailboxes: Arc<[Mailbox]>,
    stats: Stats,
    /// For each lane, what partitions with few changes left to others.
    left: [AtomicUsize; Lane::EVERY.len()],
}

impl Pump {
    /// From the workers behind `mailboxes`, in order, to this feed.
    #[must_use]
    pub fn new(feed: Feed, mailboxes: Arc<[Mailbox]>, stats: Stats) -> Self {
        Self { feed, mailboxes, stats, left: Default::default() }
    }

    /// Goes on until it is dropped.
    pub async fn run(self) -> Infallible {
        let partitions = self.mailboxes.iter().enumerate();
        let partitions = partitions.map(|(partition, mailbox)| self.follow(partition, mailbox));
        tokio::select! {
            never = self.stats.run(&self.feed, &self.mailboxes) => never,
            mut never = join_all(partitions) => never.pop().expect("there is a partition"),
        }
    }

    /// Follows one partition.
    async fn follow(&self, partition: usize, mailbox: &Mailbox) -> Infallible {
        let mut open = self.feed.open();
        let mut was_open = [false; Lane::EVERY.len()];
        let mut allowances = [0.0; Lane::EVERY.len()];
        loop {
            // The sender is in the feed.
            let _ = open.wait_for(|open| *open).await;
            let mut frames = interval_at(Instant::now() + FRAME, FRAME);
            frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while *open.borrow() {
                frames.tick().await;
                for lane in Lane::EVERY {
                    let at = lane as usize;
                    if self.feed.listening().has(lane) {
                        was_open[at] = true;
                        self.drain(partition, mailbox, lane, &mut allowances[at]).await;
                    } else if std::mem::take(&mut was_open[at]) {
                        // Has the worker forget what is marked.
                        let _ = self.ask(mailbox, lane, 0).await;
                    }
                }
            }
        }
    }

    /// Puts what has changed into the log, as far as that is allowed.
    async fn drain(&self, partition: usize, mailbox: &Mailbox, lane: Lane, allowance: &mut f64) {
        let share = self.in_a_frame(lane) / self.mailboxes.len() as f64;
        *allowance = (*allowance + share).min(share.max(1.0));
        let left = &self.left[lane as usize];
        for _ in 0..MOST_SLICES {
            let own = whole(*allowance).min(SLICE);
            let limit = if own > 0 { own } else { take(left) };
            if limit == 0 {
                return;
            }
            let Some(changes) = self.ask(mailbox, lane, limit).await else { return };
            let used = changes.changed.len();
            if own > 0 {
                *allowance -= used as f64;
            } else {
                left.fetch_add(limit - used, Ordering::Relaxed);
            }
            if changes.overrun || used > 0 {
                // Encoded before the log is locked.
                let events: Vec<_> = changes.changed.into_iter().map(Event::of).collect();
                let mut log = self.feed.log(partition, lane);
                if changes.overrun {
                    log.begin_anew();
                }
                for event in events {
                    log.add(event);
                }
                drop(log);
                self.feed.publish();
            }
            if !changes.more {
                break;
            }
        }
        // Others may have more to tell than their share.
        let rest = whole(*allowance);
        *allowance -= rest as f64;
        let most = whole(self.in_a_frame(lane));
        let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some((left + rest).min(most))
        });
    }

    /// Rockets of all partitions in a frame: somewhat fewer than a subscriber may
    /// get, so that one which was held up catches up.
    fn in_a_frame(&self, lane: Lane) -> f64 {
        let of_one = self.feed.rate() as f64 * FRAME.as_secs_f64() * 0.9;
        match lane {
            Lane::All | Lane::Filtered => of_one,
            Lane::Named => (of_one * self.feed.on(lane).max(1) as f64).min(MOST_NAMED as f64),
        }
    }

    /// Some of what has changed; none if the worker has too much to do, or is gone.
    async fn ask(&self, mailbox: &Mailbox, lane: Lane, limit: usize) -> Option<Changes> {
        let filters = self.feed.filters(lane);
        let (reply, answer) = oneshot::channel();
        mailbox.ask(Query::Changes { lane, limit, filters, reply }).ok()?;
        // Waited for however long it takes: what it gives out is told to nobody else.
        answer.await.ok()
    }
}

/// Takes some of what is left.
fn take(left: &AtomicUsize) -> usize {
    let taken = |left: usize| left.min(SLICE);
    let before =
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left - taken(left)));
    before.map_or(0, taken)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is small, and not below 0"
)]
fn whole(allowance: f64) -> usize {
    allowance as usize
}
