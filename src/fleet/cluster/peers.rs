//! What the nodes of a cluster tell each other: how far each has stored the log for
//! itself, what it made of it, and which records it reads. Has the log trimmed up to what enough of them have stored, and refuses
//! messages while it holds too much.
//!
//! Nothing here decides who does what: any node may trim, as often as it likes, and
//! nobody's clock is compared with another's.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::applied::Applied;
use super::digests::{Agreement, Digests, Told};
use crate::journal::shared::entry::{OLDEST, READS};
use crate::journal::shared::publisher::Publisher;
use crate::journal::shared::{LogResult, Offset, SharedLog};

/// How often it is told and looked at.
pub(super) const ROUND: Duration = Duration::from_secs(1);

/// Rounds for which a node counts as one that lives of which nothing new was heard.
const SILENCE: u64 = 15;

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Its release.
    pub version: String,
    /// The newest record format that it reads.
    pub reads: u32,
    /// Counts its words: while it goes up, the node lives.
    pub beat: u64,
    /// Up to where it has applied the log.
    pub applied: u64,
    /// Up to where it has stored it for itself.
    pub stored: u64,
    /// What it has made of it.
    #[serde(default)]
    pub digests: Told,
    /// Where other nodes reach it.
    #[serde(default)]
    pub url: Option<String>,
    /// While it catches up: it needs what comes behind this. Else what it has not
    /// applied.
    #[serde(default)]
    pub needs: Option<u64>,
}

impl Announcement {
    /// Of a node of this release that has nothing.
    pub(super) fn of_this_release() -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { version, reads: READS, ..Self::default() }
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("numbers and texts are JSON").into()
    }
}

/// What all nodes said last, as far as this release understands it.
///
/// # Errors
/// When the log cannot be asked.
pub async fn announced(log: &dyn SharedLog) -> LogResult<Vec<Peer>> {
    let announced = log.announced().await?;
    let read = |(node, what): (String, Bytes)| Some((node, serde_json::from_slice(&what).ok()?));
    // What a later release says in another way counts for nothing here.
    Ok(announced.into_iter().filter_map(read).collect())
}

/// A node, and what it said last.
pub type Peer = (String, Announcement);

/// How far this node has stored the log for itself.
pub type Stored = Arc<AtomicU64>;

/// What a node of a cluster is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many nodes must have stored what is trimmed; at least 1.
    pub copies: usize,
    /// Bytes of the log beyond which messages are refused.
    pub log_limit: u64,
    /// Offsets from one mark at which nodes compare their folds to the next; at least
    /// 1, and the same for all nodes: [`STRIDE`](super::digests::STRIDE), but in tests.
    pub stride: u64,
}

/// See the module.
pub struct Peers {
    /// Where they tell it.
    pub log: Arc<dyn SharedLog>,
    /// Who this node is.
    pub node: Arc<str>,
    /// Where others reach it.
    pub url: Option<String>,
    /// What it must have read to be as good as the others; until then it needs the log.
    pub goal: Offset,
    /// How far it is.
    pub applied: Applied,
    /// And how far that is stored.
    pub stored: Stored,
    /// What it has made of it.
    pub digests: Digests,
    /// Told to refuse messages, and which format to write.
    pub publisher: Publisher,
    /// How many must have it, and how much there may be.
    pub policy: Policy,
    /// What they all say, for readers.
    pub known: watch::Sender<Known>,
}

/// What is known of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// By name.
    pub peers: Vec<Peer>,
    /// Bytes that the log takes.
    pub log_bytes: u64,
    /// Up to where it was trimmed, by this node's account.
    pub trimmed: u64,
    /// Whether this node agrees with others.
    pub agreement: Agreement,
}

impl Peers {
    /// Tells and looks until the end.
    ///
    /// # Errors
    /// Never: what does not work is tried again.
    pub async fn run(self) -> Result<std::convert::Infallible, String> {
        let mut beat = 0;
        let mut is_full = false;
        let mut lives = Lives::default();
        loop {
            beat += 1;
            match self.round(beat, &mut lives).await {
                Ok(known) => {
                    let Policy { log_limit, .. } = self.policy;
                    let full = known.log_bytes > log_limit;
                    let reason = full.then(|| {
                        let bytes = known.log_bytes;
                        format!(
                            "the log of the cluster has {bytes} bytes, of {log_limit} that it may"
                        )
                    });
                    if full && !is_full {
                        let bytes = known.log_bytes;
                        warn!(
                            bytes,
                            limit = log_limit,
                            flag = "--log-limit",
                            "messages are refused: the log of the cluster has too much"
                        );
                    }
                    is_full = full;
                    self.publisher.refuse(reason);
                    self.known.send_replace(known);
                }
                // The tail says so, too, and louder.
                Err(error) => debug!(%error, "the nodes of the cluster are not known"),
            }
            sleep(ROUND).await;
        }
    }

    async fn round(&self, beat: u64, lives: &mut Lives) -> LogResult<Known> {
        let applied = self.applied.by_all();
        let announcement = Announcement {
            beat,
            applied: applied.0,
            stored: self.stored.load(Ordering::Acquire),
            url: self.url.clone(),
            needs: (applied < self.goal).then_some(applied.0),
            digests: self.digests.told(),
            ..Announcement::of_this_release()
        };
        self.log.announce(&self.node, announcement.to_bytes()).await?;
        let peers = announced(&*self.log).await?;
        self.publisher.write_format(format_to_write(&peers, OLDEST..=READS));
        let others = peers.iter().filter(|(name, _)| **name != *self.node);
        let told = others.map(|(name, peer)| (name.as_str(), &peer.digests));
        let agreement = self.digests.compare(told);
        let log_bytes = self.log.size().await?;
        let mut enough = stored_by(&peers, self.policy.copies);
        let needed = lives.needed(&peers, beat);
        // Who is slow, or cut off, must not have the others refuse messages.
        if log_bytes <= self.policy.log_limit / 2 {
            enough = enough.min(needed.unwrap_or(enough));
        }
        let mut trimmed = self.known.borrow().trimmed;
        if enough > trimmed {
            self.log.trim(Offset(enough)).await?;
            trimmed = enough;
        }
        Ok(Known { peers, log_bytes, trimmed, agreement })
    }
}

/// When something new was heard of each node: by this node's rounds, for nobody knows
/// another's clock.
#[derive(Debug, Default)]
struct Lives(HashMap<String, (u64, u64)>);

impl Lives {
    /// The least that a node which lives needs the log behind, if one does: what it has
    /// not applied, and while it starts what it says. Else who is cut off for a moment
    /// would find its place in the log gone.
    fn needed(&mut self, peers: &[Peer], round: u64) -> Option<u64> {
        self.0.retain(|node, _| peers.iter().any(|(name, _)| name == node));
        let mut needed = None;
        for (node, peer) in peers {
            let (beat, heard) = self.0.entry(node.clone()).or_insert((peer.beat, round));
            if *beat != peer.beat {
                (*beat, *heard) = (peer.beat, round);
            }
            if round - *heard < SILENCE {
                let needs = peer.needs.unwrap_or(peer.applied);
                needed = Some(needed.map_or(needs, |needed: u64| needed.min(needs)));
            }
        }
        needed
    }
}

/// Up to where so many nodes have stored the log for themselves; 0 if there are not so
/// many.
fn stored_by(peers: &[Peer], copies: usize) -> u64 {
    let mut stored: Vec<_> = peers.iter().map(|(_, peer)| peer.stored).collect();
    stored.sort_unstable_by(|a, b| b.cmp(a));
    stored.get(copies.max(1) - 1).copied().unwrap_or(0)
}

/// Which of the formats that this release `has` records are to be written in: the newest
/// that every announced node reads. So one that is gone for good holds newer ones back
/// until an operator has it [withdrawn](SharedLog::withdraw): nobody else can tell that
/// it is. One that reads none of them would end at whatever is written.
fn format_to_write(peers: &[Peer], has: RangeInclusive<u32>) -> u32 {
    let read_by_all = peers.iter().map(|(_, peer)| peer.reads).fold(*has.end(), u32::min);
    read_by_all.max(*has.start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_enough_nodes_have_may_go() {
        let peer = |stored| ("x".to_owned(), Announcement { stored, ..Announcement::default() });
        let peers = [peer(7), peer(9), peer(3)];
        assert_eq!([1, 2, 3, 4].map(|copies| stored_by(&peers, copies)), [9, 7, 3, 0]);
        assert_eq!(stored_by(&[], 1), 0);
    }

    #[test]
    fn a_newer_format_is_written_once_every_node_reads_it() {
        let peer = |reads| ("x".to_owned(), Announcement { reads, ..Announcement::default() });
        assert_eq!(format_to_write(&[peer(1), peer(2), peer(2)], 1..=2), 1);
        assert_eq!(format_to_write(&[peer(3), peer(2), peer(2)], 1..=2), 2);
        assert_eq!(format_to_write(&[peer(3), peer(3)], 1..=2), 2, "there is no newer one here");
        assert_eq!(format_to_write(&[peer(1), peer(3)], 2..=3), 2, "there is no older one");
        assert_eq!(format_to_write(&[], 1..=1), 1);
    }

    #[test]
    fn what_a_release_before_or_after_this_one_says_is_understood() {
        let before = br#"{"version":"0.1.0","reads":1,"beat":5,"applied":9,"stored":7}"#;
        let read: Announcement = serde_json::from_slice(before).unwrap();
        assert_eq!((read.stored, read.digests), (7, Told::default()));
        let after = br#"{"version":"9","reads":2,"beat":5,"applied":9,"stored":7,"digests":
            {"form":7,"marks":[{"offset":1,"digest":18446744073709551615}]},"more":{}}"#;
        let read: Announcement = serde_json::from_slice(after).unwrap();
        assert_eq!((read.reads, read.digests.form), (2, 7));
    }

    #[test]
    fn what_a_node_needs_is_kept_while_it_lives() {
        let peer = |beat, needs| {
            let announcement = Announcement { beat, needs, applied: 9, ..Announcement::default() };
            vec![("x".to_owned(), announcement)]
        };
        let mut lives = Lives::default();
        assert_eq!(lives.needed(&[], 1), None);
        assert_eq!(lives.needed(&peer(7, None), 1), Some(9), "what it has not applied");
        assert_eq!(lives.needed(&peer(8, Some(5)), 2), Some(5));
        assert_eq!(lives.needed(&peer(8, Some(5)), 1 + SILENCE), Some(5));
        assert_eq!(lives.needed(&peer(8, Some(5)), 2 + SILENCE), None);
        // It began again, and counts anew.
        assert_eq!(lives.needed(&peer(1, Some(6)), 3 + SILENCE), Some(6));
    }
}
