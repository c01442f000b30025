//! Reads a request's body within bounds of size, time and of what all bodies
//! hold together. Does not own what is in it, nor the lines of a body that is
//! taken apart as it comes in (`bulk`).

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout};

use super::context::Context;
use super::held::Held;
use super::pace::{Ours, Pace};
use super::problem::Problem;

/// Reads a whole body of at most `limit` bytes, chunked or not, which is
/// waited for from `start` on, but for the time that is `ours`. Says when it was
/// there.
///
/// # Errors
/// 413 above the limit, 408 when it comes too slowly, 400 when the client stops
/// halfway, 503 when all bodies together hold too much.
pub async fn read(
    context: &Context,
    announced_length: u64,
    body: impl Stream<Item = Result<impl Buf, impl Into<Problem>>>,
    limit: usize,
    start: Instant,
    ours: Option<Ours>,
) -> Result<(Bytes, Instant), Problem> {
    if announced_length > limit as u64 {
        return Err(Problem::body_too_large(limit));
    }
    let sizes = (announced_length, limit);
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut next = at_once(&mut body).await;
    if let Poll::Ready(Some(piece)) = next {
        let mut piece = piece.map_err(Into::into)?;
        if piece.remaining() > limit {
            return Err(Problem::body_too_large(limit));
        }
        first = piece.copy_to_bytes(piece.remaining());
        next = at_once(&mut body).await;
    }
    match next {
        // As most bodies are: there already, and in one piece. They need no timer,
        // and no copy.
        Poll::Ready(None) => Ok((first, start)),
        Poll::Ready(Some(second)) => {
            let pace = context.pace().but(ours);
            Box::pin(rest(context, sizes, pace, first, Some(second), body)).await
        }
        Poll::Pending => {
            let pace = context.pace().but(ours);
            Box::pin(rest(context, sizes, pace, first, None, body)).await
        }
    }
}

/// Goes on with a body that is in several pieces, or not there yet.
async fn rest<B: Buf, E: Into<Problem>>(
    context: &Context,
    (announced_length, limit): (u64, usize),
    mut pace: Pace,
    first: Bytes,
    second: Option<Result<B, E>>,
    mut body: impl Stream<Item = Result<B, E>> + Unpin,
) -> Result<(Bytes, Instant), Problem> {
    let announced = usize::try_from(announced_length).ok().filter(|length| *length > 0);
    let mut held = Held::new(context.bodies_held.clone(), announced.unwrap_or(limit));
    pace.receive(first.len());
    held.push(&first)?;
    // It is part of the connection's buffer, which would be kept for it.
    drop(first);
    let mut next = match second {
        Some(second) => Some(second),
        None => next_piece(&mut body, &mut pace).await?,
    };
    while let Some(piece) = next {
        let mut piece = piece.map_err(Into::into)?;
        pace.receive(piece.remaining());
        if held.bytes().len() + piece.remaining() > limit {
            return Err(Problem::body_too_large(limit));
        }
        while piece.has_remaining() {
            let chunk = piece.chunk().len();
            held.push(piece.chunk())?;
            piece.advance(chunk);
        }
        drop(piece);
        next = next_piece(&mut body, &mut pace).await?;
    }
    Ok((held.take().into(), Instant::now()))
}

/// The next piece of a body if it is there already.
pub async fn at_once<S: Stream + Unpin>(body: &mut S) -> Poll<Option<S::Item>> {
    poll_fn(|context| Poll::Ready(body.poll_next_unpin(context))).await
}

/// The next piece of a body, in time.
///
/// # Errors
/// 408 when it did not come as it should.
pub async fn next_piece<S: Stream + Unpin>(
    body: &mut S,
    pace: &mut Pace,
) -> Result<Option<S::Item>, Problem> {
    if let Poll::Ready(next) = at_once(body).await {
        return Ok(next);
    }
    let mut patience = pace.patience();
    loop {
        let start = Instant::now();
        let next = timeout(patience, body.next()).await;
        let waited = pace.waited_since(start);
        if let Ok(next) = next {
            return Ok(next);
        }
        patience = patience.saturating_sub(waited);
        if patience.is_zero() {
            return Err(Problem::body_too_slow());
        }
    }
}
