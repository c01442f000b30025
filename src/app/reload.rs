//! What SIGHUP has read again. Owns the list of it, how long that may take, and
//! what the log says when a part of it cannot be; does not own any of the parts.
//!
//! A file may never answer, as one on a file server that is gone. So each part is
//! read on a thread of its own, which nothing else needs, and which is waited for
//! only so long. What it finds after that is not taken: a later SIGHUP may have
//! found something newer.

use std::fmt::Display;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::{error, info};

/// A disk that is busy answers sooner.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Threads that may hang for each part.
const MOST_HANGING: usize = 8;

/// Has something taken that was read.
type Take = Box<dyn FnOnce() + Send>;

/// Everything that can be read again while the service runs.
#[derive(Default)]
pub struct Reloader(Vec<Part>);

struct Part {
    name: &'static str,
    /// A copy is where it is being read.
    read: Arc<dyn Fn() -> Result<Take, String> + Send + Sync>,
}

impl Reloader {
    /// Adds something of this name. `read` reads it, which may take its time, and
    /// changes nothing; what it returns has that taken which was read, at once.
    pub fn add<T: FnOnce() + Send + 'static, E: Display>(
        &mut self,
        name: &'static str,
        read: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) {
        let read = move || match read() {
            Ok(take) => Ok(Box::new(take) as Take),
            Err(error) => Err(error.to_string()),
        };
        self.0.push(Part { name, read: Arc::new(read) });
    }

    /// Reads everything again whenever `told` says so, until it ends.
    pub async fn run(self, mut told: impl AsyncFnMut() -> Option<()>) {
        while told().await.is_some() {
            if self.0.is_empty() {
                info!("SIGHUP: there is nothing to reload");
            }
            let deadline = Instant::now() + READ_WITHIN;
            // All at once: one that does not answer holds up none of the others.
            let parts: Vec<_> = self.0.iter().map(|part| (part.name, part.begin())).collect();
            for (name, begun) in parts {
                match finish(begun, deadline).await {
                    Ok(take) => {
                        take();
                        info!("SIGHUP: {name} reloaded");
                    }
                    Err(error) => error!(%error, "SIGHUP: {name} not reloaded; the old stay"),
                }
            }
        }
    }
}

/// What comes of a part, once it is read.
type Found = oneshot::Receiver<Result<Take, String>>;

impl Part {
    fn begin(&self) -> Result<Found, String> {
        if Arc::strong_count(&self.read) > MOST_HANGING {
            return Err(format!(
                "{MOST_HANGING} earlier attempts still wait for a file; restart the service"
            ));
        }
        let read = self.read.clone();
        let (done, found) = oneshot::channel();
        let read = move || drop(done.send(read()));
        let begun = thread::Builder::new().name("reload".to_owned()).spawn(read);
        begun.map(|_| found).map_err(|error| error.to_string())
    }
}

async fn finish(begun: Result<Found, String>, deadline: Instant) -> Result<Take, String> {
    match timeout_at(deadline, begun?).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) => Err("reading it panicked".to_owned()),
        Err(_) => Err(format!(
            "a file does not answer, and was not read within {READ_WITHIN:?}; \
             send SIGHUP again once it does"
        )),
    }
}
