//! Has declared lost what rockets have waited for too long (`--gap-timeout`).
//!
//! Owns when. Does not own what waits and what becomes of it: each partition finds
//! its own, and keeps and does it like what somebody asks for by hand. A wait is
//! too long once it has lasted for the whole time-out with the service running: who
//! could not be reached for a while must have its chance to send again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::clock::Clock;
use super::mailbox::Mailbox;
use super::outcome::SkipRefusal;

/// How often to look, at most and at least; else ten times in a time-out.
const LOOKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// See the module.
pub struct GapTimeout {
    mailboxes: Arc<[Mailbox]>,
    timeout: Duration,
    clock: Clock,
}

impl GapTimeout {
    /// For waits in the partitions behind `mailboxes` that last for `timeout`.
    #[must_use]
    pub fn new(mailboxes: Arc<[Mailbox]>, timeout: Duration) -> Self {
        Self { mailboxes, timeout, clock: Clock::new() }
    }

    /// Looks from time to time, until told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let looks = async {
            // What waited before is given the whole time again.
            sleep(self.timeout).await;
            loop {
                for mailbox in &*self.mailboxes {
                    self.look(mailbox).await;
                }
                sleep((self.timeout / 10).clamp(LOOKS.0, LOOKS.1)).await;
            }
        };
        tokio::select! {
            // Nobody who could tell any more is the same.
            _ = stop.wait_for(|&stop| stop) => {}
            () = looks => {}
        }
    }

    /// Deals with all waits of one partition that are too long by now.
    async fn look(&self, mailbox: &Mailbox) {
        let before = self.clock.ago(self.timeout);
        loop {
            let (reply, verdict) = oneshot::channel();
            // A worker that is busy is asked at the next look.
            if mailbox.expire(before, reply).is_err() {
                return;
            }
            match verdict.await {
                // Another one is awaited by now: the message came just in time.
                Ok(Ok(_) | Err(SkipRefusal::Another { .. })) => {}
                // None is left, or nothing can be kept for now.
                _ => return,
            }
        }
    }
}
