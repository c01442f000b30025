//! Whether the fleet can serve, and if not, why.

use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

/// What the fleet can do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not there yet: neither reads nor writes.
    Starting(String),
    /// Everything.
    Ready,
    /// Reads only: what is accepted could not be kept.
    ReadOnly(String),
    /// A partition is gone: what needs it fails, the rest goes on.
    Degraded(String),
    /// Going down: what is in flight is finished.
    Stopping,
}

impl Phase {
    fn lets_write(&self) -> bool {
        !matches!(self, Self::Starting(_) | Self::ReadOnly(_))
    }
}

/// The fleet cannot do what was asked; the text says why.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// The phase, shared by whoever sets it and whoever must know it.
#[derive(Debug)]
pub struct Health {
    phase: RwLock<Phase>,
    /// Whether the phase lets messages in: asked for every one of them.
    writable: AtomicBool,
}

impl Health {
    #[must_use]
    pub fn new(phase: Phase) -> Self {
        let writable = AtomicBool::new(phase.lets_write());
        Self { phase: RwLock::new(phase), writable }
    }

    /// Moves on to `phase`. What is worse stays: a fleet that cannot keep
    /// messages does not become ready again without a restart. Returns whether
    /// this is the first word of it.
    pub fn set(&self, phase: Phase) -> bool {
        let mut current = self.phase.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let improves = matches!(
            (&*current, &phase),
            (Phase::ReadOnly(_), Phase::Starting(_) | Phase::Ready | Phase::Degraded(_))
                | (Phase::Degraded(_), Phase::Starting(_) | Phase::Ready)
                | (Phase::Stopping, _)
        );
        let news = std::mem::discriminant(&*current) != std::mem::discriminant(&phase);
        if !improves {
            self.writable.store(phase.lets_write(), Ordering::Release);
            *current = phase;
        }
        news && !improves
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        self.read().clone()
    }

    /// Whether everything works; the error says what does not.
    pub fn ready(&self) -> Result<(), Unavailable> {
        match &*self.read() {
            Phase::Ready => Ok(()),
            Phase::Starting(reason) | Phase::ReadOnly(reason) | Phase::Degraded(reason) => {
                Err(Unavailable(reason.clone()))
            }
            Phase::Stopping => Err(Unavailable("the service is stopping".to_owned())),
        }
    }

    /// Whether queries can be answered.
    pub fn can_read(&self) -> Result<(), Unavailable> {
        match &*self.read() {
            Phase::Starting(reason) => Err(Unavailable(reason.clone())),
            _ => Ok(()),
        }
    }

    /// Whether messages can be accepted.
    pub fn can_write(&self) -> Result<(), Unavailable> {
        if self.writable.load(Ordering::Acquire) {
            return Ok(());
        }
        match &*self.read() {
            Phase::Starting(reason) | Phase::ReadOnly(reason) => Err(Unavailable(reason.clone())),
            _ => Ok(()),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Phase> {
        self.phase.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
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
        health.set(Phase::Stopping);
        assert!(health.ready().is_err());
    }
}
