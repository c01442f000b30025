//! Looks at the start of a body to tell an array from one message. Does not
//! own what is made of either.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::Stream;

use super::body::next_piece;
use super::pace::Pace;
use super::problem::Problem;

/// So much white space is no start of an array that anybody means.
const MAX_BLANK: usize = 1024;

/// A body of which the start was looked at, and which still has it.
#[derive(Debug)]
pub struct Peeked<'a, S, E> {
    start: Option<Result<Bytes, E>>,
    rest: Pin<&'a mut S>,
    /// Whether it begins with an array's bracket.
    pub is_array: bool,
}

/// Waits for the start of `body`.
///
/// # Errors
/// 408 when the pace leaves no time for it.
pub async fn peek<'a, S, B, E>(
    mut body: Pin<&'a mut S>,
    pace: &mut Pace,
) -> Result<Peeked<'a, S, E>, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let mut start = Bytes::new();
    loop {
        let piece = match next_piece(&mut body, pace).await? {
            Some(Ok(mut piece)) => piece.copy_to_bytes(piece.remaining()),
            Some(Err(error)) => {
                return Ok(Peeked { start: Some(Err(error)), rest: body, is_array: false });
            }
            None => return Ok(Peeked { start: Some(Ok(start)), rest: body, is_array: false }),
        };
        start = if start.is_empty() { piece } else { joined(&start, &piece) };
        // However much came with it: pieces must make no difference.
        let first = first(&start[..start.len().min(MAX_BLANK)]);
        if first.is_some() || start.len() >= MAX_BLANK {
            let is_array = first == Some(b'[');
            return Ok(Peeked { start: Some(Ok(start)), rest: body, is_array });
        }
    }
}

fn joined(start: &[u8], piece: &[u8]) -> Bytes {
    let mut joined = BytesMut::with_capacity(start.len() + piece.len());
    joined.extend_from_slice(start);
    joined.extend_from_slice(piece);
    joined.freeze()
}

/// The first byte that is not white space, nor part of a byte order mark.
#[must_use]
pub fn first(body: &[u8]) -> Option<u8> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    if MARK.starts_with(body) {
        return None;
    }
    let text = body.strip_prefix(MARK).unwrap_or(body);
    text.trim_ascii_start().first().copied()
}

impl<B: Buf, E: Unpin, S: Stream<Item = Result<B, E>>> Stream for Peeked<'_, S, E> {
    type Item = Result<Bytes, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(start) = self.start.take() {
            return Poll::Ready(Some(start));
        }
        let piece = ready!(self.rest.as_mut().poll_next(context));
        Poll::Ready(
            piece.map(|piece| piece.map(|mut piece| piece.copy_to_bytes(piece.remaining()))),
        )
    }
}
