//! What a node still needs of the log before it reads it: said again and again, from
//! before it looks how far the log is trimmed until its own tail runs. Else what it
//! takes over from a peer would be behind the log by the time it is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::debug;

use super::peers::{Announcement, ROUND};
use crate::journal::shared::{LogResult, SharedLog};

/// Says it until it is dropped.
#[derive(Debug)]
pub struct Hold {
    needs: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Hold {
    /// Says for `node` that it needs what comes behind `needs`, of which it has stored
    /// so much for itself. Others were told once when this returns.
    ///
    /// # Errors
    /// When they cannot be told.
    pub async fn begin(
        log: Arc<dyn SharedLog>,
        node: Arc<str>,
        stored: u64,
        needs: u64,
    ) -> LogResult<Self> {
        let needs = Arc::new(AtomicU64::new(needs));
        let said = needs.clone();
        let mut beat = 0;
        let mut text = move || {
            beat += 1;
            let needs = Some(said.load(Ordering::Acquire));
            Announcement { beat, stored, needs, ..Announcement::of_this_release() }.to_bytes()
        };
        log.announce(&node, text()).await?;
        let task = tokio::spawn(async move {
            loop {
                sleep(ROUND).await;
                if let Err(error) = log.announce(&node, text()).await {
                    debug!(%error, "other nodes do not hear what this one needs of the log");
                }
            }
        });
        Ok(Self { needs, task })
    }

    /// It needs what comes behind this, and nothing before.
    pub fn needs(&self, offset: u64) {
        self.needs.store(offset, Ordering::Release);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.task.abort();
    }
}
