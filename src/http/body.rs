//! Reads a request's body within bounds of size and time. Does not own what is in
//! it, nor the lines of a body that is taken apart as it comes in (`bulk`).

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::post_headers::PostHeaders;
use super::problem::Problem;

/// How much of a body that is refused is read and thrown away, and for how
/// long, so that a client which sends before it listens gets to see the answer.
const MAX_DISCARDED: usize = 16 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// Reads a whole body of at most `limit` bytes, chunked or not.
///
/// # Errors
/// 413 above `limit`, 408 at `deadline`, 400 when the client stops halfway.
pub async fn read(
    headers: PostHeaders,
    body: impl Stream<Item = Result<impl Buf, impl Into<Problem>>>,
    limit: usize,
    deadline: Instant,
) -> Result<Bytes, Problem> {
    let mut body = pin!(body);
    let read = if headers.announced_length > limit as u64 {
        Err(Failure::TooLarge)
    } else {
        let mut reading = pin!(read_all(&mut body, limit));
        // Most bodies are there already, and need no timer.
        match poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await {
            Poll::Ready(read) => read,
            Poll::Pending => timeout_at(deadline, reading).await.unwrap_or(Err(Failure::TooSlow)),
        }
    };
    match read {
        Ok(bytes) => Ok(bytes),
        Err(Failure::TooSlow) => Err(Problem::body_too_slow()),
        Err(Failure::Broken(problem)) => Err(problem),
        Err(Failure::TooLarge) => {
            discard_unless_asked(headers, &mut body).await;
            Err(Problem::body_too_large(limit))
        }
    }
}

enum Failure {
    TooLarge,
    TooSlow,
    Broken(Problem),
}

/// Reads a body up to `limit`; in one piece if it came in one.
async fn read_all(
    body: &mut (impl Stream<Item = Result<impl Buf, impl Into<Problem>>> + Unpin),
    limit: usize,
) -> Result<Bytes, Failure> {
    let mut first = Bytes::new();
    // Stays empty, and without an allocation, for a body of one piece.
    let mut rest = BytesMut::new();
    let mut length = 0;
    while let Some(piece) = body.next().await {
        let mut piece = piece.map_err(|error| Failure::Broken(error.into()))?;
        length += piece.remaining();
        if length > limit {
            return Err(Failure::TooLarge);
        }
        if first.is_empty() {
            first = piece.copy_to_bytes(piece.remaining());
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.put(piece);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Reads some of a body that is refused, unless the client asked first: that one
/// sends nothing before it is told to.
pub async fn discard_unless_asked(
    headers: PostHeaders,
    body: &mut (impl Stream<Item = Result<impl Buf, impl Into<Problem>>> + Unpin),
) {
    if headers.asks_first {
        return;
    }
    let discard = async {
        let mut left = MAX_DISCARDED;
        while let Some(Ok(piece)) = body.next().await {
            match left.checked_sub(piece.remaining()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Enough was done for such a client when the time is over.
    let _ = timeout(DISCARD_TIME, discard).await;
}
