//! Finished pages of listings that are kept for those who take them a little old, as
//! a request's `Cache-Control: max-age` says (RFC 9111, 5.2.1.1). Who does not say so
//! gets none of them. Owns what makes two pages the same. Does not own how pages are
//! made (`page`).
//!
//! A page that is asked for again and again is made anew in the background once it is
//! half as old as its readers allow, so that none of them waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ahash::AHashMap;
use bytes::Bytes;
use tokio::time::Instant;
use warp::http::HeaderMap;
use warp::http::header::CACHE_CONTROL;

use super::media::{parameter, parts};
use crate::fleet::outcome::QueryError;
use crate::fleet::query::{Position, Selection};

/// Most pages that are kept.
pub const MAX_PAGES: usize = 64;

/// Most bytes of all that are kept; a larger page is not kept at all.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Older pages are of no use to anybody, whatever they allow.
const OLDEST: Duration = Duration::from_secs(60);

/// How old an answer these headers allow; `None` if it must be new. What cannot be
/// read allows nothing.
#[must_use]
pub fn allowed_age(headers: &HeaderMap) -> Option<Duration> {
    let mut allowed = None;
    for value in headers.get_all(CACHE_CONTROL) {
        for part in parts(value.as_bytes(), b',') {
            if part.eq_ignore_ascii_case(b"no-cache") || part.eq_ignore_ascii_case(b"no-store") {
                return None;
            }
            let Some((name, value)) = parameter(part) else { continue };
            if name.eq_ignore_ascii_case(b"max-age") {
                let digits = value.iter().all(u8::is_ascii_digit).then_some(value)?;
                let text = std::str::from_utf8(digits).ok().filter(|text| !text.is_empty())?;
                // Too large a number is a large one.
                let seconds = Duration::from_secs(text.parse().unwrap_or(u64::MAX));
                allowed = Some(allowed.map_or(seconds, |before: Duration| before.min(seconds)));
            }
        }
    }
    allowed.map(|age| age.min(OLDEST)).filter(|age| !age.is_zero())
}

/// What makes listings the same, however they were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which rockets.
    pub selection: Selection,
    /// What stands in front of the rockets.
    pub prefix: String,
}

/// A page that is made.
#[derive(Debug)]
pub struct Finished {
    /// The whole answer.
    pub json: Bytes,
    /// How many rockets of the fleet meet the conditions.
    pub total: usize,
    /// Behind which place the next page begins.
    pub next: Option<Position>,
    /// Of the fleet, before anybody was asked: the page is not older than that.
    pub version: u64,
    /// When the fleet was asked.
    pub begun: Instant,
}

/// How the making of one ended.
pub type Made = Result<Arc<Finished>, QueryError>;

/// See the module.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    by_key: AHashMap<Key, Page>,
    bytes: usize,
    /// Counts what is asked for, to know what was not for longest.
    asked: u64,
}

#[derive(Debug)]
struct Page {
    finished: Arc<Finished>,
    /// What it takes, with its key.
    bytes: usize,
    asked: u64,
    /// Whether a newer one is being made.
    renewed: bool,
}

/// A page that was kept.
#[derive(Debug)]
pub struct Found {
    /// The page.
    pub finished: Arc<Finished>,
    /// How old it may be; nothing if it is known to be as new as one could be.
    pub age: Duration,
    /// Whether it is for whoever got this to have it made anew.
    pub is_due: bool,
}

impl Kept {
    /// The page, if it is at most so old, or if the fleet is at the same version
    /// still.
    #[must_use]
    pub fn find(&self, key: &Key, allowed: Duration, version: u64) -> Option<Found> {
        let mut pages = self.lock();
        pages.asked += 1;
        let asked = pages.asked;
        let page = pages.by_key.get_mut(key)?;
        page.asked = asked;
        let finished = page.finished.clone();
        if finished.version == version {
            return Some(Found { finished, age: Duration::ZERO, is_due: false });
        }
        let age = finished.begun.elapsed();
        if age > allowed {
            return None;
        }
        let is_due = age > allowed / 2 && !page.renewed;
        page.renewed |= is_due;
        Some(Found { finished, age, is_due })
    }

    /// Keeps a page, instead of an older one, and drops those that were not asked for
    /// for longest if there is no room. The key was made of so many bytes.
    pub fn keep(&self, key: Key, of_key: usize, finished: Arc<Finished>) {
        let bytes = of_key + finished.json.len();
        let mut pages = self.lock();
        if pages.by_key.get(&key).is_some_and(|page| page.finished.begun > finished.begun) {
            return;
        }
        pages.remove(&key);
        if bytes > MAX_BYTES {
            return;
        }
        while pages.by_key.len() >= MAX_PAGES || pages.bytes + bytes > MAX_BYTES {
            let oldest = pages.by_key.iter().min_by_key(|(_, page)| page.asked);
            let oldest = oldest.expect("what is kept takes the room").0.clone();
            pages.remove(&oldest);
        }
        pages.bytes += bytes;
        let asked = pages.asked;
        pages.by_key.insert(key, Page { finished, bytes, asked, renewed: false });
    }

    /// A newer one could not be made: the next who asks may try.
    pub fn not_renewed(&self, key: &Key) {
        if let Some(page) = self.lock().by_key.get_mut(key) {
            page.renewed = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        // Nothing between two steps panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn remove(&mut self, key: &Key) {
        if let Some(page) = self.by_key.remove(key) {
            self.bytes -= page.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use warp::http::HeaderValue;

    use super::*;
    use crate::fleet::query::Selection;

    fn key(n: usize) -> Key {
        let selection = Selection { limit: Some(n), ..Selection::default() };
        Key { selection, prefix: String::new() }
    }

    fn page(bytes: usize, version: u64, age: u64) -> Arc<Finished> {
        let begun = Instant::now().checked_sub(Duration::from_secs(age)).unwrap();
        let json = vec![b' '; bytes].into();
        Arc::new(Finished { json, total: 0, next: None, version, begun })
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn there_are_only_so_many_and_those_that_nobody_asks_for_go_first() {
        let kept = Kept::default();
        for n in 1..=MAX_PAGES + 10 {
            kept.keep(key(n), 10, page(100, 1, 0));
            assert!(kept.find(&key(1), MINUTE, 2).is_some());
        }
        let there = |n| kept.lock().by_key.contains_key(&key(n));
        assert_eq!(kept.lock().by_key.len(), MAX_PAGES);
        assert!(there(1) && !there(2) && !there(11) && there(12) && there(MAX_PAGES + 10));
        kept.keep(key(500), 10, page(MAX_BYTES / 2, 1, 0));
        assert!(there(1));
        kept.keep(key(501), 10, page(MAX_BYTES / 2, 1, 0));
        assert!(there(501) && !there(500) && kept.lock().bytes <= MAX_BYTES);
        kept.keep(key(501), 10, page(MAX_BYTES, 1, 0));
        assert!(!there(501));
        let all: usize =
            kept.lock().by_key.values().map(|page| page.finished.json.len() + 10).sum();
        assert_eq!(kept.lock().bytes, all);
    }

    #[test]
    fn a_page_is_found_while_it_is_young_enough_and_renewed_by_one() {
        let kept = Kept::default();
        kept.keep(key(1), 10, page(1, 5, 10));
        let find = |allowed, version| {
            let found = kept.find(&key(1), Duration::from_secs(allowed), version);
            found.map(|found| (found.age.as_secs(), found.is_due))
        };
        assert_eq!(find(9, 6), None);
        // As new as can be, however old it is.
        assert_eq!(find(1, 5), Some((0, false)));
        assert_eq!(find(30, 6), Some((10, false)));
        assert_eq!([find(15, 6), find(15, 6)], [Some((10, true)), Some((10, false))]);
        kept.not_renewed(&key(1));
        assert_eq!(find(15, 6), Some((10, true)));
        // An older one does not take its place, and a newer one does.
        kept.keep(key(1), 10, page(1, 4, 11));
        kept.keep(key(1), 10, page(1, 7, 3));
        assert_eq!(find(4, 8), Some((3, true)));
    }

    #[test]
    fn an_age_is_allowed_by_max_age_alone() {
        for (values, expected) in [
            (&["max-age=2"][..], Some(2)),
            (&["Max-Age=\"5\""], Some(5)),
            (&["no-transform, max-age=30", "max-age=3"], Some(3)),
            (&["max-age=99999999999999999999999"], Some(60)),
            (&["max-age=0"], None),
            (&["max-age=2, no-cache"], None),
            (&["no-store", "max-age=2"], None),
            (&["max-age"], None),
            (&["max-age="], None),
            (&["max-age=-1"], None),
            (&["max-age=2s"], None),
            (&["max-age=2, max-age=x"], None),
            (&["max-stale=5"], None),
            (&[], None),
        ] {
            let value = |&value: &&str| (CACHE_CONTROL, value.parse::<HeaderValue>().unwrap());
            let headers: Vec<_> = values.iter().map(value).collect();
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name, value);
            }
            assert_eq!(allowed_age(&map), expected.map(Duration::from_secs), "{values:?}");
        }
    }
}
