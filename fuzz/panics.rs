//! Tells who panicked, by the names of threads: the runtime catches panics of
//! its tasks, so a panic may not reach whoever gave it the input.

use std::backtrace::Backtrace;
use std::sync::Mutex;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// What threads begin with that belong to a target.
const OURS: &str = "fuzz-";

static ANY: AtomicBool = AtomicBool::new(false);

/// Names of threads, and what they said.
static SEEN: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// The name for all threads of a target.
pub fn thread_name(target: &str) -> String {
    format!("{OURS}{target}")
}

/// Keeps the panics of all targets' threads from now on. Those of others are
/// shown as ever.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            match thread.name().filter(|name| name.starts_with(OURS)) {
                Some(name) => {
                    let said = format!("{info}\n{}", Backtrace::force_capture());
                    let mut seen = SEEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    seen.push((name.to_owned(), said));
                    ANY.store(true, Ordering::Release);
                }
                None => usual(info),
            }
        }));
    });
}

/// What a target's threads said since the last time.
pub fn take(target: &str) -> Option<String> {
    if !ANY.load(Ordering::Acquire) {
        return None;
    }
    let name = thread_name(target);
    let mut seen = SEEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let said: Vec<String> = seen.extract_if(.., |(who, _)| *who == name).map(|it| it.1).collect();
    ANY.store(!seen.is_empty(), Ordering::Release);
    (!said.is_empty()).then(|| said.join("\n"))
}
