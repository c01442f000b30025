//! Waiting for a deadline, by the timer of the connection (`alarm`) where there
//! is one. Does not own what deadlines are for.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant as StdInstant};

use hyper::rt;
use tokio::time::{Instant, Sleep, sleep_until};

use super::client;

/// Done when a deadline has passed.
#[derive(Debug)]
pub struct Until {
    deadline: Instant,
    /// Where there is no connection, or in a part of its task that is woken apart.
    own: Option<Pin<Box<Sleep>>>,
}

impl Until {
    /// Done at `deadline`.
    #[must_use]
    pub fn new(deadline: Instant) -> Self {
        Self { deadline, own: None }
    }
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<()> {
        let deadline = self.deadline;
        if self.own.is_none()
            && let Some(passed) =
                client::with_alarm(|alarm| alarm.poll(deadline, context)).flatten()
        {
            return passed;
        }
        self.own.get_or_insert_with(|| Box::pin(sleep_until(deadline))).as_mut().poll(context)
    }
}

impl rt::Sleep for Until {}

/// Gives hyper [`Until`] for a timer.
#[derive(Clone, Copy, Debug)]
pub struct Timer;

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Until::new(Instant::now() + duration))
    }

    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Until::new(deadline.into()))
    }

    fn now(&self) -> StdInstant {
        Instant::now().into()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;
    use futures_util::future::{Either, select};
    use futures_util::stream::{FuturesUnordered, StreamExt};

    use super::super::client::Client;
    use super::super::origin::Origin;
    use super::*;

    fn at(start: Instant, milliseconds: u64) -> Until {
        Until::new(start + Duration::from_millis(milliseconds))
    }

    fn passed(start: Instant, milliseconds: u64) -> bool {
        start.elapsed() >= Duration::from_millis(milliseconds)
    }

    async fn is_pending(until: &mut Until) -> bool {
        poll_fn(|context| Poll::Ready(until.poll_unpin(context).is_pending())).await
    }

    fn run(task: impl Future<Output = ()> + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(runtime.spawn(task)).unwrap();
    }

    fn run_as_a_connection(task: impl Future<Output = ()> + Send + 'static) {
        run(client::scope(Client::new(Origin::of(None)), task));
    }

    #[test]
    fn deadlines_pass_in_whatever_order_they_are_waited_for() {
        run_as_a_connection(async {
            let start = Instant::now();
            for deadline in [5, 7, 3, 40, 41] {
                at(start, deadline).await;
                assert!(passed(start, deadline));
            }
            // The timer stands at neither of two, then at the later one.
            let first = select(at(start, 60_000), at(start, 50)).await;
            assert!(matches!(first, Either::Right(_)) && passed(start, 50));
            let first = select(at(start, 60), at(start, 60_000)).await;
            assert!(matches!(first, Either::Left(_)) && passed(start, 60));
        });
    }

    #[test]
    fn a_deadline_that_is_given_up_delays_no_other() {
        run_as_a_connection(async {
            let start = Instant::now();
            let mut given_up = at(start, 20);
            assert!(is_pending(&mut given_up).await);
            drop(given_up);
            let mut later = at(start, 60);
            let mut turns = 0;
            poll_fn(|context| {
                turns += 1;
                later.poll_unpin(context)
            })
            .await;
            assert!(passed(start, 60));
            assert_eq!(turns, 3, "at first, for the one that was given up, and at the end");
        });
    }

    #[test]
    fn parts_of_a_task_that_are_woken_apart_have_timers_of_their_own() {
        run_as_a_connection(async {
            let start = Instant::now();
            let mut first = at(start, 50);
            assert!(is_pending(&mut first).await);
            let parts = [30, 10, 20].map(|milliseconds| at(start, milliseconds));
            let mut parts: FuturesUnordered<_> = parts.into_iter().collect();
            for deadline in [10, 20, 30] {
                parts.next().await.unwrap();
                assert!(passed(start, deadline));
            }
            first.await;
            assert!(passed(start, 50));
        });
    }

    #[test]
    fn without_a_connection_it_is_a_timer_like_any() {
        run(async {
            let start = Instant::now();
            at(start, 5).await;
            assert!(passed(start, 5));
        });
    }
}
