//! Many messages on their way to their worker, and what becomes of them. Does not own how
//! they get there (`handle`).

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::outcome::{SubmitError, Submitted, Verdict};
use super::refusals::Refusals;

/// Many messages on their way to their worker.
#[derive(Debug)]
pub(super) struct HandedOver {
    pub count: usize,
    /// How many of them there was room for.
    pub taken: Result<usize, SubmitError>,
    pub verdicts: oneshot::Receiver<Vec<Verdict>>,
    pub refusals: Arc<Refusals>,
}

impl HandedOver {
    /// Waits until all of them are kept, and returns what became of each, in
    /// order.
    pub async fn outcomes(self, deadline: Instant) -> Vec<Submitted> {
        let refusals = self.refusals.clone();
        let results = self.results(deadline).await;
        results.iter().filter_map(|result| result.as_ref().err()).for_each(|it| refusals.tell(it));
        results
    }

    async fn results(self, deadline: Instant) -> Vec<Submitted> {
        let taken = match self.taken {
            Ok(taken) => taken,
            Err(error) => return vec![Err(error); self.count],
        };
        let mut results = match timeout_at(deadline, self.verdicts).await {
            Ok(Ok(verdicts)) => {
                assert_eq!(verdicts.len(), taken, "every message gets one verdict");
                verdicts.into_iter().map(|verdict| verdict.map_err(Into::into)).collect()
            }
            Ok(Err(_)) => vec![Err(SubmitError::Lost); taken],
            Err(_) => vec![Err(SubmitError::TimedOut); taken],
        };
        results.resize(self.count, Err(SubmitError::Busy));
        results
    }
}
