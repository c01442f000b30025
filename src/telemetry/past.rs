//! A rocket's recent past as a few bytes a message: what each message changed,
//! written as the way back from the state after it to the state before.
//!
//! So nothing stands beside the entries: the rocket as it is now is where they are
//! read from, backwards, and the oldest can be cut off anywhere. Owns that form,
//! which a checkpoint stores as it is. Does not own how many are kept, nor whose
//! they are (`fleet/roster/history`).
//!
//! # Format, version 1
//!
//! Entries, the oldest first, each of:
//!
//! ```text
//! head     1 byte   bits 0 to 2: what changed: 0 nothing, 1 launched, 2 speed,
//!                   3 mission, 4 exploded; bit 3: numbers were left out; bits 4
//!                   and 5: the unit of time, 0 ns, 1 µs, 2 ms, 3 s; bit 6: a
//!                   mark follows, which is never stored
//! mark     varint   see [`Step::mark`]
//! gap      varint   how many numbers were left out since the message before
//! time     varint   zigzag: since the message before; 0 for a first message
//! speed    varint   zigzag: the difference that it made, modulo 2^64; only of speed
//! mission  varint, bytes   length and text of the mission before; only of mission
//! ```
//!
//! A varint has seven bits a byte, the lowest first, and the eighth bit set in all
//! but the last. A speed change takes 4 to 8 bytes.

// It reads what a disk may have damaged: a wrong length must be an error.
#![warn(clippy::indexing_slicing)]

use std::sync::Arc;

use super::Timestamp;
use super::message::{MAX_INTEGER, MAX_TEXT_BYTES};
use super::varint::{
    Problem, SHORT, length_of, put, put_long, skip, take, take_long, unzigzag, unzigzag_long,
    zigzag, zigzag_long,
};

const NOTHING: u8 = 0;
const LAUNCHED: u8 = 1;
const SPEED: u8 = 2;
const MISSION: u8 = 3;
const EXPLODED: u8 = 4;
const KIND: u8 = 0b111;
const GAP: u8 = 1 << 3;
const UNIT: u8 = 4;
const MARK: u8 = 1 << 6;

/// Nanoseconds in each unit of time.
const UNITS: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

/// The entry of a launch that nothing was before.
pub const LAUNCH: [u8; 2] = [LAUNCHED | 3 << UNIT, 0];

/// What a message changed, with what it takes to undo that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo<'a> {
    /// It changed nothing but the rocket's clock.
    Nothing,
    /// There was no flight before it.
    Launched,
    /// The speed that it changed, and the one that it changed to.
    Speed(i64, i64),
    /// The mission that it replaced.
    Mission(&'a str),
    /// The rocket had not exploded before it.
    Exploded,
}

/// A message to be written.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The number of the message applied before it; 0 of a first one.
    pub number_before: u64,
    /// Its own.
    pub number: u64,
    /// The time of the message before it.
    pub time_before: Option<Timestamp>,
    /// Its own.
    pub time: Timestamp,
    /// What it changed.
    pub undo: Undo<'a>,
    /// A number for whoever keeps it, told when the entry is cut off; 0 for none.
    pub mark: u32,
}

impl Step<'_> {
    /// Appends the entry.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let gap = self.number - self.number_before - 1;
        let (seconds, nanoseconds) = match self.time_before {
            Some(before) if before != self.time => self.time.since(before),
            _ => (0, 0),
        };
        let (unit, time) = in_unit(seconds, nanoseconds);
        let kind = match self.undo {
            Undo::Nothing => NOTHING,
            Undo::Launched => LAUNCHED,
            Undo::Speed(..) => SPEED,
            Undo::Mission(_) => MISSION,
            Undo::Exploded => EXPLODED,
        };
        let mut head = kind | unit << UNIT;
        head |= if gap > 0 { GAP } else { 0 };
        head |= if self.mark > 0 { MARK } else { 0 };
        bytes.push(head);
        if self.mark > 0 {
            put(bytes, self.mark.into());
        }
        if gap > 0 {
            put(bytes, gap);
        }
        match i64::try_from(time) {
            Ok(time) => put(bytes, zigzag(time)),
            Err(_) => put_long(bytes, zigzag_long(time)),
        }
        match self.undo {
            Undo::Speed(before, after) => put(bytes, zigzag(after.wrapping_sub(before))),
            Undo::Mission(before) => {
                put(bytes, before.len() as u64);
                bytes.extend_from_slice(before.as_bytes());
            }
            Undo::Nothing | Undo::Launched | Undo::Exploded => {}
        }
    }
}

/// A message as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// Its time, as its sender gave it.
    pub time: Timestamp,
    /// What it changed.
    pub change: Change,
    /// The speed after it; `None` before the launch.
    pub speed: Option<i64>,
}

/// What a message changed to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it made no sense.
    Nothing,
    /// The rocket came into being.
    Launched,
    /// The speed, which may be the same where it is at its end.
    Speed {
        /// Before it.
        from: i64,
        /// After it.
        to: i64,
    },
    /// The mission.
    Mission {
        /// Before it.
        from: Arc<str>,
        /// After it.
        to: Arc<str>,
    },
    /// The rocket exploded for this reason.
    Exploded(Arc<str>),
}

/// A rocket as it is after the last entry.
#[derive(Clone, Debug)]
pub struct State {
    /// The number of the last message that was applied; not 0.
    pub number: u64,
    /// Its time.
    pub time: Timestamp,
    /// `None` before the launch.
    pub flight: Option<FlightState>,
}

/// See [`State`].
#[derive(Clone, Debug)]
pub struct FlightState {
    /// Its speed.
    pub speed: i64,
    /// Its mission.
    pub mission: Arc<str>,
    /// Why it exploded, if it did.
    pub explosion: Option<Arc<str>>,
}

/// One entry as it stands there.
#[derive(Clone, Copy, Debug)]
struct Raw<'a> {
    kind: u8,
    gap: u64,
    nanoseconds: i128,
    speed: i64,
    mission: &'a str,
}

fn take_raw<'a>(bytes: &mut &'a [u8]) -> Result<Raw<'a>, Problem> {
    let (&head, rest) = bytes.split_first().ok_or(SHORT)?;
    *bytes = rest;
    if head & 1 << 7 != 0 {
        return Err("an entry's head is none");
    }
    let kind = head & KIND;
    if head & MARK != 0 {
        take(bytes)?;
    }
    let gap = if head & GAP == 0 { 0 } else { take(bytes)? };
    let unit = UNITS.get(usize::from(head >> UNIT & 0b11)).ok_or("no unit")?;
    let time = unzigzag_long(take_long(bytes)?);
    let nanoseconds = time.checked_mul((*unit).into()).ok_or("a time is out of range")?;
    let speed = if kind == SPEED { unzigzag(take(bytes)?) } else { 0 };
    let mission = if kind == MISSION {
        let length = usize::try_from(take(bytes)?).map_err(|_| SHORT)?;
        let (text, rest) = bytes.split_at_checked(length).ok_or(SHORT)?;
        *bytes = rest;
        std::str::from_utf8(text).map_err(|_| "a mission is not UTF-8")?
    } else {
        ""
    };
    Ok(Raw { kind, gap, nanoseconds, speed, mission })
}

/// The length and the mark of the first entry; `None` if there is none. Looks at no
/// more than that takes: each message that is kept makes another one go.
///
/// # Errors
/// When it is not as one is written.
pub fn first(bytes: &[u8]) -> Result<Option<(usize, u32)>, Problem> {
    let Some((&head, mut rest)) = bytes.split_first() else { return Ok(None) };
    let kind = head & KIND;
    let mark = if head & MARK == 0 { 0 } else { take(&mut rest)? };
    let numbers = 1 + usize::from(head & GAP != 0) + usize::from(kind == SPEED);
    skip(&mut rest, numbers)?;
    if kind == MISSION {
        let length = usize::try_from(take(&mut rest)?).map_err(|_| SHORT)?;
        rest = rest.get(length..).ok_or(SHORT)?;
    }
    let mark = u32::try_from(mark).map_err(|_| "a mark is out of range")?;
    Ok(Some((bytes.len() - rest.len(), mark)))
}

/// The same entries without marks, and how many they are.
///
/// # Errors
/// When they are not as they are written.
pub fn unmarked(bytes: &[u8]) -> Result<(Vec<u8>, usize), Problem> {
    let (mut plain, mut count, mut rest) = (Vec::with_capacity(bytes.len()), 0, bytes);
    while !rest.is_empty() {
        let (length, mark) = first(rest)?.ok_or(SHORT)?;
        let (entry, behind) = rest.split_at_checked(length).ok_or(SHORT)?;
        if mark > 0 {
            let (head, tail) = entry.split_first().ok_or(SHORT)?;
            plain.push(head & !MARK);
            plain.extend_from_slice(tail.get(length_of(mark.into())..).ok_or(SHORT)?);
        } else {
            plain.extend_from_slice(entry);
        }
        (rest, count) = (behind, count + 1);
    }
    Ok((plain, count))
}

/// All entries of a rocket that is in this state after the last, the oldest first.
///
/// # Errors
/// When they are not as they are written, or do not lead to this state.
pub fn read(bytes: &[u8], after: State) -> Result<Vec<Entry>, Problem> {
    let mut raws = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        raws.push(take_raw(&mut rest)?);
    }
    let mut state = after;
    let mut entries = Vec::with_capacity(raws.len());
    for (left, raw) in raws.iter().enumerate().rev() {
        let (number, time) = (state.number, state.time);
        let speed = state.flight.as_ref().map(|flight| flight.speed);
        let change = undo(&mut state, raw)?;
        entries.push(Entry { number, time, change, speed });
        let before = number.checked_sub(1).and_then(|number| number.checked_sub(raw.gap));
        let before = before.filter(|_| number <= MAX_INTEGER).ok_or("a number is out of range")?;
        if before == 0 && (left > 0 || state.flight.is_some()) {
            return Err("something was before a first message");
        }
        state.number = before;
        state.time = back(time, raw.nanoseconds).ok_or("a time is out of range")?;
    }
    entries.reverse();
    Ok(entries)
}

/// Whether these entries, of which none may have a mark, are as they are written,
/// and lead to this state.
///
/// # Errors
/// When they are not, or do not.
pub fn check(bytes: &[u8], after: State) -> Result<(), Problem> {
    let (plain, _) = unmarked(bytes)?;
    if plain.len() != bytes.len() {
        return Err("an entry has a mark");
    }
    read(bytes, after).map(drop)
}

/// Takes back what an entry changed; returns that.
fn undo(state: &mut State, raw: &Raw<'_>) -> Result<Change, Problem> {
    if raw.kind == NOTHING {
        return Ok(Change::Nothing);
    }
    let flight = state.flight.as_mut().ok_or("it changes what is not launched")?;
    Ok(match raw.kind {
        LAUNCHED if flight.explosion.is_some() => return Err("it exploded before its launch"),
        LAUNCHED => {
            state.flight = None;
            Change::Launched
        }
        SPEED => {
            let to = flight.speed;
            flight.speed = to.wrapping_sub(raw.speed);
            Change::Speed { from: flight.speed, to }
        }
        MISSION if !(1..=MAX_TEXT_BYTES).contains(&raw.mission.len()) => {
            return Err("a mission is longer or shorter than any");
        }
        MISSION => {
            let from: Arc<str> = if *raw.mission == *flight.mission {
                flight.mission.clone()
            } else {
                raw.mission.into()
            };
            let to = std::mem::replace(&mut flight.mission, from.clone());
            Change::Mission { from, to }
        }
        EXPLODED => {
            Change::Exploded(flight.explosion.take().ok_or("it explodes what has not exploded")?)
        }
        _ => return Err("it changes what is not known"),
    })
}

/// The instant so long before `time`; `None` if it is out of range.
fn back(time: Timestamp, nanoseconds: i128) -> Option<Timestamp> {
    let (seconds, nanos) = time.to_unix();
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let total = total.checked_sub(nanoseconds)?;
    let nanos = u32::try_from(total.rem_euclid(1_000_000_000)).ok()?;
    Timestamp::from_unix(i64::try_from(total.div_euclid(1_000_000_000)).ok()?, nanos)
}

/// Seconds and nanoseconds in the largest unit that they are a whole number of.
fn in_unit(seconds: i64, nanoseconds: i64) -> (u8, i128) {
    if nanoseconds == 0 {
        return (3, seconds.into());
    }
    // What is beyond some 272 years is rare enough to take a few bytes more.
    if seconds.unsigned_abs() >= 1 << 33 {
        return (0, i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds));
    }
    let total = seconds * 1_000_000_000 + nanoseconds;
    let (unit, value) = if nanoseconds % 1_000 != 0 {
        (0, total)
    } else if nanoseconds % 1_000_000 != 0 {
        (1, total / 1_000)
    } else {
        (2, total / 1_000_000)
    };
    (unit, value.into())
}
