//! A connection's socket as hyper uses it: reads of bounded size, writes that
//! end with a reader that takes nothing, and a close that lets the client see
//! the last answer. Does not own what is read and written.
//!
//! **The close.** A system that closes a socket on which bytes wait, or arrive
//! later, resets the connection, and the reset overtakes the answer: a client
//! that sends its body before it reads sees a broken pipe, and no status. So the
//! end is told to the client first, and what it still sends is read and thrown
//! away, within bounds, before the socket is closed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::debug;

use super::client::Client;
use super::stream::Stream;

/// How much is thrown away of what comes after the last answer, for how long in
/// all, and for how long while nothing comes.
pub const MAX_DISCARDED: usize = 16 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(1);

/// Bytes thrown away at a time.
const SCRATCH: usize = 8 * 1024;

/// See the head of this file.
#[derive(Debug)]
pub struct Socket<S> {
    stream: S,
    client: Arc<Client>,
    /// How long the other side may take nothing.
    write_timeout: Duration,
    /// Since a write had to wait. Kept for the next one.
    waiting: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
    /// The system was told to keep little of what is written.
    keeps_little: bool,
    closing: Option<Closing>,
}

/// What is left of the time and the bytes of a close.
#[derive(Debug)]
struct Closing {
    bytes: usize,
    end: Instant,
    silence: Pin<Box<Sleep>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// The socket of a client; what it is sent must be taken on within
    /// `write_timeout`.
    pub fn new(stream: S, client: Arc<Client>, write_timeout: Duration) -> Self {
        Self {
            stream,
            client,
            write_timeout,
            waiting: None,
            is_waiting: false,
            keeps_little: false,
            closing: None,
        }
    }

    /// What it is a socket of.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// A write went through, or has to wait and may not do so any longer.
    fn written(
        &mut self,
        context: &mut Context,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.is_waiting = false;
            self.client.moved();
            return written;
        }
        let deadline = Instant::now() + self.write_timeout;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if !self.is_waiting {
            waiting.as_mut().reset(deadline);
            self.is_waiting = true;
        }
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads and throws away until the client ends, or enough was thrown away.
    fn discard(&mut self, context: &mut Context) -> Poll<()> {
        let Self { stream, client, closing, .. } = self;
        let closing = closing.get_or_insert_with(Closing::begin);
        let mut scratch = [0; SCRATCH];
        loop {
            let mut read = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *stream).poll_read(context, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    client.moved();
                    // Who has sent this may send more.
                    client.leave_unread();
                    match closing.bytes.checked_sub(read.filled().len()) {
                        Some(left) => closing.bytes = left,
                        None => return Poll::Ready(()),
                    }
                    let silence = (Instant::now() + SILENCE).min(closing.end);
                    closing.silence.as_mut().reset(silence);
                }
                Poll::Pending if client.may_be_sending() => {
                    return closing.silence.as_mut().poll(context);
                }
                // The end, of one kind or the other, or nothing more to expect.
                Poll::Ready(_) | Poll::Pending => return Poll::Ready(()),
            }
        }
    }
}

impl Closing {
    fn begin() -> Self {
        let now = Instant::now();
        let silence = Box::pin(sleep_until(now + SILENCE));
        Self { bytes: MAX_DISCARDED, end: now + DISCARD_TIME, silence }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context,
        buffer: &mut ReadBuf,
    ) -> Poll<io::Result<()>> {
        let most = self.client.read_at_once();
        let before = buffer.filled().len();
        let read = if buffer.remaining() <= most {
            Pin::new(&mut self.stream).poll_read(context, buffer)
        } else {
            // hyper makes room for twice of what it got in one read.
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
            let read = Pin::new(&mut self.stream).poll_read(context, &mut part);
            let length = part.filled().len();
            buffer.advance(length);
            read
        };
        if buffer.filled().len() > before {
            self.client.received();
        }
        read
    }
}

impl Socket<Stream> {
    /// What tells of changes is out of date when it comes late.
    fn keep_little(&mut self) {
        if self.client.streams() && !self.keeps_little {
            self.keeps_little = true;
            // Without it a slow reader gets more that is out of date.
            if let Err(error) = self.stream.keep_little() {
                debug!(%error, "a socket could not be told to keep little");
            }
        }
    }
}

impl AsyncWrite for Socket<Stream> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.keep_little();
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    /// For TLS, which has several records at once to write. The last of them may
    /// be the alert that says why there are no more, and after that nothing is
    /// written again.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.keep_little();
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.written(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        ready!(self.discard(context));
        Poll::Ready(Ok(()))
    }
}
