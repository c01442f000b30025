//! How much each client may send: a token bucket for each, as a table of
//! bounded size. Does not own what a client is (`origin`, `forwarded`), nor what
//! is answered to one that is too fast (`fairness`).
//!
//! **The bucket** is kept as one time (GCRA, the generic cell rate algorithm):
//! when it is full again. It holds one second's worth; whoever finds less than
//! one in it waits for that one. A request takes one from the bucket when it
//! comes. What a request of many messages holds is known only as it is read, and
//! is taken from the bucket then, if need be beyond its bottom: such a request is
//! not cut off, and the next one waits until the debt is paid. That is what the
//! crates for it do not have: they refuse for good what is more than a full
//! bucket, and bound their tables only by being told to look through them.
//!
//! **The table** holds buckets that are not full. When it has no room for one
//! more, those that are full by now are forgotten, which changes nothing. If that
//! does not help, newcomers have one bucket together, until others are full
//! again: whoever makes up addresses, of which an owner of a /32 of IPv6 has four
//! billion, slows newcomers down, and nobody who is in the table.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::origin::Origin;

/// Clients with a bucket of their own: some 2 MB, as the table grows in powers
/// of two of which it fills seven eighths.
const MOST_CLIENTS: usize = 57_344;

/// How much a bucket holds, as the time to fill it.
const BURST: u64 = NANOS;

/// How often the table is looked through at most: that takes a fraction of a
/// millisecond, in which nobody else gets on.
const BETWEEN_LOOKS: u64 = NANOS / 10;

const NANOS: u64 = 1_000_000_000;

/// See the head of this file.
#[derive(Debug)]
pub struct Rates {
    /// In which the bucket gets one more, in nanoseconds.
    one: u64,
    most_clients: usize,
    start: Instant,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// When each bucket is full again, in nanoseconds since the start.
    buckets: HashMap<Origin, u64, ahash::RandomState>,
    /// The same for all together that have no room.
    shared: u64,
    next_look: u64,
}

impl Rates {
    /// So many a second for each client; a billion at most.
    #[must_use]
    pub fn new(each_second: NonZeroUsize) -> Self {
        Self::of(each_second, MOST_CLIENTS)
    }

    fn of(each_second: NonZeroUsize, most_clients: usize) -> Self {
        let one = (NANOS / each_second.get() as u64).max(1);
        Self { one, most_clients, start: Instant::now(), table: Mutex::default() }
    }

    /// Takes one from a client's bucket.
    ///
    /// # Errors
    /// If there is none; how long it takes until there is.
    pub fn take(&self, client: Origin) -> Result<(), Duration> {
        self.take_at(self.now(), client)
    }

    fn take_at(&self, now: u64, client: Origin) -> Result<(), Duration> {
        let mut table = self.lock();
        let full_at = table.bucket(client, now, self.most_clients);
        let after = (*full_at).max(now) + self.one;
        // Where one takes longer than a second, a bucket holds one.
        let lack = (after - now).saturating_sub(BURST.max(self.one));
        if lack > 0 {
            return Err(Duration::from_nanos(lack));
        }
        *full_at = after;
        Ok(())
    }

    /// Takes more from a client's bucket, whether it is there or not.
    pub fn charge(&self, client: Origin, more: u64) {
        self.charge_at(self.now(), client, more);
    }

    fn charge_at(&self, now: u64, client: Origin, more: u64) {
        let mut table = self.lock();
        let full_at = table.bucket(client, now, self.most_clients);
        // In a hundred years it is all the same.
        let debt = more.saturating_mul(self.one).min(u64::MAX / 4);
        *full_at = (*full_at).max(now).saturating_add(debt).min(u64::MAX / 2);
        // What many have together may be empty, but one must not run it into debt.
        table.shared = table.shared.min(now + BURST.max(self.one));
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).expect("it does not run for 500 years")
    }

    /// Times are right whoever panicked over them.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The bucket of a client, or the one of all that have none.
    fn bucket(&mut self, client: Origin, now: u64, most: usize) -> &mut u64 {
        if self.buckets.len() >= most && !self.buckets.contains_key(&client) {
            if now >= self.next_look {
                self.buckets.retain(|_, full_at| *full_at > now);
                self.next_look = now + BETWEEN_LOOKS;
            }
            if self.buckets.len() >= most {
                return &mut self.shared;
            }
        }
        self.buckets.entry(client).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: u32) -> Origin {
        Origin::of(Some(address.to_be_bytes().into()))
    }

    fn rates(each_second: usize, most_clients: usize) -> Rates {
        Rates::of(NonZeroUsize::new(each_second).unwrap(), most_clients)
    }

    fn nanos(time: Duration) -> u64 {
        time.as_nanos().try_into().unwrap()
    }

    /// How many a client gets until it is refused, and then has to wait.
    fn taken(now: Duration, rates: &Rates, address: u32) -> (usize, Duration) {
        let mut taken = 0;
        loop {
            match rates.take_at(nanos(now), client(address)) {
                Ok(()) => taken += 1,
                Err(wait) => return (taken, wait),
            }
        }
    }

    #[test]
    fn a_second_s_worth_at_once_and_then_one_by_one() {
        let (rates, mut now) = (rates(10, 9), Duration::ZERO);
        let tenth = Duration::from_millis(100);
        assert_eq!(taken(now, &rates, 1), (10, tenth));
        // To be refused costs nothing, and others have theirs.
        assert_eq!(taken(now, &rates, 1), (0, tenth));
        assert_eq!(taken(now, &rates, 2), (10, tenth));
        now += Duration::from_nanos(99_999_999);
        assert_eq!(taken(now, &rates, 1), (0, Duration::from_nanos(1)));
        now += Duration::from_nanos(1);
        assert_eq!(taken(now, &rates, 1), (1, tenth));
        now += Duration::from_secs(3600);
        assert_eq!(taken(now, &rates, 1), (10, tenth));
    }

    #[test]
    fn slow_and_fast_rates_are_what_they_say() {
        let now = Duration::ZERO;
        assert_eq!(taken(now, &rates(1, 9), 1), (1, Duration::from_secs(1)));
        assert_eq!(taken(now, &rates(3, 9), 1).0, 3);
        assert_eq!(taken(now, &rates(1_000_000, 9), 1), (1_000_000, Duration::from_micros(1)));
    }

    #[test]
    fn what_is_taken_beyond_the_bottom_is_owed() {
        let (rates, mut now) = (rates(10, 9), Duration::ZERO);
        rates.take_at(0, client(1)).unwrap();
        rates.charge_at(nanos(now), client(1), 99);
        // 100 are 10 seconds, one of which the bucket had.
        assert_eq!(taken(now, &rates, 1), (0, Duration::from_millis(9100)));
        now += Duration::from_millis(9100);
        assert_eq!(taken(now, &rates, 1), (1, Duration::from_millis(100)));
        for _ in 0..10 {
            rates.charge_at(nanos(now), client(1), u64::MAX);
        }
        assert!(taken(now, &rates, 1).1 > Duration::from_secs(1 << 30));
        assert_eq!(taken(now, &rates, 2).0, 10);
    }

    #[test]
    fn the_table_is_bounded_and_those_without_room_have_one_bucket() {
        let (rates, mut now) = (rates(10, 1000), Duration::ZERO);
        for address in 0..1000 {
            assert_eq!(taken(now, &rates, address).0, 10);
        }
        assert_eq!(taken(now, &rates, 1000).0, 10);
        assert_eq!(taken(now, &rates, 1001).0, 0);
        assert_eq!(taken(now, &rates, 7).0, 0);
        // Whoever is in the table has its own, and the rest have theirs.
        now += Duration::from_millis(500);
        assert_eq!(taken(now, &rates, 7).0, 5);
        assert_eq!(taken(now, &rates, 1002).0, 5);
        assert_eq!(taken(now, &rates, 1003).0, 0);
        assert_eq!(rates.lock().buckets.len(), 1000);
        // None of the rest can leave the others a debt.
        rates.charge_at(nanos(now), client(1003), 10_000);
        assert_eq!(taken(now, &rates, 1003), (0, Duration::from_millis(100)));
        // All but one are full again.
        now += Duration::from_millis(501);
        assert_eq!(taken(now, &rates, 1004).0, 10);
        assert_eq!(rates.lock().buckets.len(), 2);
        for address in 0..1_000_000 {
            let _ = rates.take_at(nanos(now), client(address));
        }
        assert_eq!(rates.lock().buckets.len(), 1000);
    }

    #[test]
    fn the_table_has_the_size_that_is_documented() {
        let rates = Rates::new(NonZeroUsize::MIN);
        for address in 0..100_000 {
            let _ = rates.take(client(address));
        }
        let table = rates.lock();
        assert_eq!(table.buckets.len(), MOST_CLIENTS);
        assert_eq!(table.buckets.capacity(), MOST_CLIENTS);
        assert_eq!(size_of::<(Origin, u64)>(), 32);
    }
}
