//! Reads that see what any node has acknowledged before: one look at the end of the
//! log for all that wait, and then until so much of it is applied here.
//!
//! A look that began before a read was asked for may have missed what was acknowledged
//! in between, so who comes meanwhile waits for the next one.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::applied::Applied;
use crate::journal::shared::SharedLog;

/// Most reads that wait for the same look; further ones wait for their turn.
const MOST_WAITING: usize = 4096;

/// The way to whoever looks.
#[derive(Clone, Debug)]
pub struct Barrier(mpsc::Sender<oneshot::Sender<Result<(), String>>>);

impl Barrier {
    /// A barrier over `log`, as far as it is `applied` here, and what runs for it.
    pub fn new(
        log: Arc<dyn SharedLog>,
        applied: Applied,
    ) -> (Self, impl Future<Output = Infallible> + Send) {
        let (sender, waiting) = mpsc::channel(MOST_WAITING);
        (Self(sender), run(log, applied, waiting))
    }

    /// Waits until everything that any node had acknowledged is applied here.
    ///
    /// # Errors
    /// Says why that is not known.
    pub async fn passed(&self) -> Result<(), String> {
        let (reply, passed) = oneshot::channel();
        let gone = |_| "the service stops".to_owned();
        self.0.send(reply).await.map_err(|_| "the service stops".to_owned())?;
        passed.await.map_err(gone)?
    }
}

async fn run(
    log: Arc<dyn SharedLog>,
    applied: Applied,
    mut waiting: mpsc::Receiver<oneshot::Sender<Result<(), String>>>,
) -> Infallible {
    loop {
        let Some(first) = waiting.recv().await else { std::future::pending().await };
        let mut all = vec![first];
        while let Ok(next) = waiting.try_recv() {
            all.push(next);
        }
        all.retain(|reply| !reply.is_closed());
        if all.is_empty() {
            continue;
        }
        let head = log.head().await;
        let applied = applied.clone();
        // The next look need not wait for this.
        tokio::spawn(async move {
            let passed = match head {
                Ok(head) => {
                    let gone = async {
                        for reply in &mut all {
                            reply.closed().await;
                        }
                    };
                    tokio::select! {
                        reached = applied.reached(head) => reached,
                        () = gone => return,
                    }
                }
                Err(error) => Err(format!("the log of the cluster: {error}")),
            };
            for reply in all {
                // Whoever waited may have given up.
                let _ = reply.send(passed.clone());
            }
        });
    }
}
