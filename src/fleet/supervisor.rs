//! The one place that knows every task which the service cannot do without.
//!
//! Owns what happens when one ends: the service is not ready from that moment
//! on, and whoever runs it is told, to say so and to stop it. Does not own the
//! tasks, nor their stop.

use std::any::Any;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use thiserror::Error;
use tokio::sync::watch;

use super::health::{Health, Phase};
use super::vitals::Pulse;

/// Which task ended that should not have, and how.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{task} {how}")]
pub struct Failure {
    task: String,
    how: String,
}

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Supervisor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    health: Arc<Health>,
    /// Whether tasks may end.
    stopping: AtomicBool,
    /// The first one.
    failure: watch::Sender<Option<Failure>>,
}

impl Supervisor {
    /// A supervisor without tasks, which tells `health` of what becomes of them.
    #[must_use]
    pub fn new(health: Arc<Health>) -> Self {
        let failure = watch::Sender::new(None);
        Self(Arc::new(Inner { health, stopping: AtomicBool::new(false), failure }))
    }

    /// The same task under supervision, to be run as a task of its own. It must
    /// not end before [`Supervisor::expect_ends`], and must not fail or panic at
    /// any time. Then there is no output of it. It may be aborted.
    pub fn supervise<T, F>(
        &self,
        task: &str,
        future: F,
    ) -> impl Future<Output = Option<T>> + use<T, F>
    where
        F: Future<Output = Result<T, String>>,
    {
        let pulse = Arc::new(Pulse::new(task));
        self.0.health.watch(pulse.clone());
        self.with_pulse(pulse, task.to_owned(), future)
    }

    /// As [`Supervisor::supervise`], with this pulse, which ends with the task.
    fn with_pulse<T, F>(
        &self,
        pulse: Arc<Pulse>,
        task: String,
        future: F,
    ) -> impl Future<Output = Option<T>> + use<T, F>
    where
        F: Future<Output = Result<T, String>>,
    {
        let supervisor = self.clone();
        let pulse = Ends(pulse);
        async move {
            let mut future = pin!(AssertUnwindSafe(future).catch_unwind());
            let ended = poll_fn(|context| {
                pulse.0.beat(context.waker());
                future.as_mut().poll(context)
            });
            let how = match ended.await {
                Ok(Ok(output)) if supervisor.0.stopping.load(Ordering::Acquire) => {
                    return Some(output);
                }
                Ok(Ok(_)) => "ended".to_owned(),
                Ok(Err(reason)) => format!("failed: {reason}"),
                Err(panic) => format!("panicked: {}", said(&*panic)),
            };
            supervisor.fail(Failure { task, how });
            None
        }
    }

    /// The watch over the service itself, to be run as a task of its own, too; as
    /// [`Health::keep_looking`] has it.
    pub fn keep_watch<F: FnMut(&Health) + Send>(
        &self,
        every: Duration,
        told: F,
    ) -> impl Future<Output = Option<Infallible>> + use<F> {
        let health = self.0.health.clone();
        let looks = async move { Ok(health.keep_looking(every, told).await) };
        self.supervise("the watch over the service", looks)
    }

    fn fail(&self, failure: Failure) {
        // First what decides, and then whoever talks.
        self.0.health.set(Phase::Degraded(failure.to_string()));
        self.0.failure.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(failure);
            is_first
        });
    }

    /// From now on tasks may end.
    pub fn expect_ends(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// Waits until a task has failed.
    pub async fn failed(&self) {
        let mut failure = self.0.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await;
        drop(failed.expect("its sender is in here"));
    }

    /// The first task that failed, if any has.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.0.failure.borrow().clone()
    }
}

/// Ends the pulse of a task with it, however that goes, an abort included.
struct Ends(Arc<Pulse>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::fleet::vitals::{STALLED, Vital};

    fn supervisor() -> (Supervisor, Arc<Health>) {
        let health = Arc::new(Health::new(Phase::Ready));
        (Supervisor::new(health.clone()), health)
    }

    #[tokio::test]
    async fn whatever_ends_makes_the_service_unready_first() {
        let ended = async { Ok(()) };
        let failed = async { Err("it is tired".to_owned()) };
        let panicked = async { panic!("the test wants it {}", "so") };
        let ends: [(BoxFuture<'_, Result<(), String>>, _); 3] = [
            (Box::pin(ended), "the task ended"),
            (Box::pin(failed), "the task failed: it is tired"),
            (Box::pin(panicked), "the task panicked: the test wants it so"),
        ];
        for (end, text) in ends {
            let (supervisor, health) = supervisor();
            assert_eq!(supervisor.supervise("the task", end).await, None);
            assert_eq!(health.ready().unwrap_err().0, text);
            supervisor.failed().await;
            assert_eq!(supervisor.failure().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_task_that_is_dropped_is_not_missed() {
        let (supervisor, _) = supervisor();
        let pulse = Arc::new(Pulse::new("the task"));
        let stuck = std::future::pending::<Result<(), String>>();
        let task = supervisor.with_pulse(pulse.clone(), "the task".to_owned(), stuck);
        let begun = Instant::now();
        assert_eq!(pulse.trouble(begun), None);
        assert!(pulse.trouble(begun + STALLED).is_some());
        drop(task);
        assert_eq!(pulse.trouble(begun + STALLED), None);
    }

    #[tokio::test]
    async fn at_a_stop_tasks_end_and_must_not_fail() {
        let (supervisor, health) = supervisor();
        supervisor.expect_ends();
        assert_eq!(supervisor.supervise("the task", async { Ok(7) }).await, Some(7));
        assert_eq!((supervisor.failure(), health.ready()), (None, Ok(())));
        let failing = async { Err::<(), _>("it is tired".to_owned()) };
        assert_eq!(supervisor.supervise("the other", failing).await, None);
        assert!(supervisor.failure().is_some() && health.ready().is_err());
    }
}
