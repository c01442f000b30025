//! Numbers in as many bytes as they need: seven bits a byte, the lowest first, and
//! the eighth bit set in all but the last. Does not own what they are of (`past`).

// It reads what a disk may have damaged: a wrong length must be an error.
#![warn(clippy::indexing_slicing)]

/// What is wrong with bytes that were never written.
pub type Problem = &'static str;

pub(super) const SHORT: Problem = "an entry is cut short";

/// Small for what is small, whatever its sign.
#[must_use]
pub fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// What [`zigzag`] made a number of.
#[must_use]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// As [`zigzag`].
#[must_use]
pub fn zigzag_long(value: i128) -> u128 {
    (value << 1 ^ value >> 127).cast_unsigned()
}

/// As [`unzigzag`].
#[must_use]
pub fn unzigzag_long(value: u128) -> i128 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Writes a number.
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// As [`put`].
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub fn put_long(bytes: &mut Vec<u8>, mut value: u128) {
    while value > u64::MAX.into() {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    put(bytes, value as u64);
}

/// How many bytes [`put`] writes.
#[must_use]
pub fn length_of(value: u64) -> usize {
    (u64::BITS - value.leading_zeros()).div_ceil(7).max(1) as usize
}

/// Reads a number, and goes on behind it.
///
/// # Errors
/// When none is there, or it is too large.
pub fn take(bytes: &mut &[u8]) -> Result<u64, Problem> {
    u64::try_from(take_long(bytes)?).map_err(|_| "a number is out of range")
}

/// As [`take`].
///
/// # Errors
/// As there.
pub fn take_long(bytes: &mut &[u8]) -> Result<u128, Problem> {
    let mut value = 0;
    for shift in (0..u128::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(SHORT)?;
        *bytes = rest;
        let bits = u128::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number is out of range")
}

/// Goes on behind so many numbers; not none.
///
/// # Errors
/// When they are not there.
pub fn skip(bytes: &mut &[u8], numbers: usize) -> Result<(), Problem> {
    if let Some(eight) = bytes.first_chunk() {
        // The bits that the last byte of each has not.
        let mut ends = !u64::from_le_bytes(*eight) & (u64::MAX / 0xff * 0x80);
        for _ in 1..numbers {
            ends &= ends.wrapping_sub(1);
        }
        if ends != 0 {
            let length = ends.trailing_zeros() as usize / 8 + 1;
            *bytes = bytes.get(length..).ok_or(SHORT)?;
            return Ok(());
        }
    }
    for _ in 0..numbers {
        let last = bytes.iter().position(|byte| byte & 1 << 7 == 0).ok_or(SHORT)?;
        *bytes = bytes.get(last + 1..).ok_or(SHORT)?;
    }
    Ok(())
}
