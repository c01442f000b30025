//! What became of messages that came together: a byte for each, since nearly all are
//! taken in, and the refusals apart. Does not own who decides, nor how it gets to the
//! sender (`mailbox`, `handed_over`).

use std::collections::BTreeMap;

use super::outcome::{Outcome, Refusal, Verdict};

/// A verdict for each message, in order; each is given once.
#[derive(Debug)]
pub struct Verdicts {
    /// `None` where there is no verdict yet, or a refusal.
    outcomes: Vec<Option<Outcome>>,
    refusals: BTreeMap<usize, Refusal>,
}

impl Verdicts {
    /// Of so many messages, none decided yet.
    #[must_use]
    pub fn of(messages: usize) -> Self {
        Self { outcomes: vec![None; messages], refusals: BTreeMap::new() }
    }

    /// How many messages they are of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether they are of none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    /// Decides the message at this place.
    #[inline]
    pub fn decide(&mut self, at: usize, verdict: Verdict) {
        match verdict {
            Ok(outcome) => self.outcomes[at] = Some(outcome),
            Err(refusal) => {
                assert!(at < self.outcomes.len(), "there is no such message");
                self.refusals.insert(at, refusal);
            }
        }
    }

    /// All of them, in order.
    ///
    /// # Panics
    /// At a message that was not decided.
    pub fn into_each(mut self) -> impl Iterator<Item = Verdict> {
        self.outcomes.into_iter().enumerate().map(move |(at, outcome)| match outcome {
            Some(outcome) => Ok(outcome),
            None => Err(self.refusals.remove(&at).expect("every message was decided")),
        })
    }

    /// Whether all are decided.
    #[must_use]
    pub fn are_complete(&self) -> bool {
        let undecided = self.outcomes.iter().filter(|it| it.is_none()).count();
        undecided == self.refusals.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_its_own_whatever_the_order_in_which_they_are_decided() {
        let full = || Err(Refusal::FleetFull { limit: 1 });
        let mut verdicts = Verdicts::of(3);
        assert!(!verdicts.are_complete() && verdicts.len() == 3);
        verdicts.decide(2, Ok(Outcome::Duplicate));
        verdicts.decide(1, full());
        assert!(!verdicts.are_complete());
        verdicts.decide(0, Ok(Outcome::Applied));
        assert!(verdicts.are_complete());
        let each: Vec<_> = verdicts.into_each().collect();
        assert_eq!(each, [Ok(Outcome::Applied), full(), Ok(Outcome::Duplicate)]);
    }
}
