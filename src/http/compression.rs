//! Answers that go compressed, to those who ask for it (RFC 9110, 12.5.3).
//!
//! Owns which coding a client likes best, and the stream of a compressed
//! answer: the reader's pace decides, piece by piece, as it does for the answer
//! in plain. Does not own which answers may go so (`dispatch`), nor their tags:
//! those are weak, and so stand for the same state in whatever coding.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use sync_wrapper::SyncStream;
use warp::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::{Reply, Response};
use zstd::stream::write::Encoder as ZstdEncoder;

use super::codings::Coding;
use super::elsewhere::elsewhere;
use super::held::{BytesHeld, Share};
use super::media::{parts, weight};

/// Below so many bytes an answer fits in a few packets as it is.
const MIN_LENGTH: u64 = 8 * 1024;

/// Bytes that are compressed at a time.
const MAX_PIECE: usize = 64 * 1024;

/// Bytes from which on they are compressed on a thread of their own: some 20 µs
/// of work.
const WORTH_A_THREAD: usize = 4 * 1024;

/// Listings repeat themselves, so more effort gains little. In pieces of 64 KiB,
/// for each second of a core: gzip at 3 does 320 MB and makes them 7.3 times
/// smaller, at 6 140 MB and 8.2 times; Zstandard at 1 does 930 MB and 8.4 times.
const GZIP_LEVEL: u32 = 3;
const ZSTD_LEVEL: i32 = 1;

/// Zstandard looks back by so much: 128 KiB, so that a reader who takes nothing
/// costs little memory.
const ZSTD_WINDOW_LOG: u32 = 17;

/// What compressing an answer holds beside the answer.
const fn encoder_bytes(coding: Coding) -> usize {
    match coding {
        Coding::Zstd => 1024 * 1024,
        Coding::Gzip | Coding::Deflate => 384 * 1024,
    }
}

/// The coding that a client likes best of those that it takes; none if it likes
/// it better without, or does not say. Of equals Zstandard, which is the fastest.
/// `*` speaks for gzip only: who names nothing most likely knows that.
#[must_use]
pub fn preferred(headers: &HeaderMap) -> Option<Coding> {
    let Weights { gzip, zstd, identity } = weights(headers);
    let best = if zstd >= gzip { Coding::Zstd } else { Coding::Gzip };
    let weight = gzip.max(zstd);
    (weight > 0 && identity.is_none_or(|identity| identity <= weight)).then_some(best)
}

/// Whether a client takes gzip, whatever else it likes.
#[must_use]
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    weights(headers).gzip > 0
}

/// How much a client likes each coding.
struct Weights {
    gzip: u16,
    zstd: u16,
    identity: Option<u16>,
}

fn weights(headers: &HeaderMap) -> Weights {
    let (mut gzip, mut zstd, mut identity, mut any) = (None, None, None, None);
    for value in headers.get_all(ACCEPT_ENCODING) {
        for range in parts(value.as_bytes(), b',') {
            let mut parts = parts(range, b';');
            let name = parts.next().expect("a list has a part");
            let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
            let place = if is(b"gzip") || is(b"x-gzip") {
                &mut gzip
            } else if is(b"zstd") {
                &mut zstd
            } else if is(b"identity") {
                &mut identity
            } else if is(b"*") {
                &mut any
            } else {
                continue;
            };
            *place = Some(weight(parts));
        }
    }
    Weights { gzip: gzip.or(any).unwrap_or(0), zstd: zstd.unwrap_or(0), identity }
}

/// The same answer, compressed if it is long, there is a coding for it, and room
/// among what unsent answers hold for what that takes. Caches are told that it
/// depends on the request.
#[must_use]
pub fn answer(coding: Option<Coding>, held: &Arc<BytesHeld>, mut response: Response) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let is_short = response.body().size_hint().upper().is_some_and(|length| length < MIN_LENGTH);
    let Some(coding) = coding.filter(|_| response.status() == StatusCode::OK && !is_short) else {
        return response;
    };
    let Ok(share) = held.hold(encoder_bytes(coding)) else { return response };
    let Ok(encoder) = Encoder::new(coding) else { return response };
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    let plain = body.into_data_stream().map(|piece| piece.map_err(io::Error::other));
    let (_, body) = warp::reply::stream(SyncStream::new(compressed(plain, encoder, share)))
        .into_response()
        .into_parts();
    Response::from_parts(parts, body)
}

/// All of a short text that does not change, in a coding.
///
/// # Errors
/// When there is no memory for the encoder.
pub fn whole(coding: Coding, plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = Encoder::new(coding)?;
    let mut bytes = encoder.encode(plain)?;
    bytes.extend(encoder.finish()?);
    Ok(bytes)
}

type Plain = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

fn compressed(
    plain: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    encoder: Encoder,
    share: Share,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let start: (Plain, Bytes, Option<(Encoder, Share)>) =
        (Box::pin(plain), Bytes::new(), Some((encoder, share)));
    stream::try_unfold(start, |(mut plain, mut rest, encoder)| async move {
        let Some((mut encoder, share)) = encoder else { return Ok(None) };
        while rest.is_empty() {
            match plain.next().await {
                Some(piece) => rest = piece?,
                // The end of the coding, and of the answer.
                None => return Ok(Some((encoder.finish()?.into(), (plain, rest, None)))),
            }
        }
        let piece = rest.split_to(rest.len().min(MAX_PIECE));
        let bytes;
        if piece.len() < WORTH_A_THREAD {
            bytes = encoder.encode(&piece)?;
        } else {
            let encoding = elsewhere(move || {
                let bytes = encoder.encode(&piece);
                (encoder, bytes)
            });
            let encoded = encoding.await.map_err(io::Error::other)?;
            encoder = encoded.0;
            bytes = encoded.1?;
        }
        Ok(Some((bytes.into(), (plain, rest, Some((encoder, share))))))
    })
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Encoder {
    fn new(coding: Coding) -> io::Result<Self> {
        if coding == Coding::Zstd {
            let mut encoder = ZstdEncoder::new(Vec::new(), ZSTD_LEVEL)?;
            encoder.window_log(ZSTD_WINDOW_LOG)?;
            return Ok(Self::Zstd(encoder));
        }
        Ok(Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))))
    }

    /// All that a reader needs to have this piece, which may wait for the next.
    fn encode(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        let encoded = match self {
            Self::Gzip(encoder) => {
                encoder.write_all(piece)?;
                encoder.flush()?;
                encoder.get_mut()
            }
            Self::Zstd(encoder) => {
                encoder.write_all(piece)?;
                encoder.flush()?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(encoded))
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

    use super::*;

    #[test]
    fn what_zstandard_holds_is_what_it_is_counted_as() {
        let mut encoder = CCtx::create();
        encoder.set_parameter(CParameter::CompressionLevel(ZSTD_LEVEL)).unwrap();
        encoder.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_LOG)).unwrap();
        let (plain, mut room) = (vec![b'x'; 4 * MAX_PIECE], vec![0; 4 * MAX_PIECE]);
        let (mut out, mut input) = (OutBuffer::around(&mut room[..]), InBuffer::around(&plain));
        encoder.compress_stream(&mut out, &mut input).unwrap();
        let counted = encoder_bytes(Coding::Zstd);
        let held = encoder.sizeof();
        assert!(held <= counted && held > counted / 2, "{held} bytes are held");
    }
}
