//! Log lines, on standard error. Owns the thread that writes them; does not own
//! what is said.
//!
//! A line is best effort: it is handed to a thread of its own through a bounded
//! queue, and is dropped where that is full. So a reader that is gone, stands
//! still or has a full disk behind it costs lines, and never stalls or ends what
//! the service is for. How many were lost is said once lines get through again.

use std::io::{self, IsTerminal, Write};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{env, panic, thread};

use serde_json::json;
use tracing::{error, warn};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::config::LogFormat;

/// Most lines that wait to be written; beyond it they are lost. Some 250 bytes
/// each.
const MAX_WAITING: usize = 8192;

/// What takes longer at a start is told.
const SLOW: Duration = Duration::from_secs(1);

/// The log of the process. What waits is written when this is dropped, if that
/// takes no longer than a second.
pub struct Log {
    format: LogFormat,
    lines: NonBlocking,
    thread: Option<WorkerGuard>,
}

/// Of the process: there is one log.
static LOST: OnceLock<Arc<Lost>> = OnceLock::new();

/// How many lines nobody can read: too many waited, or they could not be written.
#[must_use]
pub fn lost_lines() -> u64 {
    LOST.get().map_or(0, |lost| lost.count())
}

/// Begins to log, in the whole process. `filter` is in the syntax of
/// [`EnvFilter`].
///
/// # Panics
/// When called twice.
#[must_use]
pub fn start(format: LogFormat, filter: &str) -> Log {
    let lost = LOST.get_or_init(Arc::default).clone();
    let (lines, thread) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_WAITING)
        .thread_name("log")
        .finish(BestEffort { to: io::stderr(), lost: lost.clone() });
    lost.dropped.set(lines.error_counter()).expect("it was not set before");
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(lines.clone())
        // Would write about a line that could not be written, and panic if that
        // cannot be written either.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => subscriber.with_ansi(wants_colours()).init(),
        LogFormat::Json => subscriber.json().init(),
    }
    // The usual hook writes to standard error itself, and waits for its reader.
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        error!(thread = thread.name().unwrap_or("unnamed"), "{panic}");
    }));
    Log { format, lines, thread: Some(thread) }
}

impl Log {
    /// Says why the process ends with an error, whatever the filter.
    pub fn fatal(&mut self, error: &dyn std::fmt::Display) {
        let text = format!("error: {error}");
        let line = match self.format {
            LogFormat::Text => text,
            // As its subscriber writes them.
            LogFormat::Json => {
                let mut timestamp = String::new();
                // Only a clock that is out of all bounds has none.
                let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
                let fields = json!({"message": text});
                json!({
                    "timestamp": timestamp, "level": "ERROR", "fields": fields, "target": "downlink"
                })
                .to_string()
            }
        };
        // Best effort, as all lines are.
        let _ = self.lines.write_all(format!("{line}\n").as_bytes());
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Where too much waits this tells standard output, which may be gone too.
        let thread = self.thread.take();
        let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(thread)));
    }
}

/// Says something before there is a log, or after.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Does some work before there is a log, and says what it waits for if that takes more
/// than a second, as `waits_for` tells then.
pub fn say_if_slow<T>(waits_for: fn() -> Option<String>, work: impl FnOnce() -> T) -> T {
    // Gone when the work is done: there may be no other thread while the environment
    // is changed.
    thread::scope(|scope| {
        let (done, is_done) = mpsc::sync_channel::<()>(1);
        scope.spawn(move || {
            if is_done.recv_timeout(SLOW) == Err(RecvTimeoutError::Timeout)
                && let Some(file) = waits_for()
            {
                say(&format!("waiting for a file that does not answer: {file}"));
            }
        });
        let worked = work();
        drop(done);
        worked
    })
}

/// See <https://no-color.org>.
#[expect(clippy::disallowed_methods, reason = "it is about the terminal, and no flag of ours")]
fn wants_colours() -> bool {
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !no_color && !dumb
}

/// Lines that were lost.
#[derive(Default)]
struct Lost {
    /// Because too many waited.
    dropped: OnceLock<ErrorCounter>,
    /// Because they could not be written.
    failed: AtomicU64,
    /// Of both, how many were told of.
    told: AtomicU64,
}

impl Lost {
    fn count(&self) -> u64 {
        let dropped = self.dropped.get().map_or(0, ErrorCounter::dropped_lines) as u64;
        dropped + self.failed.load(Ordering::Relaxed)
    }

    /// How many there are that nobody was told of, counted as told from now on.
    fn take(&self) -> u64 {
        let lost = self.count();
        lost - self.told.swap(lost, Ordering::Relaxed).min(lost)
    }
}

/// Writes lines, and drops those that cannot be written.
struct BestEffort<W> {
    to: W,
    lost: Arc<Lost>,
}

impl<W: Write> Write for BestEffort<W> {
    /// Takes a whole line, whether it can be written or not.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.to.write_all(line).is_err() {
            self.lost.failed.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let lost = self.lost.take();
        if lost > 0 {
            // Goes the way of all lines, and may be lost itself.
            warn!(lines = lost, "log lines were lost");
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // What cannot be flushed is lost, and was written as far as anybody knows.
        let _ = self.to.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails as long as it is told to.
    struct Flaky(Vec<u8>, bool);

    impl Write for Flaky {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1 { Err(io::ErrorKind::StorageFull.into()) } else { self.0.write(bytes) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_once() {
        let lost = Arc::new(Lost::default());
        let mut writer = BestEffort { to: Flaky(Vec::new(), true), lost: lost.clone() };
        writer.write_all(b"one\n").unwrap();
        writer.write_all(b"two\n").unwrap();
        assert_eq!(lost.take(), 2);
        assert_eq!(lost.take(), 0);
        writer.to.1 = false;
        writer.write_all(b"three\n").unwrap();
        assert_eq!(writer.to.0, b"three\n");
        assert_eq!(lost.take(), 0);
    }
}
