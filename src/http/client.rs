//! What is known of a connection's client while it is served. One for each
//! connection, shared by its socket, which reports what moves, and its handlers.
//! Does not own what follows from it (`socket`, `unread`).
//!
//! Handlers find it as a local of the task: in a request's extensions it would
//! cost every request two allocations.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use super::alarm::Alarm;

tokio::task_local! {
    static LOCAL: Local;
}

/// What belongs to the task of one connection.
struct Local {
    client: Arc<Client>,
    alarm: RefCell<Alarm>,
}

/// Bytes read at a time of a client that has sent little: what an idle or
/// half-sent request costs beyond what was sent is bounded by twice of it.
pub const READ_AT_ONCE: usize = 8 * 1024;

/// Where a client comes from, as far as shares are dealt out by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Option<IpAddr>);

impl Origin {
    /// Of an address. One subscriber of IPv6 has a whole /64, so it counts once.
    /// No address is a client of this machine.
    #[must_use]
    pub fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
            v4 @ IpAddr::V4(_) => v4,
        }))
    }
}

/// One connection's client. Only its own task writes what is here, so nothing
/// needs an order.
#[derive(Debug)]
pub struct Client {
    origin: Origin,
    /// Goes up whenever a byte moved, either way.
    moves: AtomicU32,
    /// Most bytes to read at a time.
    read_at_once: AtomicUsize,
    /// A request of it has reached the service.
    was_served: AtomicBool,
    /// The last answer went out before the request's body was there.
    left_unread: AtomicBool,
    /// A request's body ended with trailers.
    sent_trailers: AtomicBool,
    /// The head of a request is there, and its answer is not known yet.
    at_work: AtomicBool,
    /// Its answer needs more of the request's body than is there.
    short_of_bytes: AtomicBool,
}

impl Client {
    /// A client that has sent nothing yet.
    #[must_use]
    pub fn new(origin: Origin) -> Arc<Self> {
        Arc::new(Self {
            origin,
            moves: AtomicU32::new(0),
            read_at_once: AtomicUsize::new(READ_AT_ONCE),
            was_served: AtomicBool::new(false),
            left_unread: AtomicBool::new(false),
            sent_trailers: AtomicBool::new(false),
            at_work: AtomicBool::new(false),
            short_of_bytes: AtomicBool::new(false),
        })
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
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

    /// A request of it has reached the service.
    pub fn begin(&self) {
        self.was_served.store(true, Ordering::Relaxed);
        self.at_work.store(true, Ordering::Relaxed);
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
            || self.moves() > 0 && !self.was_served.load(Ordering::Relaxed)
    }
}

/// Runs a connection's task so that [`current`] is its client.
pub fn scope<F: Future>(client: Arc<Client>, task: F) -> impl Future<Output = F::Output> {
    LOCAL.scope(Local { client, alarm: RefCell::default() }, task)
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

/// Does something with the timer of this task; nothing outside a connection's.
pub fn with_alarm<T>(ask: impl FnOnce(&mut Alarm) -> T) -> Option<T> {
    LOCAL.try_with(|local| ask(&mut local.alarm.borrow_mut())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_an_address_or_of_a_network_of_ipv6() {
        let origin = |text: &str| Origin::of(Some(text.parse().unwrap()));
        assert_ne!(origin("10.0.0.1"), origin("10.0.0.2"));
        assert_eq!(origin("10.0.0.1"), origin("::ffff:10.0.0.1"));
        assert_eq!(origin("2001:db8:0:1::1"), origin("2001:db8:0:1:ffff::2"));
        assert_ne!(origin("2001:db8:0:1::1"), origin("2001:db8:0:2::1"));
        assert_ne!(origin("10.0.0.1"), Origin::of(None));
    }
}
