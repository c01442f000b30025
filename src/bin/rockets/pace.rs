//! Owns when a request may be sent. Does not own which, or by whom.
//!
//! The runtime's timers tick in milliseconds, which would add up to that much
//! to every latency and send in bursts. So a small thread sleeps precisely and
//! hands out permits.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, TryAcquireError};

/// Sleeps shorter than this cost more than they bring: at high rates a few
/// requests are released at a time, by no more than this early or late.
const SHORTEST_SLEEP: Duration = Duration::from_micros(50);
/// How often the thread looks whether the run is over.
const LONGEST_SLEEP: Duration = Duration::from_millis(200);

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pacing {
    /// As soon as a connection is free.
    Unpaced,
    /// At least this long after the one before.
    Delay(Duration),
    /// So many a second, whatever the service does.
    Rate(f64),
}

/// Hands out permits to send at the configured pace.
pub struct Pace {
    permits: Permits,
    /// With a rate: when the first request was due, and the time between two.
    schedule: Option<(Instant, f64)>,
    handed_out: u64,
}

impl Pace {
    /// Starts the clock: the first permit is due now.
    pub fn start(pacing: Pacing) -> Self {
        let start = Instant::now();
        let permits = Arc::new(Semaphore::new(0));
        let weak = Arc::downgrade(&permits);
        let mut schedule = None;
        match pacing {
            Pacing::Unpaced => {
                return Self { permits: Permits(None), schedule: None, handed_out: 0 };
            }
            Pacing::Delay(delay) => {
                thread::spawn(move || release_after_delay(&weak, delay));
            }
            Pacing::Rate(rate) => {
                schedule = Some((start, rate.recip()));
                thread::spawn(move || release_at_rate(&weak, start, rate));
            }
        }
        Self { permits: Permits(Some(permits)), schedule, handed_out: 0 }
    }

    /// What to take one of before each new request.
    pub fn permits(&self) -> Permits {
        self.permits.clone()
    }

    /// When the request now to be sent was due: on schedule with a rate, else
    /// now. To be called once a request, in order.
    pub fn due(&mut self) -> Instant {
        let Some((start, interval)) = self.schedule else {
            return Instant::now();
        };
        let after = interval * self.handed_out as f64;
        self.handed_out += 1;
        start + Duration::from_secs_f64(after)
    }
}

/// One for each request that may be sent; without end when there is no pace.
#[derive(Clone)]
pub struct Permits(Option<Arc<Semaphore>>);

impl Permits {
    /// Takes one if there is one.
    pub fn try_take(&self) -> bool {
        let Some(permits) = &self.0 else { return true };
        match permits.try_acquire() {
            Ok(permit) => {
                permit.forget();
                true
            }
            Err(TryAcquireError::NoPermits) => false,
            Err(TryAcquireError::Closed) => unreachable!("nobody closes the semaphore"),
        }
    }

    /// Waits for one and takes it.
    pub async fn take(&self) {
        if let Some(permits) = &self.0 {
            permits.acquire().await.expect("nobody closes the semaphore").forget();
        }
    }
}

/// Ends when the last user of the permits is gone.
fn release_at_rate(permits: &Weak<Semaphore>, start: Instant, rate: f64) {
    let mut released = 0_u64;
    loop {
        let Some(strong) = permits.upgrade() else {
            return;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is positive and far from 2^64"
        )]
        let due = (start.elapsed().as_secs_f64() * rate) as u64 + 1;
        // A bounded step, far below the semaphore's own limit.
        let step = due.checked_sub(released).expect("time does not go back").min(1 << 20);
        strong.add_permits(usize::try_from(step).expect("the step is bounded"));
        released += step;
        drop(strong);
        let next = start + Duration::from_secs_f64(released as f64 / rate);
        let sleep = next.saturating_duration_since(Instant::now());
        #[expect(clippy::disallowed_methods, reason = "a thread of its own")]
        thread::sleep(sleep.clamp(SHORTEST_SLEEP, LONGEST_SLEEP));
    }
}

/// A permit is added only once the one before has been taken, so that no burst
/// follows a stall.
fn release_after_delay(permits: &Weak<Semaphore>, delay: Duration) {
    let mut due = Instant::now();
    loop {
        let Some(strong) = permits.upgrade() else {
            return;
        };
        let now = Instant::now();
        if now >= due && strong.available_permits() == 0 {
            strong.add_permits(1);
            due = now + delay;
        }
        drop(strong);
        let sleep = due.saturating_duration_since(Instant::now());
        #[expect(clippy::disallowed_methods, reason = "a thread of its own")]
        thread::sleep(sleep.clamp(SHORTEST_SLEEP, LONGEST_SLEEP));
    }
}
