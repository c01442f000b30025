//! Makes a page anew that is asked for again and again, as often as that is due, while
//! its readers are served the one before. Owns how much of the fleet's time all of that
//! takes. Does not own when a page is due, nor that nobody wants it any more (`kept`).

use std::sync::{Arc, Weak};

use tokio::time::{Instant, sleep, sleep_until};

use super::context::Context;
use super::kept::{Due, Key};
use super::listing::Envelope;
use super::making::made;

/// One page that is followed.
pub struct Renewal {
    /// A service that has ended is not held by it.
    context: Weak<Context>,
    key: Key,
    of_key: usize,
    follower: u64,
    envelope: Envelope,
}

impl Renewal {
    /// Of the page that `follower` is to follow, with a key of so many bytes.
    #[must_use]
    pub fn new(
        context: &Arc<Context>,
        key: Key,
        of_key: usize,
        follower: u64,
        envelope: Envelope,
    ) -> Self {
        Self { context: Arc::downgrade(context), key, of_key, follower, envelope }
    }

    /// Goes on until nobody wants the page any more, or it cannot be made.
    pub async fn run(self) {
        while let Some(context) = self.context.upgrade() {
            let Ok(version) = context.fleet.version() else { return };
            match context.pages_kept.due(&self.key, self.follower, version, Instant::now()) {
                Due::Never => return,
                Due::NotBefore(moment) => {
                    drop(context);
                    sleep_until(moment).await;
                }
                Due::Now => {
                    let turn = context.pages_renewed.acquire().await;
                    let begun = Instant::now();
                    // Why not is told to who asks once the old one is too old.
                    let Ok(finished) = made(&context, &self.key, self.envelope.clone()).await
                    else {
                        return;
                    };
                    context.pages_kept.keep(self.key.clone(), self.of_key, finished);
                    // Half of the time is for others, however many pages are followed.
                    sleep(begun.elapsed()).await;
                    drop(turn);
                }
            }
        }
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        if let Some(context) = self.context.upgrade() {
            context.pages_kept.leave(&self.key, self.follower);
        }
    }
}
