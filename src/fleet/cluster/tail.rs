//! Reads the log of the cluster, all of it in order, and delivers it to the partitions:
//! what this node handed over as theirs, everything else as what others say.
//!
//! Owns how far it has read, and what each error of the log means: to be cut off passes
//! by itself; whatever could not be told from the log any more ends the service.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::{info, warn};

use super::applied::Applied;
use super::delivery::{Delivery, OfIt};
use super::digests::Marking;
use crate::fleet::mailbox::{Mailbox, Undelivered};
use crate::fleet::routing::Router;
use crate::journal::Recovered;
use crate::journal::shared::publisher::{Piece, Publisher, Refusal};
use crate::journal::shared::{Entry, LogError, Offset, SharedLog, entry};
use crate::telemetry::Channel;

/// The wait before the log is read on after it broke off.
const RETRY: Duration = Duration::from_millis(100);

/// See the module.
pub struct Tail {
    /// What it reads.
    pub log: Arc<dyn SharedLog>,
    /// Who knows what this node handed over.
    pub publisher: Publisher,
    /// What of that is certain not to be in the log.
    pub refusals: mpsc::Receiver<Refusal>,
    /// Where it goes.
    pub mailboxes: Arc<[Mailbox]>,
    /// Which partition is a rocket's.
    pub router: Router,
    /// Told when nothing more comes.
    pub applied: Applied,
    /// Up to where it was read.
    pub after: Offset,
    /// At which entries digests are noted.
    pub marking: Marking,
    /// Told whether it reads, or why not.
    pub state: watch::Sender<Result<(), String>>,
}

impl Tail {
    /// Reads on and on.
    ///
    /// # Errors
    /// Says what cannot be mended by trying again. The partitions are as they were at
    /// the last entry that was whole.
    pub async fn run(mut self) -> Result<Infallible, String> {
        let Err(reason) = self.read().await;
        // Whoever waits for what would come is told, rather than wait until he gives up;
        // and so does the stop, which waits for them.
        self.applied.end(&reason);
        let pieces = self.publisher.end(&reason);
        let mut left = vec![Refusal { pieces, reason: reason.clone() }];
        left.extend(std::iter::from_fn(|| self.refusals.try_recv().ok()));
        for refusal in left {
            if self.refuse(refusal).await.is_err() {
                break;
            }
        }
        Err(reason)
    }

    async fn read(&mut self) -> Result<Infallible, String> {
        let mut told = false;
        loop {
            let Err(error) = self.follow().await;
            let reason = match error {
                Broken::Log(LogError::Unreachable(reason)) => reason,
                Broken::Log(LogError::Trimmed { up_to }) => {
                    return Err(format!(
                        "the log of the cluster was trimmed up to {up_to}, and this node has read \
                         it up to {} only; start it again, and it takes the rest from another node",
                        self.after
                    ));
                }
                Broken::Log(LogError::Behind { head }) => {
                    return Err(format!(
                        "the log of the cluster ends at {head}, and this node has read it up to {}: \
                         the log has lost something, or is another one",
                        self.after
                    ));
                }
                Broken::Log(error) => return Err(format!("the log of the cluster: {error}")),
                // The workers have ended: this is a stop, or their supervisor knows.
                Broken::Closed => std::future::pending().await,
            };
            if !told {
                warn!(
                    reason,
                    offset = self.after.0,
                    "the log of the cluster is not read; this is tried again"
                );
                told = true;
            }
            drop(self.state.send_replace(Err(reason)));
            sleep(RETRY).await;
            let mut head = self.log.head().await;
            while let Err(LogError::Unreachable(_)) = head {
                // Whose senders need not wait for the log.
                while let Ok(refusal) = self.refusals.try_recv() {
                    if self.refuse(refusal).await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                sleep(RETRY).await;
                head = self.log.head().await;
            }
            if head.is_ok() {
                info!(offset = self.after.0, "the log of the cluster is read on");
                told = false;
                drop(self.state.send_replace(Ok(())));
            }
        }
    }

    async fn follow(&mut self) -> Result<Infallible, Broken> {
        let mut entries = self.log.tail(self.after);
        loop {
            tokio::select! {
                biased;
                Some(refusal) = self.refusals.recv() => self.refuse(refusal).await?,
                entry = entries.next() => {
                    let ended = || LogError::Unreachable("it broke off".to_owned());
                    let (offset, entry) = entry.ok_or_else(ended)??;
                    if offset <= self.after {
                        let problem = format!("offset {offset} comes after {}", self.after);
                        return Err(LogError::Corrupt(problem).into());
                    }
                    self.deliver(offset, &entry).await?;
                    self.after = offset;
                }
            }
        }
    }

    /// Hands one entry over, to all partitions, so that each knows how far it is.
    async fn deliver(&self, offset: Offset, Entry { id, bytes }: &Entry) -> Result<(), Broken> {
        let count = self.mailboxes.len();
        let is_mark = self.marking.is_mark(self.after, offset);
        let parts: Vec<OfIt> = if let Some(pieces) = self.publisher.settle(id) {
            split(count, pieces).into_iter().map(OfIt::Own).collect()
        } else {
            let mut parts: Vec<_> = (0..count).map(|_| Vec::new()).collect();
            for record in entry::read(id, bytes)? {
                let partition = channel(&record).map(|channel| self.router.route(channel));
                parts[partition.unwrap_or_default()].push(record);
            }
            parts.into_iter().map(OfIt::Records).collect()
        };
        for (mailbox, of_it) in self.mailboxes.iter().zip(parts) {
            mailbox.deliver(Delivery::Entry { offset, is_mark, of_it }).await?;
        }
        Ok(())
    }

    async fn refuse(&self, Refusal { pieces, reason }: Refusal) -> Result<(), Broken> {
        for (mailbox, pieces) in self.mailboxes.iter().zip(split(self.mailboxes.len(), pieces)) {
            if !pieces.is_empty() {
                mailbox.deliver(Delivery::Refused { pieces, reason: reason.clone() }).await?;
            }
        }
        Ok(())
    }
}

/// Why it does not read on.
enum Broken {
    Log(LogError),
    /// A worker has ended.
    Closed,
}

impl From<LogError> for Broken {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl From<Undelivered> for Broken {
    fn from(_: Undelivered) -> Self {
        Self::Closed
    }
}

/// Pieces by their partitions, in order.
fn split(count: usize, pieces: Vec<Piece>) -> Vec<Vec<Piece>> {
    let mut parts: Vec<_> = (0..count).map(|_| Vec::new()).collect();
    for piece in pieces {
        parts[piece.partition].push(piece);
    }
    parts
}

fn channel(record: &Recovered) -> Option<&Channel> {
    match record {
        Recovered::Message(message) => Some(&message.channel),
        Recovered::Skip(skip) => Some(&skip.channel),
        Recovered::Forget(forget) => Some(&forget.channel),
        Recovered::Rocket(rocket) => Some(&rocket.channel),
        Recovered::Mark(_) => None,
    }
}
