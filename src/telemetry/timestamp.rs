//! An instant in UTC with nanoseconds, read from and written as RFC 3339.

use std::fmt;

use serde::{Serialize, Serializer};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, Time, UtcDateTime, UtcOffset};

/// An instant between the years 0000 and 9999, in 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(UtcDateTime);

/// Where the `T` stands in `2022-02-02T18:39:05Z`.
const SEPARATOR: usize = 10;

impl Timestamp {
    /// The start of 1970, for rockets that have no time of their own yet.
    pub const EPOCH: Self = Self(UtcDateTime::UNIX_EPOCH);

    /// Reads RFC 3339, or the same without an offset, which is read as UTC.
    /// `T` and `Z` may be in either case. Digits below the nanosecond are cut.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // The parser takes any separator, which RFC 3339 leaves to agreement.
        if !matches!(text.as_bytes().get(SEPARATOR), Some(b'T' | b't')) {
            return None;
        }
        let instant = OffsetDateTime::parse(text, &Rfc3339)
            .or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339))
            .ok()?
            .checked_to_utc()?;
        (0..=9999).contains(&instant.year()).then_some(Self(instant))
    }

    /// Reads what most senders write at the start of `text`: as [`Timestamp::parse`]
    /// takes it, in capitals, with an offset, and up to 9 digits below the second.
    /// Returns what comes behind, too. `None` says nothing.
    #[must_use]
    pub fn usual(text: &[u8]) -> Option<(Self, &[u8])> {
        // Eight bytes at a time, for each has its own place.
        let (date, rest) = text.split_first_chunk()?;
        let date = digits_in(*date, *b"0000-00-")?;
        let (time, rest) = rest.split_first_chunk()?;
        let time = digits_in(*time, *b"00T00:00")?;
        let (second, rest) = number(rest.strip_prefix(b":")?)?;
        let year = i32::from(date[0]) * 100 + i32::from(date[2]);
        let date = Date::from_calendar_date(year, date[5].try_into().ok()?, time[0]).ok()?;
        let (nanoseconds, rest) = match rest {
            [b'.', rest @ ..] => fraction(rest)?,
            _ => (0, rest),
        };
        let (hour, minute) = (time[3], time[6]);
        let time = Time::from_hms_nano(hour, minute, second, nanoseconds).ok()?;
        let (instant, rest) = match rest {
            [b'Z', rest @ ..] => (UtcDateTime::new(date, time), rest),
            [sign @ (b'+' | b'-'), rest @ ..] => {
                let (hours, rest) = number(rest)?;
                let (minutes, rest) = number(rest.strip_prefix(b":")?)?;
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let of = |hours: u8, minutes: u8| i32::from(hours) * 60 + i32::from(minutes);
                let offset = of(hours, minutes) * if *sign == b'-' { -1 } else { 1 };
                (in_utc(date, time, of(hour, minute) - offset, offset)?, rest)
            }
            _ => return None,
        };
        (0..=9999).contains(&instant.year()).then_some((Self(instant), rest))
    }

    /// Seconds since 1970 and nanoseconds within the second.
    #[must_use]
    pub fn to_unix(self) -> (i64, u32) {
        (self.0.unix_timestamp(), self.0.nanosecond())
    }

    /// Seconds and nanoseconds since `before`, to be added up: either may be negative.
    #[must_use]
    pub fn since(self, before: Self) -> (i64, i64) {
        let (after, before) = (self.0, before.0);
        let seconds = if after.date() == before.date() {
            // Mostly so, and less work than to count the days of both.
            let of_day = |it: UtcDateTime| {
                (i64::from(it.hour()) * 60 + i64::from(it.minute())) * 60 + i64::from(it.second())
            };
            of_day(after) - of_day(before)
        } else {
            after.unix_timestamp() - before.unix_timestamp()
        };
        (seconds, i64::from(after.nanosecond()) - i64::from(before.nanosecond()))
    }

    /// The instant that [`Timestamp::to_unix`] gave; `None` if out of range.
    #[must_use]
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Option<Self> {
        let instant =
            UtcDateTime::from_unix_timestamp(seconds).ok()?.replace_nanosecond(nanoseconds).ok()?;
        (0..=9999).contains(&instant.year()).then_some(Self(instant))
    }

    /// The next instant that there is; the same at the end of the year 9999.
    #[must_use]
    pub fn just_after(self) -> Self {
        let (seconds, nanoseconds) = self.to_unix();
        let next = match nanoseconds + 1 {
            1_000_000_000 => Self::from_unix(seconds + 1, 0),
            nanoseconds => Self::from_unix(seconds, nanoseconds),
        };
        next.unwrap_or(self)
    }
}

/// What the first two digits say, and what comes behind.
#[inline]
fn number(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] => {
            Some(((tens - b'0') * 10 + (ones - b'0'), rest))
        }
        _ => None,
    }
}

/// The instant at this time somewhere that is so many minutes ahead of UTC. By UTC it
/// is the given minute of the same day, unless there is none.
#[inline]
fn in_utc(date: Date, time: Time, minute: i32, ahead: i32) -> Option<UtcDateTime> {
    // Mostly the day is the same, and nothing else of it changes.
    let of_day = u16::try_from(minute).ok().filter(|minute| *minute < 24 * 60);
    if let Some(minute) = of_day {
        let [hour, minute] = [minute / 60, minute % 60].map(|it| it.to_le_bytes()[0]);
        let time = Time::from_hms_nano(hour, minute, time.second(), time.nanosecond()).ok()?;
        return Some(UtcDateTime::new(date, time));
    }
    let offset = UtcOffset::from_whole_seconds(ahead * 60).ok()?;
    OffsetDateTime::new_in_offset(date, time, offset).checked_to_utc()
}

/// Of eight bytes that are digits where `form` has zeros, and that are as `form` is
/// elsewhere: each two digits as a number, where the first of them stands.
#[inline]
fn digits_in(bytes: [u8; 8], form: [u8; 8]) -> Option<[u8; 8]> {
    let digits = u64::from_le_bytes(bytes) ^ u64::from_le_bytes(form);
    // What brings each byte that is too large to its highest bit: above 9, or above 0.
    let room = form.map(|byte| if byte == b'0' { 0x80 - 10 } else { 0x80 - 1 });
    if (digits.wrapping_add(u64::from_le_bytes(room)) | digits) & HIGHEST != 0 {
        return None;
    }
    // Neither leaves its byte: ten times nine and nine more is below 256.
    Some((digits * 10 + (digits >> 8)).to_le_bytes())
}

/// The highest bit of each byte.
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// 1 to 9 digits below the second, in nanoseconds, and what comes behind.
#[inline]
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    if let Some((eight, rest)) = text.split_first_chunk()
        && let Some(pairs) = digits_in(*eight, *b"00000000")
    {
        let [first, _, second, _, third, _, fourth, _] = pairs.map(u32::from);
        let tens = ((first * 100 + second) * 100 + third) * 100 + fourth;
        return match rest {
            [b'0'..=b'9', b'0'..=b'9', ..] => None,
            [digit @ b'0'..=b'9', rest @ ..] => Some((tens * 10 + u32::from(digit - b'0'), rest)),
            _ => Some((tens * 10, rest)),
        };
    }
    short_fraction(text)
}

/// As [`fraction`], of up to 7 digits.
fn short_fraction(mut text: &[u8]) -> Option<(u32, &[u8])> {
    let (mut nanoseconds, mut unit) = (0, 1_000_000_000);
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        unit /= 10;
        nanoseconds += u32::from(digit - b'0') * unit;
        text = rest;
    }
    (unit < 1_000_000_000).then_some((nanoseconds, text))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.format(&Rfc3339).expect("the year is between 0000 and 9999");
        f.write_str(&text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        Timestamp::parse(text).map(|t| t.to_string())
    }

    #[test]
    fn times_are_shown_in_utc() {
        for (text, expected) in [
            ("2022-02-02T19:39:05.86337+01:00", "2022-02-02T18:39:05.86337Z"),
            ("2025-04-02T09:21:50.458989221+02:00", "2025-04-02T07:21:50.458989221Z"),
            ("2022-02-02t18:39:05z", "2022-02-02T18:39:05Z"),
            ("2022-02-02T18:39:05", "2022-02-02T18:39:05Z"),
            ("2022-02-02T18:39:05.5", "2022-02-02T18:39:05.5Z"),
            ("2022-02-02T18:39:05.1234567891Z", "2022-02-02T18:39:05.123456789Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_most_senders_write_is_read_as_in_general() {
        let days =
            ["2022-02-02", "2024-02-29", "2023-02-29", "0000-01-01", "9999-12-31", "2022-1-02"];
        let hours = ["00:00:00", "23:59:59", "18:39:05", "24:00:00", "12:60:00", "12:00:60"];
        let fractions =
            ["", ".", ".4", ".86337", ".1234567", ".12345678", ".458989221", ".1234567890"];
        let offsets =
            ["Z", "+00:00", "-00:00", "+02:00", "-02:30", "+23:59", "-23:59", "+24:00", ""];
        let mut read = 0;
        for day in days {
            for hour in hours {
                for (fraction, offset) in
                    fractions.iter().flat_map(|it| offsets.iter().map(move |offset| (it, offset)))
                {
                    let text = format!("{day}T{hour}{fraction}{offset}");
                    let followed = format!("{text}\"");
                    if let Some((time, rest)) = Timestamp::usual(followed.as_bytes()) {
                        assert_eq!(
                            (Timestamp::parse(&text), rest),
                            (Some(time), &b"\""[..]),
                            "{text}"
                        );
                        read += 1;
                    } else {
                        let is_unusual = offset.is_empty() || fraction.len() > 10;
                        assert!(is_unusual || Timestamp::parse(&text).is_none(), "{text}");
                    }
                }
            }
        }
        assert!(read > 400, "{read}");
    }

    #[test]
    fn what_is_not_rfc_3339_is_refused() {
        for text in [
            "",
            "2022-02-02",
            "2022-02-02 18:39:05Z",
            "2022-02-30T18:39:05Z",
            "2022-02-02T24:00:00Z",
            "2022-02-02T18:39Z",
            "2022-02-02T18:39:05+25:00",
            "2022-02-02T18:39:05ZZ",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "yesterday",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn unix_seconds_and_nanoseconds_round_trip() {
        for text in
            ["0000-01-01T00:00:00Z", "1969-12-31T23:59:59.25Z", "2022-02-02T18:39:05.86337Z"]
        {
            let time = Timestamp::parse(text).unwrap();
            let (seconds, nanoseconds) = time.to_unix();
            assert_eq!(Timestamp::from_unix(seconds, nanoseconds), Some(time), "{text}");
        }
        assert_eq!(Timestamp::from_unix(i64::MAX, 0), None);
        assert_eq!(Timestamp::from_unix(0, 1_000_000_000), None);
    }
}
