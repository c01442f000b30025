//! Has rockets forgotten that exploded, and of which nothing was heard for long
//! (`--forget-exploded-after`).
//!
//! Owns when, and how many at a time. Does not own who is silent, which each
//! partition knows, nor how one is forgotten: that is kept and done like what
//! somebody asks for by hand, but only if nothing came of the rocket since it was
//! looked at, so that what is archived is what is forgotten.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tracing::{info, warn};

use super::archive::Archive;
use super::clock::Clock;
use super::health::Health;
use super::mailbox::Mailbox;
use super::outcome::Cause;
use super::query::Query;
use super::view::{Seen, Silent};

/// What becomes of rockets that are not wanted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Exploded ones are forgotten when nothing was heard of them for so long.
    pub after: Option<Duration>,
    /// Whether forgotten ones are archived, whoever wanted it.
    pub archives: bool,
}

/// Most rockets of a partition that are forgotten at once, so that a commit which
/// rides along need not wait for long; with the pause between two looks, some 1,000
/// a second.
const MOST_AT_ONCE: usize = 256;

/// How often to look, at most and at least; else ten times in the time.
const LOOKS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));

/// See the module.
pub struct Retention {
    mailboxes: Arc<[Mailbox]>,
    after: Duration,
    archive: Option<Arc<Archive>>,
    health: Arc<Health>,
    clock: Clock,
    /// Whether the archive failed at the last try.
    fails: bool,
}

impl Retention {
    /// For exploded rockets in the partitions behind `mailboxes` that are silent for
    /// so long; they are archived first if there is an archive.
    #[must_use]
    pub fn new(
        mailboxes: Arc<[Mailbox]>,
        after: Duration,
        archive: Option<Arc<Archive>>,
        health: Arc<Health>,
    ) -> Self {
        Self { mailboxes, after, archive, health, clock: Clock::new(), fails: false }
    }

    /// Looks from time to time, until told to stop.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let looks = async {
            loop {
                sleep((self.after / 10).clamp(LOOKS.0, LOOKS.1)).await;
                for mailbox in &*self.mailboxes.clone() {
                    // What cannot be kept would be archived again and again.
                    if self.health.can_write().is_ok() {
                        self.look(mailbox).await;
                    }
                }
            }
        };
        tokio::select! {
            // Nobody who could tell any more is the same.
            _ = stop.wait_for(|&stop| stop) => {}
            () = looks => {}
        }
    }

    /// Has some of one partition's silent rockets forgotten. What does not go well
    /// is left to the next look.
    async fn look(&mut self, mailbox: &Mailbox) {
        let (reply, silent) = oneshot::channel();
        let before = self.clock.ago(self.after);
        // A worker that is busy is asked at the next look.
        if mailbox.ask(Query::Silent { before, limit: MOST_AT_ONCE, reply }).is_err() {
            return;
        }
        let Ok(silent) = silent.await else { return };
        if silent.is_empty() || !self.archived(&silent).await {
            return;
        }
        let mut verdicts = Vec::new();
        for Silent { rocket, .. } in silent {
            let (reply, verdict) = oneshot::channel();
            let why = (Some(Seen::of(&rocket)), Cause::Retention);
            if mailbox.forget(rocket.id, why, reply).is_ok() {
                verdicts.push(verdict);
            }
        }
        for verdict in verdicts {
            // Whichever was heard of again is looked at again when it is its time.
            let _ = verdict.await;
        }
    }

    /// Archives them, if they are to be. Whether they may be forgotten.
    async fn archived(&mut self, silent: &[Silent]) -> bool {
        let Some(archive) = &self.archive else { return true };
        let mut lines = archive.lines(Cause::Retention);
        for Silent { rocket, .. } in silent {
            lines.add(rocket);
        }
        match archive.keep(lines).await {
            Ok(()) if self.fails => info!("rockets are archived and forgotten again"),
            Ok(()) => {}
            // Once is enough in the log.
            Err(reason) if !self.fails => {
                warn!(reason, "rockets cannot be archived, and are not forgotten until they can");
                self.fails = true;
                return false;
            }
            Err(_) => return false,
        }
        self.fails = false;
        true
    }
}
