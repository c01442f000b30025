//! Compressed bodies. The first byte of an input chooses the codings, the second
//! how it is cut into pieces and what is done with the rest: it is the compressed
//! bytes, or what is to be compressed, by flate2 and zstd, and then left alone or
//! damaged at one place.
//!
//! What was compressed comes back; whole and in pieces it is the same; no step
//! gives more than there was room for; and it comes to an end.

use std::io::Write;

use bytes::Bytes;
use downlink::http::codings::{Coding, DecodeError};
use downlink::http::decoder::Decoder;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::{Kind, Way, ensure};

pub const KIND: Kind = Kind {
    name: "compressed",
    about: "gzip, zstd and deflate, one over the other: what was compressed comes back",
    words: &["\x1f", "\x08", "\0\0\0\0", "\x28", "x", "\u{fd}/", "\x18"],
    most: 4 * 1024,
    make: || Box::new(attempt),
};

/// No more is looked at: a few bytes may stand for any number.
const MOST: usize = 128 * 1024;

const CODINGS: [&[Coding]; 8] = [
    &[Coding::Gzip],
    &[Coding::Zstd],
    &[Coding::Deflate],
    &[Coding::Deflate],
    &[Coding::Gzip, Coding::Zstd],
    &[Coding::Zstd, Coding::Deflate],
    &[Coding::Deflate, Coding::Gzip, Coding::Zstd],
    &[Coding::Gzip, Coding::Gzip],
];

fn attempt(input: &[u8]) -> Result<Way, String> {
    let [choice, how, rest @ ..] = input else { return Ok("nothing".to_owned()) };
    let choice = usize::from(*choice) % CODINGS.len();
    let codings = CODINGS[choice];
    let mut sent = rest.to_vec();
    let is_whole = how % 4 == 1;
    if how % 4 != 0 {
        sent = codings.iter().fold(sent, |bytes, &coding| compress(coding, &bytes, choice == 3));
        if !is_whole {
            let at = usize::from(how / 4) * sent.len() / 64;
            if let Some(byte) = sent.get_mut(at) {
                *byte ^= 1 << (rest.len() % 8);
            }
        }
    }
    let whole = decode(codings, &sent, sent.len().max(1), 64 * 1024)?;
    // Some are smaller than a step of the codecs, but not for a bomb's sake.
    let room = if rest.len() < 64 { 1 + usize::from(*how) } else { 512 + usize::from(*how) * 31 };
    let pieces = decode(codings, &sent, 1 + usize::from(*how), room)?;
    let (Ok(one), Ok(other)) = (&whole, &pieces) else {
        ensure!(!is_whole, "what was compressed is refused: {whole:?} {pieces:?}");
        let is_long = |it: &Result<Vec<u8>, _>| it.as_ref().is_ok_and(|it| it.len() > MOST);
        let agree = whole.is_err() && pieces.is_err() || is_long(&whole) || is_long(&pieces);
        ensure!(agree, "whole it is {whole:?}, and in pieces {pieces:?}");
        return Ok(format!("{choice:?} {:?}", whole.err()).replace(char::is_numeric, "x"));
    };
    let shorter = one.len().min(other.len());
    let same = if shorter > MOST { one[..shorter] == other[..shorter] } else { one == other };
    ensure!(same, "whole and in pieces differ: {} and {} bytes", one.len(), other.len());
    ensure!(!is_whole || one == rest, "{} bytes came back for {}", one.len(), rest.len());
    Ok(format!("{} {}", codings.len(), if one.is_empty() { "empty" } else { "full" }))
}

type Decoded = Result<Vec<u8>, DecodeError>;

/// All that is in `sent`, or some more than [`MOST`].
fn decode(codings: &[Coding], sent: &[u8], piece: usize, room: usize) -> Result<Decoded, String> {
    let mut decoder = Decoder::new(codings.iter().copied());
    let mut all = Vec::new();
    for piece in sent.chunks(piece) {
        let mut piece = Bytes::copy_from_slice(piece);
        let mut more = true;
        while more || !piece.is_empty() {
            let left = piece.len();
            let decoded = match decoder.decode(&mut piece, room) {
                Ok(decoded) => decoded,
                Err(error) => return Ok(Err(error)),
            };
            ensure!(decoded.bytes.len() <= room, "{} bytes in {room}", decoded.bytes.len());
            let stuck =
                decoded.bytes.is_empty() && piece.len() == left && (decoded.more || left > 0);
            ensure!(!stuck, "it does not come to an end: {left} bytes are left");
            more = decoded.more;
            all.extend_from_slice(&decoded.bytes);
            if all.len() > MOST {
                return Ok(Ok(all));
            }
        }
    }
    Ok(decoder.finish().map(|()| all))
}

fn compress(coding: Coding, bytes: &[u8], bare: bool) -> Vec<u8> {
    let level = Compression::new(1);
    let (mut gzip, mut zlib, mut deflate) = (
        GzEncoder::new(Vec::new(), level),
        ZlibEncoder::new(Vec::new(), level),
        DeflateEncoder::new(Vec::new(), level),
    );
    match coding {
        Coding::Gzip => gzip.write_all(bytes).and_then(|()| gzip.finish()),
        Coding::Deflate if bare => deflate.write_all(bytes).and_then(|()| deflate.finish()),
        Coding::Deflate => zlib.write_all(bytes).and_then(|()| zlib.finish()),
        Coding::Zstd => zstd::encode_all(bytes, 1),
    }
    .unwrap()
}
