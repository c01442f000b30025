//! What is known of a connection's client while it is served. One for each
//! connection, shared by its socket, which reports what moves, and its handlers.
//! Does not own what follows from it (`socket`, `unread`).
//!
//! Handlers find it as a local of the task: in a request's extensions it would
//! cost every request two allocations.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use warp::http::HeaderMap;

use super::alarm::Alarm;
use super::origin::Origin;
use super::post_headers::PostHeaders;
use super::rate::Rates;

tokio::task_local! {
    // Boxed, for it is moved at each turn of the task.
    static LOCAL: Box<Local>;
}

/// What belongs to the task of one connection.
struct Local {
    client: Arc<Client>,
    alarm: RefCell<Alarm>,
    head: Cell<Option<Head>>,
}

/// What was read of a request's headers before its handler gets it, and the room that
/// they took.
pub type Head = (PostHeaders, HeaderMap);

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
    /// TLS is being agreed on, and nothing else can be asked yet.
    shakes_hands: AtomicBool,
    /// It sent something, of a request or of none.
    has_sent: AtomicBool,
    /// A request of it has reached the service.
    was_served: AtomicBool,
    /// The last answer went out before the request's body was there.
    left_unread: AtomicBool,
    /// A request's body ended with trailers.
    sent_trailers: AtomicBool,
    /// The head of a request is there, and its answer is not known yet.
    at_work: AtomicBool,
    /// An answer goes on for as long as it is read.
    streams: AtomicBool,
    /// Its answer needs more of the request's body than is there.
    short_of_bytes: AtomicBool,
    /// No request is taken behind the one that is served now.
    is_to_end: AtomicBool,
    /// The task of its connection.
    task: AtomicWaker,
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
            shakes_hands: AtomicBool::new(false),
            has_sent: AtomicBool::new(false),
            was_served: AtomicBool::new(false),
            left_unread: AtomicBool::new(false),
            sent_trailers: AtomicBool::new(false),
            at_work: AtomicBool::new(false),
            streams: AtomicBool::new(false),
            short_of_bytes: AtomicBool::new(false),
            is_to_end: AtomicBool::new(false),
            task: AtomicWaker::new(),
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

    /// It sent something.
    pub fn received(&self) {
        self.moved();
        self.has_sent.store(true, Ordering::Relaxed);
    }

    /// What it sends now is a handshake.
    pub fn begin_handshake(&self) {
        self.shakes_hands.store(true, Ordering::Relaxed);
    }

    /// It has sent nothing beyond its handshake.
    pub fn end_handshake(&self) {
        self.shakes_hands.store(false, Ordering::Relaxed);
        self.has_sent.store(false, Ordering::Relaxed);
    }

    /// Whether nothing can have been asked yet, for want of a handshake.
    #[must_use]
    pub fn shakes_hands(&self) -> bool {
        self.shakes_hands.load(Ordering::Relaxed)
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

    /// No request of it is taken any more, but for the one that is served now.
    pub fn end_soon(&self) {
        self.is_to_end.store(true, Ordering::Release);
        self.task.wake();
    }

    /// Whether that was said.
    #[must_use]
    pub fn is_to_end(&self) -> bool {
        self.is_to_end.load(Ordering::Acquire)
    }

    /// This task is woken when it is said.
    pub fn wake_at_end(&self, waker: &Waker) {
        self.task.register(waker);
    }

    /// A request of it has reached the service.
    pub fn begin(&self) {
        self.was_served.store(true, Ordering::Relaxed);
        self.at_work.store(true, Ordering::Relaxed);
    }

    /// Its answer tells what changes, and goes on for as long as it is read.
    pub fn begin_stream(&self) {
        self.streams.store(true, Ordering::Relaxed);
    }

    /// Whether an answer goes on for as long as it is read.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed)
    }

    /// Nothing can be done for it before more of the request's body comes.
    pub fn begin_wait(&self) {
        self.short_of_bytes.store(true, Ordering::Relaxed);
    }

    /// More came, or there is something to do without.
    pub fn end_wait(&self) {
        self.short_of_bytes.store(false, Ordering::Relaxed);
    }

    /// The request's body ended with trailers.
    pub fn end_with_trailers(&self) {
        self.sent_trailers.store(true, Ordering::Relaxed);
    }

    /// Whether a request's body ended with trailers, the last one's.
    #[must_use]
    pub fn sent_trailers(&self) -> bool {
        self.sent_trailers.load(Ordering::Relaxed)
    }

    /// The answer is made.
    pub fn answer(&self) {
        self.at_work.store(false, Ordering::Relaxed);
        self.short_of_bytes.store(false, Ordering::Relaxed);
    }

    /// An answer went out before the request's body was there.
    pub fn leave_unread(&self) {
        self.left_unread.store(true, Ordering::Relaxed);
    }

    /// Whether it is we who have to make the next move: to work on its request,
    /// perhaps before all of that is there.
    #[must_use]
    pub fn waits_for_us(&self) -> bool {
        self.at_work.load(Ordering::Relaxed) && !self.short_of_bytes.load(Ordering::Relaxed)
    }

    /// Whether it may still be sending what nobody reads: the body of a request
    /// that is answered, or what is no request at all.
    #[must_use]
    pub fn may_be_sending(&self) -> bool {
        self.left_unread.load(Ordering::Relaxed)
            || self.has_sent.load(Ordering::Relaxed) && !self.was_served.load(Ordering::Relaxed)
    }
}

/// Runs a connection's task so that [`current`] is its client.
pub fn scope<F: Future>(client: Arc<Client>, task: F) -> impl Future<Output = F::Output> {
    let local = Local { client, alarm: RefCell::default(), head: Cell::default() };
    LOCAL.scope(Box::new(local), task)
}

/// The client of this task; none outside a connection's.
#[must_use]
pub fn current() -> Option<Arc<Client>> {
    LOCAL.try_with(|local| local.client.clone()).ok()
}

/// Does something with [`current`], if there is one.
pub fn tell_current(tell: impl FnOnce(&Client)) {
    // Outside of a connection there is nobody to tell.
    let _ = LOCAL.try_with(|local| tell(&local.client));
}

/// Leaves what was read of a request for its handler, on the same connection.
pub fn leave_head(head: Head) {
    // Outside of a connection no handler comes.
    let _ = LOCAL.try_with(|local| local.head.set(Some(head)));
}

/// What was left of this request; nothing outside a connection's task.
#[must_use]
pub fn take_head() -> Head {
    LOCAL.try_with(|local| local.head.take()).ok().flatten().unwrap_or_default()
}

/// Does something with the timer of this task; nothing outside a connection's.
pub fn with_alarm<T>(ask: impl FnOnce(&mut Alarm) -> T) -> Option<T> {
    LOCAL.try_with(|local| ask(&mut local.alarm.borrow_mut())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_handshake_nor_what_we_send_is_something_that_it_may_go_on_with() {
        let client = Client::new(Origin::of(None));
        client.begin_handshake();
        client.received();
        assert!(client.may_be_sending() && client.shakes_hands());
        client.end_handshake();
        // As a close_notify does.
        client.moved();
        assert!(!client.may_be_sending() && !client.shakes_hands());
        client.received();
        assert!(client.may_be_sending());
        client.begin();
        assert!(!client.may_be_sending());
    }
}
