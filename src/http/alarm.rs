//! The timer of a connection, one for all its deadlines, which are hardly ever
//! reached. Does not own how they are waited for (`deadline`).
//!
//! To set a timer and to clear it costs some 400 instructions and a lock, and a
//! request has two: for its head to arrive, and for its message to be kept. So a
//! connection keeps one timer, which is never later than any deadline that is
//! waited for, and mostly that of a request long answered. When it goes off, the
//! connection's task finds out what is still waited for, and sets it to that.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// The timer of a connection's task.
#[derive(Debug, Default)]
pub struct Alarm {
    /// The timer, and whom it wakes.
    set: Option<(Pin<Box<Sleep>>, Waker)>,
}

impl Alarm {
    /// Whether `deadline` has passed; if not, this task is woken by then. Nothing
    /// if it would be another than the one that it was first asked by.
    ///
    /// Whoever asks has to ask again at each turn of the task, until it passed or
    /// does not matter any more.
    pub fn poll(&mut self, deadline: Instant, context: &mut Context) -> Option<Poll<()>> {
        let timer = match &mut self.set {
            Some((_, waker)) if !waker.will_wake(context.waker()) => return None,
            Some((timer, _)) if timer.deadline() <= deadline && !timer.is_elapsed() => {
                return Some(Poll::Pending);
            }
            Some(_) if Instant::now() >= deadline => return Some(Poll::Ready(())),
            Some((timer, _)) => {
                timer.as_mut().reset(deadline);
                timer
            }
            none => {
                let set = (Box::pin(sleep_until(deadline)), context.waker().clone());
                &mut none.insert(set).0
            }
        };
        // A turn that the runtime cuts short would leave it unset.
        Some(pin!(unconstrained(timer.as_mut())).poll(context))
    }
}
