//! The service's clock, for what it says about itself.
//!
//! The time of day when it was made, and what has passed since: it never goes
//! back, whatever becomes of the system's clock meanwhile. Senders' times have
//! nothing to do with it.

use std::time::{Duration, Instant, SystemTime};

use crate::telemetry::Timestamp;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Nanoseconds from 1970 to `base`.
    began: u128,
    base: Instant,
}

impl Clock {
    /// A clock that is set by the system's, once.
    #[must_use]
    pub fn new() -> Self {
        let base = Instant::now();
        // Before 1970 no clock was set.
        let began = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self { began: began.as_nanos(), base }
    }

    /// The time by this clock; the start of 1970 if it was set to no year with
    /// four digits.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ago(Duration::ZERO)
    }

    /// The time by this clock so long ago.
    #[must_use]
    pub fn ago(&self, time: Duration) -> Timestamp {
        let now = self.began + self.base.elapsed().as_nanos();
        let nanoseconds = now.saturating_sub(time.as_nanos());
        let within = u32::try_from(nanoseconds % 1_000_000_000).expect("it is below a second");
        i64::try_from(nanoseconds / 1_000_000_000)
            .ok()
            .and_then(|seconds| Timestamp::from_unix(seconds, within))
            .unwrap_or(Timestamp::EPOCH)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
