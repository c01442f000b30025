//! Turns at what only few requests may do at a time, dealt out to the addresses
//! that wait in rounds: who asks for a thousand gets as many in each round as who
//! asks for one. Does not own what is done in a turn.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::origin::Origin;

/// A number of turns.
#[derive(Debug)]
pub struct Turns(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    free: usize,
    /// Who waits, by their origins; none is empty.
    queues: HashMap<Origin, VecDeque<oneshot::Sender<Turn>>>,
    /// In which order the origins get the next turn.
    round: VecDeque<Origin>,
}

/// One turn, until it is dropped.
#[derive(Debug)]
pub struct Turn(Option<Arc<Turns>>);

impl Turns {
    /// So many at a time.
    #[must_use]
    pub fn new(turns: usize) -> Arc<Self> {
        let (queues, round) = (HashMap::new(), VecDeque::new());
        Arc::new(Self(Mutex::new(Waiting { free: turns, queues, round })))
    }

    /// Waits for a turn; none if there was none by the deadline.
    pub async fn take(self: &Arc<Self>, origin: Origin, deadline: Instant) -> Option<Turn> {
        let given = {
            let mut waiting = self.lock();
            if waiting.free > 0 {
                waiting.free -= 1;
                return Some(Turn(Some(self.clone())));
            }
            let (give, given) = oneshot::channel();
            let queue = waiting.queues.entry(origin).or_default();
            // Who gave up leaves a place, which need not be kept.
            queue.retain(|waiter| !waiter.is_closed());
            let is_new = queue.is_empty();
            queue.push_back(give);
            if is_new && !waiting.round.contains(&origin) {
                waiting.round.push_back(origin);
            }
            given
        };
        timeout_at(deadline, given).await.ok()?.ok()
    }

    fn are_awaited(&self) -> bool {
        !self.lock().queues.is_empty()
    }

    fn give(self: Arc<Self>) {
        let mut waiting = self.lock();
        let mut turn = Turn(Some(self.clone()));
        while let Some((origin, mut queue)) = waiting.next_queue() {
            let next = queue.pop_front();
            if !queue.is_empty() {
                waiting.queues.insert(origin, queue);
                waiting.round.push_back(origin);
            }
            // If it is not taken any more, it comes back.
            let Some(next) = next else { continue };
            match next.send(turn) {
                Ok(()) => return,
                Err(back) => turn = back,
            }
        }
        turn.0 = None;
        waiting.free += 1;
    }

    /// Nothing is left half done in here, so a panic elsewhere does not matter.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn next_queue(&mut self) -> Option<(Origin, VecDeque<oneshot::Sender<Turn>>)> {
        let origin = self.round.pop_front()?;
        Some((origin, self.queues.remove(&origin).unwrap_or_default()))
    }
}

impl Turn {
    /// Whether anybody waits for it. Who has given up may count, until the next turn
    /// is given.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.0.as_ref().is_some_and(|turns| turns.are_awaited())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    fn origin(address: u8) -> Origin {
        Origin::of(Some([10, 0, 0, address].into()))
    }

    #[tokio::test]
    async fn who_asks_for_many_does_not_shut_out_who_asks_for_one() {
        let turns = Turns::new(1);
        let far = Instant::now() + Duration::from_secs(600);
        let first = turns.take(origin(1), far).await.unwrap();
        let mut many: Vec<_> = (0..100).map(|_| Box::pin(turns.take(origin(1), far))).collect();
        for waiter in &mut many {
            assert!(waiter.as_mut().now_or_never().is_none());
        }
        let mut one = Box::pin(turns.take(origin(2), far));
        assert!(one.as_mut().now_or_never().is_none());
        assert!(first.is_awaited());
        drop(first);
        let second = many[0].as_mut().now_or_never().unwrap().unwrap();
        drop(second);
        let third = one.as_mut().now_or_never().unwrap().unwrap();
        // Those that give up are passed over, with a turn in hand or without.
        drop(third);
        drop(many);
        let last = turns.take(origin(3), far).now_or_never().unwrap().unwrap();
        assert!(!last.is_awaited());
        drop(last);
        assert!(turns.take(origin(3), far).now_or_never().unwrap().is_some());
        assert!(turns.take(origin(3), far).now_or_never().unwrap().is_some());
    }

    #[tokio::test]
    async fn a_wait_ends_at_its_deadline() {
        let turns = Turns::new(1);
        let held = turns.take(origin(1), Instant::now()).await;
        assert!(held.is_some());
        assert!(turns.take(origin(1), Instant::now()).await.is_none());
        drop(held);
        assert!(turns.take(origin(1), Instant::now()).await.is_some());
    }
}
