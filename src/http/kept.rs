//! Finished pages of listings that are kept for those who take them a little old, as
//! a request's `Cache-Control: max-age` says (RFC 9111, 5.2.1.1). Who does not say so
//! gets none of them. Owns what makes two pages the same. Does not own how pages are
//! made (`page`).
//!
//! A page that is asked for again and again, before it would be too old or hardly after
//! that, is followed: made anew once it is half as old as its readers allow, whether one
//! of them asks just then or not, so that none of them waits (`renewal`). That ends when
//! they stay away. Owns which pages are followed, and when they are due.

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
    asked_at: Instant,
    /// The least that those who asked before it was made allowed, and since.
    allowed: Duration,
    allowed_since: Option<Duration>,
    /// Who has it made anew.
    follower: Option<u64>,
}

/// A page that was kept.
#[derive(Debug)]
pub struct Found {
    /// The page.
    pub finished: Arc<Finished>,
    /// How old it may be; nothing if it is known to be as new as one could be.
    pub age: Duration,
}

/// What is known of a page that somebody asks for.
#[derive(Debug)]
pub struct Looked {
    /// It, if it may be shown.
    pub found: Option<Found>,
    /// If it is for whoever got this to have it followed from now on: as whom.
    pub follower: Option<u64>,
}

/// When a followed page is to be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Now,
    /// To be asked again then.
    NotBefore(Instant),
    /// Nobody asks for it any more, or somebody else follows it.
    Never,
}

impl Page {
    /// How old its readers allow it to be.
    fn allowed(&self) -> Duration {
        self.allowed_since.unwrap_or(self.allowed)
    }

    /// Whether it is asked for again and again, if it is asked for at that moment.
    fn is_wanted_again(&self, now: Instant) -> bool {
        let allowed = self.allowed();
        now.saturating_duration_since(self.asked_at) <= allowed + allowed / 4
    }
}

impl Kept {
    /// The page, if it is at most so old now, or if the fleet is at the same version
    /// still.
    #[must_use]
    pub fn find(&self, key: &Key, allowed: Duration, version: u64, now: Instant) -> Looked {
        let mut pages = self.lock();
        pages.asked += 1;
        let asked = pages.asked;
        let Some(page) = pages.by_key.get_mut(key) else {
            return Looked { found: None, follower: None };
        };
        page.asked = asked;
        let least = page.allowed_since.map_or(allowed, |least| least.min(allowed));
        page.allowed_since = Some(least);
        let is_to_be_followed = page.follower.is_none() && page.is_wanted_again(now);
        let follower = is_to_be_followed.then_some(asked);
        page.follower = page.follower.or(follower);
        page.asked_at = now;
        let finished = page.finished.clone();
        let age = now.saturating_duration_since(finished.begun);
        let found = if finished.version == version {
            Some(Found { finished, age: Duration::ZERO })
        } else {
            (age <= allowed).then_some(Found { finished, age })
        };
        Looked { found, follower }
    }

    /// When the page is to be made anew that is followed by `follower`, the fleet being
    /// at this version.
    #[must_use]
    pub fn due(&self, key: &Key, follower: u64, version: u64, now: Instant) -> Due {
        let mut pages = self.lock();
        let page = pages.by_key.get_mut(key).filter(|page| page.follower == Some(follower));
        let Some(page) = page else { return Due::Never };
        if !page.is_wanted_again(now) {
            page.follower = None;
            return Due::Never;
        }
        let half = page.allowed() / 2;
        let due = page.finished.begun + half;
        if now < due {
            return Due::NotBefore(due);
        }
        // If nothing has changed it is as new as it could be.
        if page.finished.version == version { Due::NotBefore(now + half) } else { Due::Now }
    }

    /// Whoever followed it follows it no longer.
    pub fn leave(&self, key: &Key, follower: u64) {
        let mut pages = self.lock();
        let page = pages.by_key.get_mut(key).filter(|page| page.follower == Some(follower));
        if let Some(page) = page {
            page.follower = None;
        }
    }

    /// Keeps a page, instead of an older one, and drops those that were not asked for
    /// for longest if there is no room. The key was made of so many bytes.
    pub fn keep(&self, key: Key, of_key: usize, finished: Arc<Finished>) {
        let bytes = of_key + finished.json.len();
        let mut pages = self.lock();
        if pages.by_key.get(&key).is_some_and(|page| page.finished.begun >= finished.begun) {
            return;
        }
        let older = pages.remove(&key);
        if bytes > MAX_BYTES {
            return;
        }
        while pages.by_key.len() >= MAX_PAGES || pages.bytes + bytes > MAX_BYTES {
            let oldest = pages.by_key.iter().min_by_key(|(_, page)| page.asked);
            let oldest = oldest.expect("what is kept takes the room").0.clone();
            pages.remove(&oldest);
        }
        pages.bytes += bytes;
        let page = match older {
            Some(page) => {
                Page { finished, bytes, allowed: page.allowed(), allowed_since: None, ..page }
            }
            None => Page {
                asked_at: finished.begun,
                finished,
                bytes,
                asked: pages.asked,
                allowed: OLDEST,
                allowed_since: None,
                follower: None,
            },
        };
        pages.by_key.insert(key, page);
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        // Nothing between two steps panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn remove(&mut self, key: &Key) -> Option<Page> {
        let page = self.by_key.remove(key)?;
        self.bytes -= page.bytes;
        Some(page)
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
            assert!(kept.find(&key(1), MINUTE, 2, Instant::now()).found.is_some());
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
    fn a_page_is_found_while_it_is_young_enough() {
        let kept = Kept::default();
        kept.keep(key(1), 10, page(1, 5, 10));
        let find = |allowed, version| {
            let found = kept.find(&key(1), Duration::from_secs(allowed), version, Instant::now());
            let found = found.found;
            found.map(|found| found.age.as_secs())
        };
        assert_eq!(find(9, 6), None);
        // As new as can be, however old it is.
        assert_eq!(find(1, 5), Some(0));
        assert_eq!(find(30, 6), Some(10));
        // An older one does not take its place, and a newer one does.
        kept.keep(key(1), 10, page(1, 4, 11));
        assert_eq!(find(30, 8), Some(10));
        kept.keep(key(1), 10, page(1, 7, 3));
        assert_eq!(find(4, 8), Some(3));
    }

    #[test]
    fn a_page_is_followed_while_it_is_asked_for_again_and_again() {
        let kept = Kept::default();
        let begin = Instant::now();
        let moment = |millis| begin + Duration::from_millis(millis);
        let make = |version, at| {
            let (json, begun) = (Bytes::new(), moment(at));
            kept.keep(key(1), 0, Arc::new(Finished { json, total: 0, next: None, version, begun }));
        };
        let ask =
            |allowed, at| kept.find(&key(1), Duration::from_secs(allowed), 9, moment(at)).follower;
        let due = |follower, version, at| kept.due(&key(1), follower, version, moment(at));
        let not_before = |millis| Due::NotBefore(moment(millis));
        assert_eq!(ask(2, 0), None, "there is none");
        make(1, 0);
        assert_eq!(ask(2, 2600), None, "it is asked for too seldom");
        make(2, 4600);
        let follower = ask(2, 4600).expect("it is asked for again");
        assert_eq!(ask(2, 4600), None, "somebody does");
        assert_eq!(due(follower, 9, 4600), not_before(5600));
        assert_eq!(due(follower + 1, 9, 4600), Due::Never);
        assert_eq!(due(follower, 2, 5600), not_before(6600), "nothing has changed");
        assert_eq!(due(follower, 9, 5600), Due::Now);
        // The strictest counts, and only until the next is made.
        assert_eq!([ask(1, 5600), ask(60, 5600)], [None; 2]);
        make(3, 5600);
        assert_eq!(due(follower, 9, 5600), not_before(6100));
        assert_eq!(ask(60, 5600), None);
        make(4, 5601);
        assert_eq!(due(follower, 9, 5601), not_before(35_601));
        assert_eq!(ask(2, 5601), None);
        assert_eq!(due(follower, 9, 8101), Due::Now);
        assert_eq!(due(follower, 9, 8102), Due::Never, "nobody asks for it");
        assert_eq!(ask(60, 8102), None, "as after a pause");
        let follower = ask(60, 8102).expect("nobody follows it");
        kept.leave(&key(1), follower);
        assert_eq!(due(follower, 9, 8102), Due::Never);
        assert!(ask(60, 8102).is_some());
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
