//! Rockets that are forgotten: what is taken in, kept and then done, like messages
//! and behind those of its batch. Whoever sends a message of such a rocket meanwhile
//! and has no answer yet may find it on either side.

use tokio::sync::oneshot;

use super::Partition;
use super::batch::{Batch, PendingForget};
use crate::fleet::outcome::{Cause, ForgetRefusal, ForgetVerdict};
use crate::fleet::view::Seen;
use crate::journal::Forget;
use crate::telemetry::Channel;

impl Partition {
    /// Takes it in, or answers at once why not.
    pub(super) fn admit_forget(
        &self,
        channel: Channel,
        (seen, cause): (Option<Seen>, Cause),
        reply: oneshot::Sender<ForgetVerdict>,
        batch: &mut Batch,
    ) {
        // What is in this batch comes before it.
        let heard_of = seen.is_some()
            && batch.pending.iter().any(|pending| pending.message.channel == channel);
        let found = match &self.failed {
            Some(failure) => Err(ForgetRefusal::NotKept(failure.to_string())),
            None if heard_of => Err(ForgetRefusal::HeardOf),
            None => self.roster.may_forget(&channel, seen),
        };
        match found {
            Ok(()) => {
                let forget = Forget { channel };
                batch.forgets.push(PendingForget { forget, cause, reply });
            }
            // Whoever asked may be gone by now.
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    /// Does what is kept.
    pub(super) fn forget(&mut self, forgets: Vec<PendingForget>) {
        for PendingForget { forget, cause, reply } in forgets {
            let done = self.roster.forget(&forget.channel, cause, &mut self.observers);
            let _ = reply.send(if done { Ok(()) } else { Err(ForgetRefusal::Unknown) });
        }
    }

    /// Answers all of them that they are not kept.
    pub(super) fn refuse_forgets(forgets: Vec<PendingForget>, refusal: &ForgetRefusal) {
        for PendingForget { reply, .. } in forgets {
            let _ = reply.send(Err(refusal.clone()));
        }
    }
}
