//! What is known of a connection's client while it is served. One for each
//! connection, shared by its socket, which reports what moves, and its handlers.
//! Does not own what follows from it (`socket`, `unread`).
//!
//! Handlers find it as a local of the task: in a request's extensions it would
//! cost every request two allocations.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::origin::Origin;
use super::rate::Rates;

tokio::task_local! {
    static CLIENT: Arc<Client>;
}

/// Bytes read at a time of a client that has sent little: what an idle or
/// half-sent request costs beyond what was sent is bounded by twice of it.
pub const READ_AT_ONCE: usize = 8 * 1024;

/// One connection's client. Only its own task writes what is here, so nothing
/// needs an order.
#[derive(Debug)]
pub struct Client {
    origin: Origin,
    /// What it may send.
    rates: Option<Arc<Rates>>,
    /// Of a trusted proxy, whose request it sent last. Locked for a moment, once
    /// for each of its requests.
    speaks_for: Option<Mutex<Origin>>,
    /// Goes up whenever a byte moved, either way.
    moves: AtomicU32,
    /// Most bytes to read at a time.
    read_at_once: AtomicUsize,
    /// A request of it has reached the service.
    was_served: AtomicBool,
    /// The last answer went out before the request's body was there.
    left_unread: AtomicBool,
    /// The head of a request is there, and its answer is not known yet.
    at_work: AtomicBool,
    /// The same, and the request is there in whole.
    awaits_answer: AtomicBool,
}

impl Client {
    /// A client that has sent nothing yet.
    #[must_use]
    pub fn new(origin: Origin) -> Arc<Self> {
        Self::limited(origin, false, None)
    }

    /// As [`Client::new`], but it may be the proxy of others, and may send only
    /// so much.
    #[must_use]
    pub fn limited(origin: Origin, is_proxy: bool, rates: Option<Arc<Rates>>) -> Arc<Self> {
        Arc::new(Self {
            origin,
            rates,
            speaks_for: is_proxy.then(|| Mutex::new(origin)),
            moves: AtomicU32::new(0),
            read_at_once: AtomicUsize::new(READ_AT_ONCE),
            was_served: AtomicBool::new(false),
            left_unread: AtomicBool::new(false),
            at_work: AtomicBool::new(false),
            awaits_answer: AtomicBool::new(false),
        })
    }

    /// Where its connection comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether it is a proxy that says whose requests it sends.
    #[must_use]
    pub fn is_proxy(&self) -> bool {
        self.speaks_for.is_some()
    }

    /// Its next request is somebody's.
    pub fn speak_for(&self, sender: Origin) {
        if let Some(speaks_for) = &self.speaks_for {
            *speaks_for.lock().unwrap_or_else(PoisonError::into_inner) = sender;
        }
    }

    /// Where its last request comes from.
    #[must_use]
    pub fn sender(&self) -> Origin {
        let Some(speaks_for) = &self.speaks_for else { return self.origin };
        *speaks_for.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its last request holds so many more messages than one could know.
    pub fn charge(&self, messages: u64) {
        if let Some(rates) = &self.rates {
            rates.charge(self.sender(), messages);
        }
    }

    /// A byte moved.
    pub fn moved(&self) {
        self.moves.store(self.moves().wrapping_add(1), Ordering::Relaxed);
    }

    /// Changes when something moves.
    #[must_use]
    pub fn moves(&self) -> u32 {
        self.moves.load(Ordering::Relaxed)
    }

    /// Most bytes to read at a time.
    #[must_use]
    pub fn read_at_once(&self) -> usize {
        self.read_at_once.load(Ordering::Relaxed)
    }

    /// Sets how many bytes are read at a time from now on.
    pub fn set_read_at_once(&self, bytes: usize) {
        self.read_at_once.store(bytes, Ordering::Relaxed);
    }

    /// A request of it has reached the service, perhaps with all of its body.
    pub fn begin(&self, is_whole: bool) {
        self.was_served.store(true, Ordering::Relaxed);
        self.at_work.store(true, Ordering::Relaxed);
        self.awaits_answer.store(is_whole, Ordering::Relaxed);
    }

    /// The rest of the request's body is there.
    pub fn end_body(&self) {
        self.awaits_answer.store(true, Ordering::Relaxed);
    }

    /// The answer is made.
    pub fn answer(&self) {
        self.at_work.store(false, Ordering::Relaxed);
        self.awaits_answer.store(false, Ordering::Relaxed);
    }

    /// Whether a request of it is being worked on.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        self.at_work.load(Ordering::Relaxed)
    }

    /// An answer went out before the request's body was there.
    pub fn leave_unread(&self) {
        self.left_unread.store(true, Ordering::Relaxed);
    }

    /// Whether it is we who have to make the next move.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        self.awaits_answer.load(Ordering::Relaxed)
    }

    /// Whether it may still be sending what nobody reads: the body of a request
    /// that is answered, or what is no request at all.
    #[must_use]
    pub fn may_be_sending(&self) -> bool {
        self.left_unread.load(Ordering::Relaxed)
            || self.moves() > 0 && !self.was_served.load(Ordering::Relaxed)
    }
}

/// Runs a connection's task so that [`current`] is its client.
pub fn scope<F: Future>(client: Arc<Client>, task: F) -> impl Future<Output = F::Output> {
    CLIENT.scope(client, task)
}

/// The client of this task; none outside a connection's.
#[must_use]
pub fn current() -> Option<Arc<Client>> {
    CLIENT.try_with(Arc::clone).ok()
}

/// Does something with [`current`], if there is one.
pub fn tell_current(tell: impl FnOnce(&Client)) {
    // Outside of a connection there is nobody to tell.
    let _ = CLIENT.try_with(|client| tell(client));
}
