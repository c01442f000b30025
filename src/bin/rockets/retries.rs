//! Owns what waits to be sent again, and which of it goes first. Does not own
//! whether something is sent again (`outbox`).
//!
//! Each message waits for the same pause. Of those that have waited long
//! enough, the one generated first goes first: a service with a full reorder
//! buffer takes only the message it waits for, and that is the oldest. In the
//! order of their failures a backlog would go round and round instead.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use crate::source::Load;

/// A failed request is sent again after so long, as the challenge's launcher
/// does.
pub const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// A message on its way.
#[derive(Clone)]
pub struct Job {
    pub load: Load,
    /// Latency counts from here, retries included.
    pub due: Instant,
    pub tries: u32,
}

/// The messages to be sent again.
#[derive(Default)]
pub struct Retries {
    /// In the order in which their pause ends, as all pauses are equally long.
    pausing: VecDeque<(Instant, Job)>,
    due: BinaryHeap<Reverse<ByAge>>,
}

/// Ordered by what grows in true order.
struct ByAge(Job);

impl Retries {
    pub fn push(&mut self, job: Job, failed: Instant) {
        self.pausing.push_back((failed + RETRY_PAUSE, job));
    }

    /// The oldest message whose pause is over.
    pub fn pop(&mut self, now: Instant) -> Option<Job> {
        while self.pausing.front().is_some_and(|(until, _)| *until <= now)
            && let Some((_, job)) = self.pausing.pop_front()
        {
            self.due.push(Reverse(ByAge(job)));
        }
        self.due.pop().map(|Reverse(ByAge(job))| job)
    }

    /// When there will be something to pop; in the past if there is now.
    pub fn next(&self) -> Option<Instant> {
        match self.due.peek() {
            Some(Reverse(ByAge(job))) => Some(job.due),
            None => self.pausing.front().map(|(until, _)| *until),
        }
    }

    pub fn len(&self) -> usize {
        self.pausing.len() + self.due.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        let due = self.due.iter().map(|Reverse(ByAge(job))| job);
        due.chain(self.pausing.iter().map(|(_, job)| job))
    }
}

impl Ord for ByAge {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.load.age().cmp(&other.0.load.age())
    }
}

impl PartialOrd for ByAge {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByAge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByAge {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::{Event, Message};
    use crate::schedule::Planned;

    #[test]
    fn after_the_pause_the_oldest_message_goes_first() {
        let failed = Instant::now();
        let mut retries = Retries::default();
        for at in [30, 10, 20] {
            let message =
                Message { rocket: 0, number: 1, at, event: Event::SpeedIncreased { by: 500 } };
            let load = Load::Planned(Planned { message, copy: false });
            let job = Job { load, due: failed, tries: 1 };
            retries.push(job, failed);
        }
        let early = failed + RETRY_PAUSE.saturating_sub(Duration::from_millis(1));
        assert!(retries.pop(early).is_none());
        assert_eq!(retries.next(), Some(failed + RETRY_PAUSE));
        let over = failed + RETRY_PAUSE;
        let order: Vec<i64> =
            std::iter::from_fn(|| retries.pop(over)).map(|job| job.load.age().0).collect();
        assert_eq!(order, [10, 20, 30]);
        assert!(retries.is_empty() && retries.next().is_none());
    }
}
