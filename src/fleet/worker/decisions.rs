//! What becomes of the decisions in a batch, behind its messages: in the order in which
//! the journal has them. Does not own what each of them does (`skips`, `forgets`).

use super::Partition;
use super::batch::{PendingForget, PendingSkip, Refused};
use crate::fleet::outcome::{ForgetRefusal, SkipRefusal};

/// Of one batch.
type Decisions = (Vec<PendingSkip>, Vec<PendingForget>);

impl Partition {
    /// Does what is kept.
    pub(super) fn decide(&mut self, (skips, forgets): Decisions) {
        self.skip(skips);
        self.forget(forgets);
    }

    /// Answers all of them that they are not kept.
    pub(super) fn refuse_decisions((skips, forgets): Decisions, refused: Refused, reason: &str) {
        let reason = reason.to_owned();
        let (of_skips, of_forgets) = match refused {
            Refused::NotKept => {
                (SkipRefusal::NotKept(reason.clone()), ForgetRefusal::NotKept(reason))
            }
            Refused::NotNow => (SkipRefusal::NotNow(reason.clone()), ForgetRefusal::NotNow(reason)),
        };
        Self::refuse_skips(skips, &of_skips);
        Self::refuse_forgets(forgets, &of_forgets);
    }
}
