//! Which connections get on: what a stop needs to know of each. Owns the live
//! connections and the marks that they leave; does not own what is done on them.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::sleep;

/// How long a connection may stand still during a stop, unless a request on it
/// is being worked on: long enough for a packet that was lost to be sent again.
const STANDSTILL: Duration = Duration::from_secs(1);

/// How far a connection got. Written by one task, so that no update needs a lock.
#[derive(Debug, Default)]
pub struct Progress {
    /// Goes up with all that is read or written.
    moves: AtomicU64,
    /// A request has come whose answer is not known yet.
    at_work: AtomicBool,
}

impl Progress {
    fn moved(&self) {
        self.moves.store(self.moves.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// A request's head is there, or its answer's.
    pub fn set_at_work(&self, at_work: bool) {
        self.at_work.store(at_work, Ordering::Relaxed);
    }

    /// Where it stands; `None` while only the service can move it on.
    fn standing(&self) -> Option<u64> {
        (!self.at_work.load(Ordering::Relaxed)).then(|| self.moves.load(Ordering::Relaxed))
    }
}

/// All connections that there are.
#[derive(Default)]
pub struct Connections {
    tasks: JoinSet<()>,
    live: HashMap<Id, (AbortHandle, Arc<Progress>)>,
}

impl Connections {
    /// Serves one more, which may be cut with what is returned.
    pub fn spawn(
        &mut self,
        progress: Arc<Progress>,
        connection: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let handle = self.tasks.spawn(connection);
        self.live.insert(handle.id(), (handle.clone(), progress));
        handle
    }

    /// Joins one that has ended, as [`JoinSet::join_next_with_id`] does.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, ()), JoinError>> {
        let ended = self.tasks.join_next_with_id().await?;
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        self.live.remove(&id);
        Some(ended)
    }

    /// Cuts connections that stand still: half of a head came, or a reader does
    /// not read. Goes on until it is dropped; tells when it cut the first.
    pub async fn cut_those_that_stand_still(&mut self, cut: &mut bool) {
        let mut before: HashMap<Id, u64> = HashMap::new();
        loop {
            let standing = self.live.iter().filter_map(|(&id, (handle, progress))| {
                let standing = progress.standing().filter(|_| !handle.is_finished())?;
                Some((id, standing))
            });
            let now: HashMap<Id, u64> = standing.collect();
            for (id, moves) in &now {
                if before.get(id) == Some(moves) {
                    self.live[id].0.abort();
                    *cut = true;
                }
            }
            before = now;
            sleep(STANDSTILL).await;
        }
    }

    /// Cuts all that are left, and joins them.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

/// A connection that leaves marks.
#[derive(Debug)]
pub struct Marked<S> {
    stream: S,
    progress: Arc<Progress>,
}

impl<S> Marked<S> {
    /// Leaves them in `progress`.
    pub fn new(stream: S, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Marked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.progress.moved();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Marked<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.progress.moved();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
