//! Looks for damage in SQLite's write-ahead log, the WAL, before SQLite reads it.
//!
//! SQLite takes the first frame of the WAL that is not as it was written for the
//! WAL's end, since that is what a power cut in the middle of a write leaves. A
//! flipped bit looks the same to it, and all that was acknowledged after that
//! frame would be gone without a word. The two can be told apart by what comes
//! next: a transaction is synced before the next one is begun, so the torn one
//! is the last. Whole frames of the same WAL behind the end of the transaction
//! with the broken frame mean that it was synced once, and is damaged.
//!
//! What was written and rolled back, for want of room or to make the WAL longer,
//! stays in it until it is written over. Its frames are whole, but none of them
//! ends a transaction.
//!
//! What cannot be told apart is damage to the last transaction, and to the last
//! frame of the one before it.
//!
//! The format is described at <https://sqlite.org/fileformat2.html#walformat>.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use tracing::warn;

use super::settings::Synchronous;
use super::wal;
use crate::journal::OpenError;

/// First four bytes of a WAL whose checksums are of little-endian words; of
/// big-endian words in a WAL that has the last bit set.
const MAGIC: u32 = 0x377f_0682;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Page sizes that SQLite knows.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65536;

/// Where the WAL is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Header,
    /// The frame with this number, from 1.
    Frame(u64),
}

/// Refuses a damaged WAL. Where commits were not synced, a power cut may leave
/// one that looks damaged anywhere; that loss was agreed to, and is only told.
///
/// # Errors
/// [`OpenError`].
pub fn refuse_damage(database: &Path, synchronous: Synchronous) -> Result<(), OpenError> {
    let file = wal::path(database);
    let place = match damage(&file) {
        Ok(None) => return Ok(()),
        Ok(Some(Damage::Header)) => "its header".to_owned(),
        Ok(Some(Damage::Frame(number))) => format!("frame {number}"),
        Err(error) => return Err(OpenError::Directory { path: file, error }),
    };
    if synchronous == Synchronous::Normal {
        let file = file.display();
        warn!(%file, place, "the log is damaged, and what was committed after that is lost");
        return Ok(());
    }
    let problem = "it is not as it was written, and more was committed after it; only if that was \
                   with `--durability os`, a power cut can have done it, and one start with \
                   `--durability os` goes on without what came after it";
    Err(OpenError::Corrupt { file, place, problem: problem.to_owned() })
}

/// Looks for damage in the WAL `file`; no file is no damage.
///
/// # Errors
/// When it cannot be read.
fn damage(file: &Path) -> io::Result<Option<Damage>> {
    match File::open(file) {
        Ok(file) => find(BufReader::with_capacity(1 << 20, file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn find(mut wal: impl Read) -> io::Result<Option<Damage>> {
    let mut header = [0; HEADER];
    if !fill(&mut wal, &mut header)? {
        return Ok(None);
    }
    let Some(header) = Header::parse(&header) else {
        // A file that has been made longer and not been written to is no damage.
        let written = header.iter().any(|byte| *byte != 0);
        return Ok(written.then_some(Damage::Header));
    };
    let mut sum = header.sum;
    let mut frame = vec![0; FRAME_HEADER + header.page_size];
    let mut number = 0;
    // The first frame that is broken, and whether a transaction ended after it.
    let (mut broken, mut ended) = (None, false);
    // What the broken frame should say, for the one after it.
    let mut right = None;
    while fill(&mut wal, &mut frame)? {
        number += 1;
        let before = sum;
        // A whole frame behind a broken one goes on from what that one says or, where
        // that is what is broken, from what it should say.
        let whole = header.is_whole(&frame, before)
            || right.take().is_some_and(|right| header.is_whole(&frame, right));
        sum = Sum::stored(&frame[16..]);
        match broken {
            None if !whole => {
                broken = Some(number);
                right = Some(header.sum_of(&frame, before));
            }
            Some(broken) if whole && ended => return Ok(Some(Damage::Frame(broken))),
            Some(_) if whole => ended = word(&frame[4..]) != 0,
            // Where a shorter transaction was written over one that was given up,
            // what is left of that begins with such a frame. Nothing in it ends a
            // transaction.
            Some(_) => ended = false,
            None => {}
        }
    }
    Ok(None)
}

/// What all frames of a WAL share.
struct Header {
    page_size: usize,
    big_endian: bool,
    /// Changes whenever the WAL is begun anew over what it held before.
    salt: [u8; 8],
    sum: Sum,
}

impl Header {
    fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let magic = word(bytes);
        let page_size = word(&bytes[8..]);
        let header = Self {
            page_size: page_size as usize,
            big_endian: magic & 1 == 1,
            salt: bytes[16..24].try_into().ok()?,
            sum: Sum::stored(&bytes[24..]),
        };
        let known = magic & !1 == MAGIC && PAGE_SIZES.contains(&page_size);
        let whole = header.sum == Sum(0, 0).of(&bytes[..24], header.big_endian);
        (known && whole && page_size.is_power_of_two()).then_some(header)
    }

    /// Whether a frame is of this WAL and as it was written, after one that ends with
    /// `before`.
    fn is_whole(&self, frame: &[u8], before: Sum) -> bool {
        word(frame) != 0
            && frame[8..16] == self.salt
            && Sum::stored(&frame[16..]) == self.sum_of(frame, before)
    }

    /// The checksum of a frame after one that ends with `before`.
    fn sum_of(&self, frame: &[u8], before: Sum) -> Sum {
        before.of(&frame[..8], self.big_endian).of(&frame[FRAME_HEADER..], self.big_endian)
    }
}

/// A checksum of everything in a WAL up to a place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sum(u32, u32);

impl Sum {
    fn stored(bytes: &[u8]) -> Self {
        Self(word(bytes), word(&bytes[4..]))
    }

    /// Goes on over `bytes`, a multiple of 8 of them.
    fn of(self, bytes: &[u8], big_endian: bool) -> Self {
        let read = |bytes: &[u8]| if big_endian { word(bytes) } else { word(bytes).swap_bytes() };
        bytes.chunks_exact(8).fold(self, |Self(first, second), pair| {
            let first = first.wrapping_add(read(pair)).wrapping_add(second);
            Self(first, second.wrapping_add(read(&pair[4..])).wrapping_add(first))
        })
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Reads as much as `buffer` holds; `false` at the end of the file, also where
/// only a part of it was left.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
