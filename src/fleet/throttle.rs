//! Log lines that come once a second at most, with all that was counted since the
//! last one. What comes too soon for a line of its own is told a second after that
//! line, also if nothing more comes, and at the stop. Does not own what is counted,
//! nor how it reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

const INTERVAL: Duration = Duration::from_secs(1);

/// What was counted, and is told with one line.
pub trait Untold: Default + Send + 'static {
    /// Writes the line.
    fn tell(self);
}

/// One kind of line.
#[derive(Debug)]
pub struct Throttle<U: Untold>(Arc<Mutex<State<U>>>);

#[derive(Debug)]
struct State<U> {
    untold: Option<U>,
    told_at: Option<Instant>,
    /// A task tells what is untold.
    is_awaited: bool,
}

impl<U: Untold> Default for Throttle<U> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { untold: None, told_at: None, is_awaited: false })))
    }
}

impl<U: Untold> Throttle<U> {
    /// Counts something: tells it now, with what was not told before, or a second
    /// after the last line.
    pub fn count(&self, count: impl FnOnce(&mut U)) {
        let now = Instant::now();
        let mut state = lock(&self.0);
        count(state.untold.get_or_insert_default());
        match state.due(now) {
            None => tell(state, now),
            Some(due) if !state.is_awaited => {
                // Outside of a runtime it is told with the next line.
                if let Ok(runtime) = Handle::try_current() {
                    state.is_awaited = true;
                    runtime.spawn(Awaited(self.0.clone()).tell_at(due));
                }
            }
            Some(_) => {}
        }
    }

    /// Tells now what was not told yet.
    pub fn flush(&self) {
        tell(lock(&self.0), Instant::now());
    }
}

impl<U> State<U> {
    /// When the next line may be written; none if that is now.
    fn due(&self, now: Instant) -> Option<Instant> {
        self.told_at.map(|at| at + INTERVAL).filter(|due| *due > now)
    }
}

/// A count and a time are right whoever panicked over them.
fn lock<U>(state: &Mutex<State<U>>) -> MutexGuard<'_, State<U>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell<U: Untold>(mut state: MutexGuard<'_, State<U>>, now: Instant) {
    let Some(untold) = state.untold.take() else { return };
    state.told_at = Some(now);
    drop(state);
    untold.tell();
}

/// Has what is untold told when it goes: in time, or with the runtime.
struct Awaited<U: Untold>(Arc<Mutex<State<U>>>);

impl<U: Untold> Awaited<U> {
    async fn tell_at(self, mut due: Instant) {
        loop {
            sleep_until(due).await;
            // There may have been a line since.
            let next = lock(&self.0).due(Instant::now());
            let Some(next) = next else { return };
            due = next;
        }
    }
}

impl<U: Untold> Drop for Awaited<U> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.is_awaited = false;
        tell(state, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};

    use super::*;

    #[derive(Default)]
    struct Counted(u64, Option<SyncSender<u64>>);

    impl Untold for Counted {
        fn tell(self) {
            self.1.unwrap().send(self.0).unwrap();
        }
    }

    fn counter() -> (impl Fn(&Throttle<Counted>), impl Fn() -> Vec<u64>) {
        let (told, lines) = sync_channel(8);
        let count = move |throttle: &Throttle<Counted>| {
            throttle.count(|it| *it = Counted(it.0 + 1, Some(told.clone())));
        };
        (count, move || lines.try_iter().collect())
    }

    #[tokio::test]
    async fn all_is_told_once_a_second_also_when_nothing_more_comes() {
        let (throttle, (count, told)) = (Throttle::<Counted>::default(), counter());
        for _ in 0..6 {
            count(&throttle);
        }
        let begun = Instant::now();
        assert_eq!(told(), [1]);
        let mut later = Vec::new();
        while later.is_empty() {
            tokio::time::sleep(INTERVAL / 100).await;
            later = told();
        }
        assert_eq!(later, [5]);
        assert!(begun.elapsed() + INTERVAL / 10 >= INTERVAL, "a line too soon");
        count(&throttle);
        throttle.flush();
        assert_eq!(told(), [1]);
        throttle.flush();
        assert!(told().is_empty());
    }

    #[test]
    fn what_is_left_is_told_when_the_runtime_ends() {
        let (throttle, (count, told)) = (Throttle::<Counted>::default(), counter());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { (0..3).for_each(|_| count(&throttle)) });
        assert_eq!(told(), [1]);
        drop(runtime);
        assert_eq!(told(), [2]);
    }
}
