//! Many messages on their way to their worker, and what becomes of them. Does not own how
//! they get there (`handle`).

use std::iter::repeat_n;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::outcome::{SubmitError, Submitted};
use super::refusals::Refusals;
use super::verdicts::Verdicts;

/// Many messages on their way to their worker.
#[derive(Debug)]
pub(super) struct HandedOver {
    pub count: usize,
    /// How many of them there was room for.
    pub taken: Result<usize, SubmitError>,
    pub verdicts: oneshot::Receiver<Verdicts>,
    pub refusals: Arc<Refusals>,
}

impl HandedOver {
    /// Waits until all of them are kept, and returns what became of each, in
    /// order.
    pub async fn outcomes(self, deadline: Instant) -> impl Iterator<Item = Submitted> {
        let (taken, left) = match self.taken {
            Ok(taken) => (taken, SubmitError::Busy),
            Err(error) => (0, error),
        };
        let (verdicts, unheard) = match timeout_at(deadline, self.verdicts).await {
            Ok(Ok(verdicts)) => (verdicts, SubmitError::Lost),
            Ok(Err(_)) => (Verdicts::of(0), SubmitError::Lost),
            Err(_) => (Verdicts::of(0), SubmitError::TimedOut),
        };
        let unheard_of = if verdicts.is_empty() { taken } else { 0 };
        assert_eq!(verdicts.len() + unheard_of, taken, "every message gets one verdict");
        let refusals = self.refusals;
        verdicts
            .into_each()
            .map(|verdict| verdict.map_err(SubmitError::from))
            .chain(repeat_n(Err(unheard), unheard_of))
            .chain(repeat_n(Err(left), self.count - taken))
            .inspect(move |it| {
                if let Err(error) = it {
                    refusals.tell(error);
                }
            })
    }
}
