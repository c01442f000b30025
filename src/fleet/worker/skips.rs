//! Numbers that are declared lost: what is taken in, kept and then done, like
//! messages and behind those of its batch.

use tokio::sync::oneshot;

use super::Partition;
use super::batch::{Batch, PendingSkip};
use crate::fleet::outcome::{SkipRefusal, SkipVerdict};
use crate::journal::Skip;
use crate::telemetry::{Channel, Timestamp};

/// Most waits that are given up at once, so that a commit which rides along need
/// not wait for long.
const MAX_OVERDUE: usize = 256;

impl Partition {
    /// Takes it in, or answers at once why not.
    pub(super) fn admit_skip(
        &self,
        channel: Channel,
        awaited: Option<u64>,
        reply: oneshot::Sender<SkipVerdict>,
        batch: &mut Batch,
    ) {
        let found = match &self.failed {
            Some(failure) => Err(SkipRefusal::NotKept(failure.to_string())),
            None => self.roster.find_gap(&channel, awaited),
        };
        match found {
            Ok((_, awaited)) => {
                let skip = Skip { channel, awaited };
                batch.skips.push(PendingSkip { skip, reply: Some(reply) });
            }
            // Whoever asked may be gone by now.
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    /// Takes in some of what has been waited for since `before`.
    pub(super) fn admit_overdue(
        &self,
        before: Timestamp,
        reply: oneshot::Sender<SkipVerdict>,
        batch: &mut Batch,
    ) {
        let overdue = match &self.failed {
            Some(_) => Vec::new(),
            None => self.roster.overdue(before, MAX_OVERDUE),
        };
        let skips = overdue.into_iter().map(|(_, skip)| PendingSkip { skip, reply: None });
        let before = batch.skips.len();
        batch.skips.extend(skips);
        match batch.skips[before..].last_mut() {
            Some(last) => last.reply = Some(reply),
            None => drop(reply.send(Err(SkipRefusal::NothingMissing))),
        }
    }

    /// Does what is kept. The rocket is looked for again: it may have been forgotten
    /// meanwhile.
    pub(super) fn skip(&mut self, skips: Vec<PendingSkip>) {
        for PendingSkip { skip: Skip { channel, awaited }, reply } in skips {
            let found = self.roster.find_gap(&channel, Some(awaited));
            let verdict = found.and_then(|(slot, awaited)| {
                let skipped = self.roster.skip(slot, awaited, &mut self.observers);
                skipped.ok_or(SkipRefusal::NothingMissing)
            });
            tell(reply, verdict);
        }
    }

    /// Answers all of them that they are not kept.
    pub(super) fn refuse_skips(skips: Vec<PendingSkip>, refusal: &SkipRefusal) {
        for PendingSkip { reply, .. } in skips {
            tell(reply, Err(refusal.clone()));
        }
    }
}

fn tell(reply: Option<oneshot::Sender<SkipVerdict>>, verdict: SkipVerdict) {
    if let Some(reply) = reply {
        // Whoever asked may be gone by now.
        let _ = reply.send(verdict);
    }
}
