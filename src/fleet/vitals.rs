//! What is observed of the service while it runs, as opposed to what it is told.
//!
//! Owns the signs: a task that is polled when it is woken, something that is
//! waited for and does not come, and files that are not there any more. Does not own whose they are, nor what is
//! made of them (`health`). To look at them takes no time and waits for nobody,
//! so that whoever asks gets an answer whatever hangs.

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use crate::journal::StillThere;

/// What does not move for so long is taken to hang: many times what a commit or
/// a turn takes on a slow machine.
pub const STALLED: Duration = Duration::from_secs(3);

/// A sign of life.
pub trait Vital: Debug + Send + Sync + 'static {
    /// What is observed, for lists of all that is.
    fn name(&self) -> &str;

    /// What is wrong at `now`, if anything. Never waits.
    fn trouble(&self, now: Instant) -> Option<String>;

    /// Whether it tells that the process itself moves, and not what it waits for.
    fn is_of_the_process(&self) -> bool {
        false
    }
}

/// Something that is waited for now and then, and must come in time.
#[derive(Debug)]
pub struct Wait {
    name: String,
    /// What is said when it does not come, as in "no commit has ended".
    what: String,
    at_most: Duration,
    base: Instant,
    /// Nanoseconds from `base`, and never 0; 0 while nothing is waited for.
    since: AtomicU64,
}

impl Wait {
    /// Nothing is waited for yet; from when something is, it may take `at_most`.
    #[must_use]
    pub fn new(name: impl Into<String>, what: impl Into<String>, at_most: Duration) -> Self {
        let (name, what) = (name.into(), what.into());
        Self { name, what, at_most, base: Instant::now(), since: AtomicU64::new(0) }
    }

    /// It is waited for since `now`, whether it was before or not.
    pub fn begin(&self, now: Instant) {
        // Wraps after some 580 years. Nothing else is published through it.
        #[expect(clippy::cast_possible_truncation, reason = "580 years are enough")]
        let nanos = now.saturating_duration_since(self.base).as_nanos() as u64;
        self.since.store(nanos.max(1), Ordering::Relaxed);
    }

    /// It is waited for since `now`, unless it was before.
    pub fn begin_unless_begun(&self, now: Instant) {
        if self.since.load(Ordering::Relaxed) == 0 {
            self.begin(now);
        }
    }

    /// For how long it is waited for by `now`; `None` while it is not.
    #[must_use]
    pub fn since(&self, now: Instant) -> Option<Duration> {
        let since = self.since.load(Ordering::Relaxed);
        let begun = self.base + Duration::from_nanos(since);
        (since != 0).then(|| now.saturating_duration_since(begun))
    }

    /// It has come, and nothing is waited for.
    pub fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }
}

impl Vital for Wait {
    fn name(&self) -> &str {
        &self.name
    }

    fn trouble(&self, now: Instant) -> Option<String> {
        let age = self.since(now).filter(|age| *age >= self.at_most)?;
        Some(format!("{} for {:.1} s", self.what, age.as_secs_f64()))
    }
}

/// Whether a task moves: it is woken now and then, and must be polled soon after.
/// A task at rest pays nothing for it, and any other a count.
#[derive(Debug)]
pub struct Pulse {
    task: String,
    /// A task has one waker all its life.
    waker: OnceLock<Waker>,
    polls: AtomicU64,
    ended: AtomicBool,
    /// The polls there had been when it was woken last, and when that was.
    woken: Mutex<Option<(u64, Instant)>>,
}

impl Pulse {
    /// The pulse of the task of this name, which was not polled yet.
    #[must_use]
    pub fn new(task: impl Into<String>) -> Self {
        Self {
            task: task.into(),
            waker: OnceLock::new(),
            polls: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            woken: Mutex::new(None),
        }
    }

    /// The task is being polled. To be called from that task only.
    pub fn beat(&self, waker: &Waker) {
        if self.waker.get().is_none() {
            // Fails only if it is set, and it is set from here only.
            let _ = self.waker.set(waker.clone());
        }
        // Nobody else counts.
        let polls = self.polls.load(Ordering::Relaxed);
        self.polls.store(polls + 1, Ordering::Relaxed);
    }

    /// The task has ended, and is not expected to move any more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Vital for Pulse {
    fn name(&self) -> &str {
        &self.task
    }

    fn trouble(&self, now: Instant) -> Option<String> {
        if self.ended.load(Ordering::Relaxed) {
            return None;
        }
        let polls = self.polls.load(Ordering::Relaxed);
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        match *woken {
            Some((before, since)) if before == polls => {
                let age = now.saturating_duration_since(since);
                (age >= STALLED)
                    .then(|| format!("{} has not moved for {:.1} s", self.task, age.as_secs_f64()))
            }
            _ => {
                *woken = Some((polls, now));
                if let Some(waker) = self.waker.get() {
                    waker.wake_by_ref();
                }
                None
            }
        }
    }

    fn is_of_the_process(&self) -> bool {
        true
    }
}

/// What a look at the files found that the service keeps things in. To be looked
/// at begins the next look, elsewhere, since that may block; what it finds is
/// told from then on.
pub struct Kept {
    /// To the thread that looks, which nothing else needs: it may hang.
    look: SyncSender<()>,
    found: Arc<Mutex<Found>>,
}

#[derive(Debug)]
struct Found {
    trouble: Option<String>,
    /// When the last look began.
    looked_at: Instant,
    looking: bool,
}

/// Between one look at the files and the next.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

impl Kept {
    /// Nothing is known to be wrong.
    #[must_use]
    pub fn new(still_there: StillThere) -> Self {
        let found = Found { trouble: None, looked_at: Instant::now(), looking: false };
        let found = Arc::new(Mutex::new(found));
        let told = found.clone();
        let (look, asked) = mpsc::sync_channel(1);
        let looks = move || {
            for () in asked {
                let trouble = still_there().err();
                let mut found = told.lock().unwrap_or_else(PoisonError::into_inner);
                (found.trouble, found.looking) = (trouble, false);
            }
        };
        // Without it a look does not end, and that is told.
        let _ = thread::Builder::new().name("look".to_owned()).spawn(looks);
        Self { look, found }
    }
}

impl Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("found", &self.found).finish_non_exhaustive()
    }
}

impl Vital for Kept {
    fn name(&self) -> &'static str {
        "the files of the journal"
    }

    fn trouble(&self, now: Instant) -> Option<String> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now.saturating_duration_since(found.looked_at) >= BETWEEN_LOOKS;
        if due && !found.looking {
            (found.looked_at, found.looking) = (now, true);
            // There is room for the only one.
            let _ = self.look.try_send(());
        }
        let since = now.saturating_duration_since(found.looked_at);
        if found.looking && since >= STALLED {
            let since = since.as_secs_f64();
            return Some(format!("the data directory does not answer: a look takes {since:.1} s"));
        }
        found.trouble.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_in_time_is_told_until_it_comes() {
        let wait = Wait::new("commits", "no commit has ended", STALLED);
        let begun = Instant::now();
        let late = begun + STALLED;
        assert_eq!(wait.trouble(late), None, "nothing is waited for");
        wait.begin(begun);
        assert_eq!(wait.trouble(begun), None);
        assert_eq!(wait.trouble(late).unwrap(), "no commit has ended for 3.0 s");
        wait.begin_unless_begun(late);
        assert!(wait.trouble(late).is_some(), "it is waited for from the beginning");
        wait.begin(late);
        assert_eq!(wait.trouble(late), None, "another one is waited for");
        wait.end();
        assert_eq!(wait.trouble(late + STALLED), None);
    }

    #[test]
    fn a_look_at_files_that_does_not_end_is_told_until_it_does() {
        let (answer, answers) = mpsc::sync_channel::<Result<(), String>>(1);
        let answers = Mutex::new(answers);
        let kept = Kept::new(Arc::new(move || answers.lock().unwrap().recv().unwrap()));
        let begun = Instant::now() + BETWEEN_LOOKS;
        assert_eq!(kept.trouble(begun), None);
        assert_eq!(kept.trouble(begun + STALLED / 2), None);
        let late = begun + STALLED;
        assert!(kept.trouble(late).unwrap().contains("does not answer"));
        // What it found then counts, and another look begins.
        let eventually = |trouble: Option<&str>| {
            while kept.trouble(late).as_deref() != trouble {
                thread::yield_now();
            }
        };
        answer.send(Err("gone".to_owned())).unwrap();
        eventually(Some("gone"));
        answer.send(Ok(())).unwrap();
        eventually(None);
    }

    struct Counted(AtomicU64);

    impl std::task::Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_task_that_is_woken_and_not_polled_is_told_until_it_is() {
        let wakes = Arc::new(Counted(AtomicU64::new(0)));
        let waker = Waker::from(wakes.clone());
        let pulse = Pulse::new("the task");
        pulse.beat(&waker);
        let begun = Instant::now();
        assert_eq!(pulse.trouble(begun), None);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        let late = begun + STALLED;
        assert_eq!(pulse.trouble(late).unwrap(), "the task has not moved for 3.0 s");
        pulse.beat(&waker);
        assert_eq!(pulse.trouble(late), None);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2, "it is woken again");
        assert!(pulse.trouble(late + STALLED).is_some());
        pulse.end();
        assert_eq!(pulse.trouble(late + STALLED), None);
    }
}
