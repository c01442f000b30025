//! Whether the fleet can serve, and if not, why.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::outcome::Unavailable;

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

/// The phase, shared by whoever sets it and whoever must know it. Nobody waits
/// for anybody: it is asked for every message.
#[derive(Debug)]
pub struct Health(ArcSwap<Phase>);

impl Health {
    /// A fleet in this phase.
    #[must_use]
    pub fn new(phase: Phase) -> Self {
        Self(ArcSwap::from_pointee(phase))
    }

    /// Moves on to `phase`. What is worse stays: a fleet that cannot keep
    /// messages does not become ready again without a restart. Returns whether
    /// this is the first word of it.
    pub fn set(&self, phase: Phase) -> bool {
        let phase = Arc::new(phase);
        let before = self
            .0
            .rcu(|current| if stays(current, &phase) { current.clone() } else { phase.clone() });
        let news = std::mem::discriminant(&*before) != std::mem::discriminant(&*phase);
        news && !stays(&before, &phase)
    }

    /// Everything can be kept again. Returns whether the fleet was paused.
    pub fn resume(&self) -> bool {
        let ready = Arc::new(Phase::Ready);
        let before = self.0.rcu(|current| match **current {
            Phase::Paused(_) => ready.clone(),
            _ => current.clone(),
        });
        matches!(*before, Phase::Paused(_))
    }

    /// The phase at the moment; a copy, which may be out of date when it is read.
    #[must_use]
    pub fn phase(&self) -> Phase {
        (**self.0.load()).clone()
    }

    /// Whether everything works.
    ///
    /// # Errors
    /// In every phase but [`Phase::Ready`]; says what does not work.
    pub fn ready(&self) -> Result<(), Unavailable> {
        match &**self.0.load() {
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
        match &**self.0.load() {
            Phase::Starting(reason) => Err(Unavailable(reason.clone())),
            _ => Ok(()),
        }
    }

    /// Whether messages can be accepted.
    ///
    /// # Errors
    /// While the fleet starts, and once messages could not be kept; says why.
    pub fn can_write(&self) -> Result<(), Unavailable> {
        match &**self.0.load() {
            Phase::Starting(reason) | Phase::Paused(reason) | Phase::ReadOnly(reason) => {
                Err(Unavailable(reason.clone()))
            }
            _ => Ok(()),
        }
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
