//! What workers report to the feed, and for whom: plain types. Owns neither how a
//! change is noticed (`marks`), nor what becomes of it (`log`).

use crate::fleet::view::RocketView;
use crate::telemetry::Channel;

/// Whom changes are collected for. Each has its own queue at the workers and its
/// own log, so that who wants few rockets does not wait behind who wants all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Those who want every rocket.
    All,
    /// Those who filter by mission, type or status.
    Filtered,
    /// Those who name the rockets that they want.
    Named,
}

impl Lane {
    /// All lanes, in the order of their numbers.
    pub const EVERY: [Self; 3] = [Self::All, Self::Filtered, Self::Named];

    /// The bit that stands for it.
    #[must_use]
    pub fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What was another before: who filters by it has to be told even if it matches no
/// longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// Its mission.
    pub moved: bool,
    /// Whether it waits; said only while somebody filters by that.
    pub waits: bool,
}

impl Turned {
    /// Whether anything was.
    #[must_use]
    pub fn any(self) -> bool {
        self.moved || self.waits
    }
}

/// One change of one rocket; of several the latest.
#[derive(Debug)]
pub enum Changed {
    /// It is like this now.
    Rocket {
        /// As readers see it.
        rocket: RocketView,
        /// Whether this is the first that is told of its explosion.
        exploded: bool,
        /// What may have it cease to match.
        turned: Turned,
    },
    /// It is not there any more.
    Forgotten(Channel),
}

/// Some of what has changed in one partition.
#[derive(Debug, Default)]
pub struct Changes {
    /// Explosions and what was forgotten first, then what has waited longest.
    pub changed: Vec<Changed>,
    /// Whether there is more.
    pub more: bool,
    /// Whether some of it was lost, for there was too much.
    pub overrun: bool,
}
