//! What the runtime is like that workers run on: the one place for all tuning
//! that depends on it. Chosen where the runtime is made, and handed in from
//! there.

use tokio::runtime;

/// Connections with news that one look at the network gives one thread to deal
/// with. What they send reaches the journal before it looks for more, and is
/// being committed while it deals with those.
const EVENTS_AT_ONCE: usize = 32;

/// How many threads serve connections and run the workers (decision 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threading {
    /// One: a worker that has nothing to do knows that nobody else has either.
    Single,
    /// Several, which share their tasks.
    Several(usize),
}

impl Threading {
    /// For so many threads, of which there is at least one.
    #[must_use]
    pub fn of(threads: usize) -> Self {
        if threads <= 1 { Self::Single } else { Self::Several(threads) }
    }

    /// A builder for such a runtime. One thread has no use for the scheduler that
    /// shares tasks among threads, and is fairer without it.
    #[must_use]
    pub fn runtime(self) -> runtime::Builder {
        let mut builder = match self {
            Self::Single => {
                let mut builder = runtime::Builder::new_current_thread();
                builder.max_io_events_per_tick(EVENTS_AT_ONCE);
                builder
            }
            Self::Several(threads) => {
                let mut builder = runtime::Builder::new_multi_thread();
                builder.worker_threads(threads);
                builder
            }
        };
        builder.enable_all();
        builder
    }

    /// Whether a worker that was just woken lets others go first, so that one
    /// turn of it is for many messages. tokio runs such a task next where there
    /// are several threads; with one thread it comes last anyway.
    #[must_use]
    pub(super) fn yields_before_a_batch(self) -> bool {
        self != Self::Single
    }

    /// Whether a worker busy-polls for its commit. Only where it takes turns with
    /// all else that is ready: elsewhere it would keep another thread's core.
    #[must_use]
    pub(super) fn busy_polls(self) -> bool {
        self == Self::Single
    }
}
