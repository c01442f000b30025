//! Bodies that come compressed, as the stream of what is in them.
//!
//! Owns that they are decoded a bounded piece at a time, off the runtime's
//! threads where it costs, and that what a decoder takes is counted as held by
//! its body. Does not own the codings (`codings`, `decoder`), nor
//! the bounds of a body, which count what comes out; nor answers that go
//! compressed (`compression`).

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, stream};

use super::codings::{Coding, DecodeError};
use super::decoder::{Decoded, Decoder, MAX_PIECE};
use super::elsewhere::elsewhere;
use super::held::{NoRoom, Share};
use super::pace::Ours;

/// Bytes up to which the first of what is in a piece of a body is decoded at
/// once, and how much of it, as a compressed message is: some 20 µs of work.
const WORTH_A_THREAD: usize = 1024;
const DECODED_AT_ONCE: usize = 8 * 1024;

/// Beyond its bound, and as much as this and a quarter of the bound, a body may
/// be no longer than what is in it.
const MAX_OVERHEAD: usize = 64 * 1024;

/// How much of what is in a body somebody will look at. Shared with whoever
/// learns that it is less than was thought.
#[derive(Clone, Debug)]
pub struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// No more than so many bytes.
    pub fn lower(&self, bytes: usize) {
        self.0.fetch_min(bytes, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body on its way through the decoder.
struct Decoding<S> {
    body: S,
    /// Not there while it is at work elsewhere.
    decoder: Decoder,
    /// What the decoder takes.
    share: Share,
    /// What was received and not decoded yet.
    piece: Bytes,
    /// Whether there may be something of the last piece in the decoder.
    more: bool,
    /// The time that decoding takes.
    ours: Ours,
    received: usize,
    decoded: usize,
}

/// What is in a body that was compressed by `codings`. Once it is more than
/// `allowance`, the rest of the body comes as it is: it is refused, and so what
/// is in it is nobody's business, and must not cost anything. What it takes to
/// decode it counts as its `share`, and the time that it takes as `ours`.
pub fn decoded<B: Buf, E: Display>(
    body: impl Stream<Item = Result<B, E>> + Unpin,
    codings: &[Option<Coding>],
    allowance: Allowance,
    share: Share,
    ours: Ours,
) -> impl Stream<Item = Result<Bytes, DecodeError>> {
    let decoder = Decoder::new(codings.iter().flatten().copied());
    let piece = Bytes::new();
    let (more, received, decoded) = (false, 0, 0);
    let decoding = Decoding { body, decoder, share, piece, more, ours, received, decoded };
    stream::try_unfold(decoding, move |mut decoding| {
        let allowance = allowance.clone();
        async move {
            let next = decoding.next(&allowance).await?;
            Ok(next.map(|piece| (piece, decoding)))
        }
    })
}

impl<B: Buf, E: Display, S: Stream<Item = Result<B, E>> + Unpin> Decoding<S> {
    async fn next(&mut self, allowance: &Allowance) -> Result<Option<Bytes>, DecodeError> {
        self.count()?;
        loop {
            let allowed = allowance.get();
            let refused = self.decoded > allowed;
            if refused && !self.piece.is_empty() {
                return Ok(Some(std::mem::take(&mut self.piece)));
            }
            let mut is_new = false;
            if refused || (self.piece.is_empty() && !self.more) {
                let Some(piece) = self.body.next().await else {
                    return if refused { Ok(None) } else { self.decoder.finish().map(|()| None) };
                };
                let mut piece = piece.map_err(|error| DecodeError::Broken(error.to_string()))?;
                self.piece = piece.copy_to_bytes(piece.remaining());
                self.received += self.piece.len();
                if refused {
                    continue;
                }
                if self.received > allowed.saturating_add(allowed / 4 + MAX_OVERHEAD) {
                    return Err(DecodeError::Hollow);
                }
                is_new = true;
            }
            let decoded = if is_new && self.piece.len() <= WORTH_A_THREAD {
                self.decoder.decode(&mut self.piece, DECODED_AT_ONCE)?
            } else {
                self.decode_elsewhere().await?
            };
            self.count()?;
            self.more = decoded.more;
            self.decoded += decoded.bytes.len();
            if !decoded.bytes.is_empty() {
                return Ok(Some(decoded.bytes.into()));
            }
        }
    }

    fn count(&mut self) -> Result<(), DecodeError> {
        self.share.set(self.decoder.held()).map_err(|NoRoom| DecodeError::NoRoom)
    }

    async fn decode_elsewhere(&mut self) -> Result<Decoded, DecodeError> {
        let mut decoder = std::mem::take(&mut self.decoder);
        let mut piece = std::mem::take(&mut self.piece);
        let decoding = elsewhere(move || {
            let decoded = decoder.decode(&mut piece, MAX_PIECE);
            (decoder, piece, decoded)
        });
        let _ours = self.ours.begin();
        let decoded;
        (self.decoder, self.piece, decoded) = decoding.await.map_err(|_| DecodeError::Stopping)?;
        decoded
    }
}

#[cfg(test)]
mod tests {
    use super::super::held::BytesHeld;
    use super::*;
    use crate::fleet::refusals::Reached;
    use std::io::Write;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    /// A bomb of 64 MiB in pieces of 1,000 bytes.
    fn bomb() -> Vec<Result<Bytes, String>> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        for _ in 0..64 {
            encoder.write_all(&vec![0; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap().chunks(1000).map(|piece| Ok(piece.to_vec().into())).collect()
    }

    fn plenty() -> Share {
        Share::of(BytesHeld::new(64 << 20, Reached::fixed("full")))
    }

    #[test]
    fn what_a_decoder_takes_is_counted_until_the_body_is_gone() {
        let runtime = runtime();
        let held = BytesHeld::new(9 << 20, Reached::fixed("full"));
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(23).unwrap();
        encoder.write_all(&[b' '; 1000]).unwrap();
        encoder.flush().unwrap();
        let half = Bytes::from(encoder.get_ref().clone());
        let body = || stream::iter([Ok::<_, String>(half.clone())]).chain(stream::pending());
        let begin = || {
            let body = Box::pin(body());
            let mut decoded = Box::pin(decoded(
                body,
                &[Some(Coding::Zstd)],
                Allowance::new(4096),
                Share::of(held.clone()),
                Ours::default(),
            ));
            (runtime.block_on(decoded.next()).unwrap(), decoded)
        };
        let (first, mut decoded) = begin();
        assert_eq!(first.unwrap().len(), 1000);
        assert!(futures_util::FutureExt::now_or_never(decoded.next()).is_none());
        assert!(held.hold(2 << 20).is_err());
        assert_eq!(begin().0, Err(DecodeError::NoRoom));
        drop(decoded);
        assert!(held.hold(9 << 20).is_ok());
    }

    #[test]
    fn nothing_is_decoded_of_what_is_refused() {
        let runtime = runtime();
        for allowed in [10, 100_000] {
            let pieces = bomb();
            let sent: usize = pieces.iter().flatten().map(Bytes::len).sum();
            let body = stream::iter(pieces);
            let decoded = decoded(
                body,
                &[Some(Coding::Zstd)],
                Allowance::new(allowed),
                plenty(),
                Ours::default(),
            );
            let got: Vec<_> = runtime.block_on(decoded.collect());
            let got: usize = got.into_iter().map(|piece| piece.unwrap().len()).sum();
            // Else a reader would not see that it is too much.
            assert!(got > allowed, "{got}");
            assert!(got <= allowed + MAX_PIECE + sent, "{got} of 64 MiB, {sent} sent");
        }
    }

    #[test]
    fn what_goes_on_without_anything_in_it_is_refused() {
        let runtime = runtime();
        let nothing = Bytes::from(zstd::encode_all(&b""[..], 1).unwrap().repeat(1000));
        let body = stream::iter((0..100).map(|_| Ok::<_, String>(nothing.clone())));
        let decoded =
            decoded(body, &[Some(Coding::Zstd)], Allowance::new(4096), plenty(), Ours::default());
        let got: Vec<_> = runtime.block_on(decoded.collect());
        assert_eq!(got, [Err(DecodeError::Hollow)]);
    }
}
