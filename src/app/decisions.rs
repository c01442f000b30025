//! The tasks that decide something about the fleet by themselves, once it is time:
//! what is given up, and who is forgotten. Does not own when that is.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::fleet::archive::Archive;
use crate::fleet::gap_timeout::GapTimeout;
use crate::fleet::health::Health;
use crate::fleet::mailbox::Mailbox;
use crate::fleet::retention::Retention;
use crate::fleet::supervisor::Supervisor;

/// Tasks that end when they are told to.
pub struct Decisions(Vec<JoinHandle<Option<()>>>);

impl Decisions {
    /// Starts those that the configuration asks for.
    pub fn start(
        config: &Config,
        (mailboxes, archive): (&Arc<[Mailbox]>, Option<Arc<Archive>>),
        supervisor: &Supervisor,
        health: &Arc<Health>,
        stop: &watch::Receiver<bool>,
    ) -> Self {
        let mut tasks = Vec::new();
        if let Some(timeout) = config.gap_timeout {
            let run = GapTimeout::new(mailboxes.clone(), timeout).run(stop.clone());
            let run = run.map(Ok);
            tasks.push(tokio::spawn(supervisor.supervise("the gap time-out", run)));
        }
        if let Some(after) = config.retention.after {
            let retention = Retention::new(mailboxes.clone(), after, archive, health.clone());
            let run = retention.run(stop.clone()).map(Ok);
            tasks.push(tokio::spawn(supervisor.supervise("the retention", run)));
        }
        Self(tasks)
    }

    /// Waits until all have ended, which they were told.
    pub async fn ended(self) {
        for task in self.0 {
            // What does not listen any more has ended; its supervisor knows, and
            // says how.
            let _ = task.await;
        }
    }
}
