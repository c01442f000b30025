//! Which file of tokens, certificates or a key is being read now, for whoever tells
//! that it takes long: the start, which has no log yet. Does not own the reading.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Of the whole process: files are read before there is anything to keep it in.
static NOW: Mutex<Option<String>> = Mutex::new(None);

fn set(now: Option<String>) {
    *NOW.lock().unwrap_or_else(PoisonError::into_inner) = now;
}

/// Has a file read that a flag names.
pub fn file<T>(flag: &str, path: &Path, read: impl FnOnce() -> T) -> T {
    set(Some(format!("{flag} {}", path.display())));
    let read = read();
    set(None);
    read
}

/// The flag and the file, if one is being read.
#[must_use]
pub fn now() -> Option<String> {
    NOW.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
