//! Work that is too long for a thread of the runtime, and short enough for it when
//! no other is free: a hung disk takes up all threads that may block, and must not
//! stop those who do not need it. Does not own what the work is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;

/// How long a thread is waited for: far longer than one takes to wake up.
const PATIENCE: Duration = Duration::from_millis(50);

/// Does `work`, some tenths of a millisecond of it, on a thread that may block; on
/// this one if none is free in time.
///
/// # Errors
/// When it panics, or the runtime is on its way out.
pub async fn elsewhere<F, T>(work: F) -> Result<T, JoinError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // Whoever comes first takes it out.
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<F>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let theirs = work.clone();
    let mut done = spawn_blocking(move || take(&theirs).map(|work| work()));
    let done = match timeout(PATIENCE, &mut done).await {
        Ok(done) => done?,
        Err(_) => match take(&work) {
            Some(work) => return Ok(work()),
            None => done.await?,
        },
    };
    Ok(done.expect("who did not find it does not wait for it"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn work_is_done_with_a_free_thread_and_without() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().max_blocking_threads(1).build().unwrap();
        let here = std::thread::current().id();
        let done_on = || runtime.block_on(elsewhere(|| std::thread::current().id())).unwrap();
        assert_ne!(done_on(), here);
        let (free, taken) = mpsc::sync_channel::<()>(1);
        runtime.spawn_blocking(move || taken.recv());
        assert_eq!(done_on(), here);
        drop(free);
        // It may take longer than anybody waits for a thread.
        let (_nothing, comes) = mpsc::sync_channel::<()>(1);
        let comes = Arc::new(Mutex::new(comes));
        let slow = move || {
            let comes = comes.lock().unwrap();
            comes.recv_timeout(2 * PATIENCE).unwrap_err();
            std::thread::current().id()
        };
        let done = loop {
            let done = runtime.block_on(elsewhere(slow.clone())).unwrap();
            if done != here {
                break done;
            }
        };
        assert_ne!(done, here);
    }
}
