//! What becomes of what the log of the cluster brings: records of others are applied as
//! they come, and those of this partition too, in their places among them, and answered
//! then. So every node applies the same in the same order.

use std::time::Instant;

use futures_util::StreamExt;

use super::batch::Refused::NotNow;
use super::batch::{Batch, Groups, Pending};
use super::ordered::PendingRecord;
use super::{Member, Partition};
use crate::fleet::cluster::delivery::{Delivery, OfIt};
use crate::fleet::mailbox::Inbox;
use crate::fleet::outcome::{Cause, Refusal};
use crate::journal::Recovered;
use crate::journal::shared::publisher::{BatchId, Piece};

impl Partition {
    /// A batch was handed over to the log, or is refused by it at once.
    pub(super) fn handed_over(&mut self, batch: Batch, handed_over: Result<BatchId, String>) {
        match handed_over {
            Ok(id) => {
                if self.ordered.is_empty() {
                    self.commits.begin(Instant::now());
                }
                self.messages_in_flight += batch.len();
                self.ordered.wait(id, batch);
            }
            Err(reason) => self.withdraw(batch, &reason),
        }
    }

    /// Deals with what the log brings next.
    pub(super) fn receive(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Refused { pieces, reason } => self.take_back(&pieces, &reason),
            Delivery::Entry { offset, is_mark, of_it } => {
                let records = match of_it {
                    OfIt::Own(pieces) => self.apply_own(&pieces),
                    OfIt::Records(records) => self.apply_others(records),
                };
                if let Some(Member { applied, digests, .. }) = &self.shared.cluster {
                    if is_mark {
                        digests.note(offset, self.roster.digest());
                    }
                    applied.advance(self.index, offset, records);
                }
            }
        }
    }

    fn apply_others(&mut self, records: Vec<Recovered>) -> usize {
        let count = records.len();
        for record in records {
            match record {
                Recovered::Message(message) => self.roster.deliver(message, &mut self.observers),
                Recovered::Skip(skip) => {
                    let found = self.roster.find_gap(&skip.channel, Some(skip.awaited));
                    if let Ok((slot, awaited)) = found {
                        let _ = self.roster.skip(slot, awaited, &mut self.observers);
                    }
                }
                Recovered::Forget(forget) => {
                    self.roster.forget(&forget.channel, Cause::Deleted, &mut self.observers);
                }
                Recovered::Rocket(_) | Recovered::Mark(_) => {
                    unreachable!("neither stands in a log")
                }
            }
        }
        count
    }

    /// Applies records of this partition, and answers for them.
    fn apply_own(&mut self, pieces: &[Piece]) -> usize {
        let mut ordered = std::mem::take(&mut self.ordered);
        let mut count = 0;
        for piece in pieces {
            count += ordered.take(piece, |record, groups| match record {
                PendingRecord::Message(Pending { ticket, message, reply }) => {
                    let outcome = self.roster.apply(ticket, message.report, &mut self.observers);
                    groups.answer(reply, Ok(outcome));
                }
                PendingRecord::Skip(skip) => self.skip(vec![skip]),
                PendingRecord::Forget(forget) => self.forget(vec![forget]),
            });
        }
        self.ordered = ordered;
        self.settled(count);
        count
    }

    /// Records of this partition are certain not to be in the log.
    fn take_back(&mut self, pieces: &[Piece], reason: &str) {
        let mut ordered = std::mem::take(&mut self.ordered);
        let mut count = 0;
        for piece in pieces {
            let refuse = |record, groups: &mut Groups| match record {
                PendingRecord::Message(Pending { ticket, message, reply }) => {
                    self.roster.withdraw(ticket, message.report.number);
                    groups.answer(reply, Err(Refusal::NotNow(reason.to_owned())));
                }
                PendingRecord::Skip(skip) => {
                    Self::refuse_decisions((vec![skip], Vec::new()), NotNow, reason);
                }
                PendingRecord::Forget(forget) => {
                    Self::refuse_decisions((Vec::new(), vec![forget]), NotNow, reason);
                }
            };
            count += ordered.take(piece, refuse);
        }
        self.ordered = ordered;
        self.settled(count);
    }

    fn settled(&mut self, records: usize) {
        if records == 0 {
            return;
        }
        self.messages_in_flight -= records;
        if self.ordered.is_empty() {
            self.commits.end();
        } else {
            self.commits.begin(Instant::now());
        }
    }

    /// Deals with what the log brings until nothing of this partition is on its way any
    /// more, or the log takes nothing: then nobody waits for an answer by now who would
    /// not send again.
    pub(super) async fn wind_up_deliveries(&mut self, inbox: &Inbox) {
        let Some(Member { publisher, .. }) = self.shared.cluster.clone() else { return };
        let mut standing = publisher.standing();
        let mut deliveries = inbox.deliveries();
        while !self.ordered.is_empty() {
            tokio::select! {
                biased;
                delivery = deliveries.next() => match delivery {
                    Some(delivery) => self.receive(delivery),
                    None => break,
                },
                _ = standing.wait_for(Result::is_err) => break,
            }
        }
    }
}
