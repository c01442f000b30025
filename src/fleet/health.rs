//! Whether the fleet can serve, and if not, why.
//!
//! Two things decide: the phase, which it is told, and what is observed of it
//! (`vitals`), which makes it unready for as long as it lasts and closes nothing.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::time::sleep;
use tracing::{info, warn};

use super::outcome::Unavailable;
use super::vitals::Vital;

/// How often what is observed is looked at when nobody asks, so that the log
/// tells of it too.
pub const LOOK: Duration = Duration::from_secs(2);

/// What the fleet can do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not there yet: neither reads nor writes.
    Starting(String),
    /// Everything.
    Ready,
    /// Reads only for now: nothing can be kept, and that is tried again. Ends by
    /// [`Health::resume`].
    Paused(String),
    /// Reads only: what is accepted could not be kept.
    ReadOnly(String),
    /// A partition is gone: what needs it fails, the rest goes on.
    Degraded(String),
    /// Going down: what is in flight is finished.
    Stopping,
}

impl Phase {
    /// Why no messages are accepted, if none are.
    fn keeps_out(&self) -> Option<&str> {
        match self {
            Self::Starting(reason) | Self::Paused(reason) | Self::ReadOnly(reason) => Some(reason),
            Self::Ready | Self::Degraded(_) | Self::Stopping => None,
        }
    }
}

/// One of the things that make the fleet ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is looked at.
    pub name: String,
    /// What is wrong with it, if anything is.
    pub trouble: Option<String>,
}

/// Shared by whoever sets the phase or is observed, and whoever must know of it.
/// Nobody waits for anybody: the phase is asked for every message.
#[derive(Debug)]
pub struct Health {
    phase: ArcSwap<Phase>,
    /// Whether messages can be accepted in this phase: what most want to know.
    can_write: AtomicBool,
    /// Held while the phase changes.
    changes: Mutex<()>,
    /// Why messages could not be kept, if that ever was so.
    failure: OnceLock<String>,
    /// Held for as long as it takes to look at them.
    vitals: Mutex<Vec<Arc<dyn Vital>>>,
}

impl Health {
    /// A fleet in this phase.
    #[must_use]
    pub fn new(phase: Phase) -> Self {
        Self {
            can_write: AtomicBool::new(phase.keeps_out().is_none()),
            changes: Mutex::default(),
            phase: ArcSwap::from_pointee(phase),
            failure: OnceLock::new(),
            vitals: Mutex::default(),
        }
    }

    /// Moves on to `phase`. What is worse stays: a fleet that cannot keep
    /// messages does not become ready again without a restart. Returns whether
    /// this is the first word of it.
    pub fn set(&self, phase: Phase) -> bool {
        if let Phase::ReadOnly(reason) = &phase {
            // What was first counts.
            let _ = self.failure.set(reason.clone());
        }
        let phase = Arc::new(phase);
        let before = self
            .change(|current| if stays(current, &phase) { current.clone() } else { phase.clone() });
        let news = std::mem::discriminant(&*before) != std::mem::discriminant(&*phase);
        news && !stays(&before, &phase)
    }

    /// Everything can be kept again. Returns whether the fleet was paused.
    pub fn resume(&self) -> bool {
        let ready = Arc::new(Phase::Ready);
        let before = self.change(|current| match **current {
            Phase::Paused(_) => ready.clone(),
            _ => current.clone(),
        });
        matches!(*before, Phase::Paused(_))
    }

    /// Returns the phase before.
    fn change(&self, change: impl FnOnce(&Arc<Phase>) -> Arc<Phase>) -> Arc<Phase> {
        let _alone = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.phase.load_full();
        let after = change(&before);
        let can_write = after.keeps_out().is_none();
        self.phase.store(after);
        self.can_write.store(can_write, Ordering::Release);
        before
    }

    /// The phase at the moment; a copy, which may be out of date when it is read.
    #[must_use]
    pub fn phase(&self) -> Phase {
        (**self.phase.load()).clone()
    }

    /// Why messages could not be kept, if that ever was so in this run.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Observes one thing more, from now on.
    pub fn watch(&self, vital: Arc<dyn Vital>) {
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner).push(vital);
    }

    /// Whether nothing is observed to be wrong.
    fn observed(&self) -> Result<(), Unavailable> {
        self.look(|_| true)
    }

    fn look(&self, counts: impl Fn(&dyn Vital) -> bool) -> Result<(), Unavailable> {
        let now = Instant::now();
        let vitals = self.vitals.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = vitals.iter().filter(|vital| counts(&***vital));
        // All of them: to be looked at is what keeps some of them going.
        let troubles: Vec<_> = counted.filter_map(|vital| vital.trouble(now)).collect();
        if troubles.is_empty() { Ok(()) } else { Err(Unavailable(troubles.join("; "))) }
    }

    /// All that [`Health::ready`] asks, each with what is wrong.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let phase = self.in_phase().err().map(|Unavailable(reason)| reason);
        let mut checks = vec![Check { name: "the phase".to_owned(), trouble: phase }];
        let now = Instant::now();
        let vitals = self.vitals.lock().unwrap_or_else(PoisonError::into_inner);
        checks.extend(vitals.iter().map(|vital| {
            let (name, trouble) = (vital.name().to_owned(), vital.trouble(now));
            Check { name, trouble }
        }));
        checks
    }

    /// Whether all tasks of the process move. What they wait for does not count.
    ///
    /// # Errors
    /// While any of them hangs; says which.
    pub fn alive(&self) -> Result<(), Unavailable> {
        self.look(<dyn Vital>::is_of_the_process)
    }

    /// Looks at what is observed every so often, at least every [`LOOK`], and logs
    /// when it is wrong and when it is well again. `told` hears of every look,
    /// after it.
    pub async fn keep_looking(&self, every: Duration, mut told: impl FnMut(&Self)) -> Infallible {
        let mut before = Ok(());
        loop {
            sleep(every.min(LOOK)).await;
            let observed = self.observed();
            match &observed {
                Err(Unavailable(reason)) if before.is_ok() => {
                    warn!(%reason, "the service is not ready");
                }
                Ok(()) if before.is_err() => info!("the service moves again"),
                _ => {}
            }
            before = observed;
            told(self);
        }
    }

    /// Whether everything works, and is observed to.
    ///
    /// # Errors
    /// In every phase but [`Phase::Ready`], and while anything hangs; says what
    /// does not work.
    pub fn ready(&self) -> Result<(), Unavailable> {
        self.in_phase()?;
        self.observed()
    }

    /// Whether everything works, as far as it is told.
    fn in_phase(&self) -> Result<(), Unavailable> {
        match &**self.phase.load() {
            Phase::Ready => Ok(()),
            Phase::Starting(reason)
            | Phase::Paused(reason)
            | Phase::ReadOnly(reason)
            | Phase::Degraded(reason) => Err(Unavailable(reason.clone())),
            Phase::Stopping => Err(Unavailable("the service is stopping".to_owned())),
        }
    }

    /// Whether queries can be answered.
    ///
    /// # Errors
    /// While the fleet starts; says how far it is.
    pub fn can_read(&self) -> Result<(), Unavailable> {
        match &**self.phase.load() {
            Phase::Starting(reason) => Err(Unavailable(reason.clone())),
            _ => Ok(()),
        }
    }

    /// Whether messages can be accepted.
    ///
    /// # Errors
    /// While the fleet starts, and once messages could not be kept; says why.
    pub fn can_write(&self) -> Result<(), Unavailable> {
        if self.can_write.load(Ordering::Acquire) {
            return Ok(());
        }
        self.phase.load().keeps_out().map_or(Ok(()), |reason| Err(Unavailable(reason.to_owned())))
    }
}

/// Whether `phase` would look better than what the fleet is in.
fn stays(current: &Phase, phase: &Phase) -> bool {
    matches!(
        (current, phase),
        (
            Phase::ReadOnly(_),
            Phase::Starting(_) | Phase::Ready | Phase::Paused(_) | Phase::Degraded(_)
        ) | (Phase::Degraded(_), Phase::Starting(_) | Phase::Ready | Phase::Paused(_))
            | (Phase::Paused(_), Phase::Starting(_) | Phase::Ready)
            | (Phase::Stopping, _)
    )
}

#[cfg(test)]
mod tests {
    use super::super::vitals::Wait;
    use super::*;

    #[test]
    fn what_failed_does_not_become_ready_again() {
        let health = Health::new(Phase::Starting("recovering".into()));
        assert!(health.can_read().is_err() && health.can_write().is_err());
        health.set(Phase::Ready);
        assert_eq!(health.ready(), Ok(()));
        assert!(health.set(Phase::ReadOnly("disk full".into())));
        assert!(!health.set(Phase::ReadOnly("disk full".into())));
        assert!(!health.set(Phase::Ready));
        assert_eq!(health.ready(), Err(Unavailable("disk full".into())));
        assert!(health.can_read().is_ok() && health.can_write().is_err());
        assert!(!health.set(Phase::Paused("locked".into())) && !health.resume());
        health.set(Phase::Stopping);
        assert!(health.ready().is_err());
        assert_eq!(health.failure(), Some("disk full"));
    }

    #[test]
    fn a_failure_during_the_stop_is_remembered() {
        let health = Health::new(Phase::Stopping);
        assert_eq!(health.failure(), None);
        health.set(Phase::ReadOnly("disk full".into()));
        assert_eq!(health.phase(), Phase::Stopping);
        assert_eq!(health.failure(), Some("disk full"));
    }

    #[test]
    fn what_is_observed_makes_it_unready_while_it_lasts() {
        let health = Health::new(Phase::Ready);
        let wait = Arc::new(Wait::new("commits", "no commit has ended", Duration::ZERO));
        health.watch(wait.clone());
        assert_eq!(health.ready(), Ok(()));
        wait.begin(Instant::now());
        assert!(health.ready().unwrap_err().0.starts_with("no commit has ended for"));
        assert!(health.can_read().is_ok() && health.can_write().is_ok(), "nothing is closed");
        assert_eq!(health.alive(), Ok(()), "it is waited for, and nothing hangs");
        wait.end();
        assert_eq!(health.ready(), Ok(()));
    }

    #[test]
    fn a_task_that_does_not_move_is_no_life() {
        let health = Health::new(Phase::ReadOnly("disk full".into()));
        health.watch(Arc::new(Stuck));
        assert_eq!(health.alive(), Err(Unavailable("it is stuck".into())));
    }

    #[derive(Debug)]
    struct Stuck;

    impl Vital for Stuck {
        fn name(&self) -> &'static str {
            "a task"
        }

        fn trouble(&self, _now: Instant) -> Option<String> {
            Some("it is stuck".to_owned())
        }

        fn is_of_the_process(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_pause_ends_when_it_is_told_and_not_before() {
        let health = Health::new(Phase::Starting("recovering".into()));
        assert!(!health.resume());
        assert!(health.set(Phase::Paused("no room".into())));
        health.set(Phase::Ready);
        assert_eq!(health.ready(), Err(Unavailable("no room".into())));
        assert!(health.can_read().is_ok() && health.can_write().is_err());
        assert!(health.resume());
        assert_eq!(health.ready(), Ok(()));
    }
}
