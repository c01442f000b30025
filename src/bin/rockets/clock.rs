//! Owns the wall clock, which stamps messages. Latencies and deadlines use the
//! monotonic clock where they are.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    i64::try_from(since.as_nanos()).expect("the clock is before 2262")
}
