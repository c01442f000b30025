//! Takes compressed bytes apart: one coding over the other, a bounded piece at
//! a time. Synchronous, so that it can be done on any thread. Does not own where
//! the bytes come from, nor how many there may be (`encoding`).

use std::fmt;

use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_frame_content_size};

use super::codings::{Coding, DecodeError};

/// Most bytes that come out at a time.
pub const MAX_PIECE: usize = 64 * 1024;

/// Bytes between one coding and the next.
const BETWEEN: usize = 16 * 1024;

/// How far back Zstandard may look: 8 MiB, as RFC 9659 has it for HTTP.
const MAX_ZSTD_WINDOW_LOG: u32 = 23;

/// gzip's window, the largest that there is.
const WINDOW_BITS: u8 = 15;

/// What taking gzip or deflate apart holds: the window, and tables beside it.
const INFLATE_BYTES: usize = 48 * 1024;

/// Codings in the order in which they are taken off.
#[derive(Debug, Default)]
pub struct Decoder(Vec<Stage>);

/// What came out at a time.
#[derive(Debug)]
pub struct Decoded {
    /// At most as many as there was room for.
    pub bytes: Vec<u8>,
    /// There may be more without further input.
    pub more: bool,
}

/// One coding, and what the one before it left for it.
struct Stage {
    coding: Coding,
    codec: Codec,
    input: Vec<u8>,
    /// How much of `input` was taken.
    taken: usize,
    /// What came so far is whole.
    ended: bool,
}

enum Codec {
    /// Which kind of `deflate` it is shows in its first byte.
    Unknown,
    Inflate(Decompress),
    Zstd(DCtx<'static>, Frame),
}

/// What was read and made of a frame of zstd so far. In a frame that comes bit by
/// bit, the library overlooks that less is in it than its head says.
#[derive(Default)]
struct Frame {
    head: Vec<u8>,
    written: u64,
}

impl Frame {
    /// The most that a frame's head has.
    const HEAD: usize = 18;

    fn take(&mut self, bytes: &[u8], written: usize) {
        let missing = (Self::HEAD - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        self.written += written as u64;
    }

    /// Whether all is there that the head says, if it says how much.
    fn is_whole(&self) -> bool {
        get_frame_content_size(&self.head)
            .is_ok_and(|length| length.is_none_or(|length| length == self.written))
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("coding", &self.coding).finish_non_exhaustive()
    }
}

impl Decoder {
    /// For what was compressed by `codings`, in this order.
    #[must_use]
    pub fn new(codings: impl DoubleEndedIterator<Item = Coding>) -> Self {
        Self(codings.rev().map(Stage::new).collect())
    }

    /// The memory that it takes, which grows once it has seen how far back it may
    /// have to look.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.iter().map(Stage::held).sum()
    }

    /// Decodes some of `input`, and takes that off it: what makes up to `room`
    /// bytes.
    ///
    /// # Errors
    /// When it is not of its codings.
    pub fn decode(&mut self, input: &mut Bytes, room: usize) -> Result<Decoded, DecodeError> {
        let mut bytes = vec![0; room];
        let mut length = 0;
        while length < room {
            match pull(&mut self.0, input, &mut bytes[length..])? {
                0 => break,
                pulled => length += pulled,
            }
        }
        bytes.truncate(length);
        Ok(Decoded { bytes, more: length == room })
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// When there should.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.0.iter().find(|stage| !stage.ended) {
            Some(stage) => Err(DecodeError::CutOff(stage.coding.name())),
            None => Ok(()),
        }
    }
}

/// Fills some of `out` from the last stage; with nothing only when the stages
/// before it, and `input`, have nothing left.
fn pull(stages: &mut [Stage], input: &mut Bytes, out: &mut [u8]) -> Result<usize, DecodeError> {
    let Some((last, before)) = stages.split_last_mut() else {
        let length = out.len().min(input.len());
        input.copy_to_slice(&mut out[..length]);
        return Ok(length);
    };
    loop {
        let (taken, written) = last.run(out)?;
        last.taken += taken;
        if written > 0 {
            return Ok(written);
        }
        if last.taken < last.input.len() {
            if taken == 0 {
                return Err(last.damaged());
            }
            continue;
        }
        last.input.resize(BETWEEN, 0);
        let length = pull(before, input, &mut last.input)?;
        last.input.truncate(length);
        last.taken = 0;
        if length == 0 {
            return Ok(0);
        }
    }
}

impl Stage {
    fn new(coding: Coding) -> Self {
        let codec = match coding {
            Coding::Gzip => Codec::Inflate(Decompress::new_gzip(WINDOW_BITS)),
            Coding::Deflate => Codec::Unknown,
            Coding::Zstd => {
                let mut decoder = DCtx::create();
                decoder
                    .set_parameter(DParameter::WindowLogMax(MAX_ZSTD_WINDOW_LOG))
                    .expect("it is within the bounds of zstd");
                Codec::Zstd(decoder, Frame::default())
            }
        };
        Self { coding, codec, input: Vec::new(), taken: 0, ended: false }
    }

    fn held(&self) -> usize {
        let codec = match &self.codec {
            Codec::Unknown => 0,
            Codec::Inflate(_) => INFLATE_BYTES,
            Codec::Zstd(codec, _) => codec.sizeof(),
        };
        codec + self.input.capacity()
    }

    fn damaged(&self) -> DecodeError {
        DecodeError::Damaged(self.coding.name())
    }

    /// Decodes from what is left of the input into `out`; how many bytes it took
    /// and how many it wrote.
    fn run(&mut self, out: &mut [u8]) -> Result<(usize, usize), DecodeError> {
        let input = &self.input[self.taken..];
        if self.ended {
            match (self.coding, input) {
                (_, []) => return Ok((0, 0)),
                // One part behind the other, as `cat a.gz b.gz` makes.
                (Coding::Gzip, _) => {
                    self.codec = Codec::Inflate(Decompress::new_gzip(WINDOW_BITS));
                }
                (Coding::Zstd, _) => {}
                (Coding::Deflate, _) => return Err(self.damaged()),
            }
            self.ended = false;
        }
        if let (Codec::Unknown, Some(first)) = (&self.codec, input.first()) {
            // zlib's frame begins with its method, 8. That would be a stored block
            // with bits set that no encoder sets.
            self.codec = Codec::Inflate(Decompress::new(first & 0x0f == 8));
        }
        let damaged = DecodeError::Damaged(self.coding.name());
        match &mut self.codec {
            Codec::Unknown => Ok((0, 0)),
            Codec::Inflate(codec) => {
                let before = (codec.total_in(), codec.total_out());
                let status = codec.decompress(input, out, FlushDecompress::None);
                self.ended = status.map_err(|_| damaged)? == flate2::Status::StreamEnd;
                let done = |now: u64, before: u64| {
                    usize::try_from(now - before).expect("no more than fits in a slice")
                };
                Ok((done(codec.total_in(), before.0), done(codec.total_out(), before.1)))
            }
            Codec::Zstd(codec, frame) => {
                let bytes = input;
                let (mut input, mut out) = (InBuffer::around(input), OutBuffer::around(out));
                let left = codec.decompress_stream(&mut out, &mut input).map_err(|_| damaged)?;
                frame.take(&bytes[..input.pos()], out.pos());
                self.ended = left == 0;
                if self.ended && !std::mem::take(frame).is_whole() {
                    return Err(DecodeError::Damaged(self.coding.name()));
                }
                Ok((input.pos(), out.pos()))
            }
        }
    }
}
