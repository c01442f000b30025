//! Reads a request's body within bounds of size and time.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;

/// How much of a body that is too large is read and thrown away, so that a
/// client which sends before it listens gets to see the answer.
const MAX_DISCARDED: usize = 4 << 20;

/// Reads a whole body of at most `limit` bytes, chunked or not.
///
/// # Errors
/// 413 above `limit`, 408 at `deadline`, 400 when the client stops halfway.
pub async fn read(
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    limit: usize,
    deadline: Instant,
) -> Result<Bytes, Problem> {
    timeout_at(deadline, read_all(body, limit))
        .await
        .unwrap_or_else(|_| Err(Problem::body_too_slow()))
}

async fn read_all(
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    limit: usize,
) -> Result<Bytes, Problem> {
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    // Stays empty, and without an allocation, for a body of one piece.
    let mut rest = BytesMut::new();
    let mut length = 0;
    while let Some(piece) = body.next().await {
        let mut piece = piece.map_err(Problem::body_broken)?;
        length += piece.remaining();
        if length > limit {
            drop((first, rest));
            discard(body, MAX_DISCARDED).await;
            return Err(Problem::body_too_large(limit));
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

async fn discard(
    mut body: impl Stream<Item = Result<impl Buf, warp::Error>> + Unpin,
    mut limit: usize,
) {
    while let Some(Ok(piece)) = body.next().await {
        let Some(left) = limit.checked_sub(piece.remaining()) else { return };
        limit = left;
    }
}
