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

    /// As [`Timestamp::parse`], for what most senders write: capitals, an offset, and
    /// up to 9 digits below the second. `None` says nothing.
    #[must_use]
    pub fn usual(text: &[u8]) -> Option<Self> {
        let (century, rest) = number(text)?;
        let (year, rest) = number(rest)?;
        let (month, rest) = number(rest.strip_prefix(b"-")?)?;
        let (day, rest) = number(rest.strip_prefix(b"-")?)?;
        let (hour, rest) = number(rest.strip_prefix(b"T")?)?;
        let (minute, rest) = number(rest.strip_prefix(b":")?)?;
        let (second, rest) = number(rest.strip_prefix(b":")?)?;
        let year = i32::from(century) * 100 + i32::from(year);
        let date = Date::from_calendar_date(year, month.try_into().ok()?, day).ok()?;
        let (nanoseconds, offset) = match rest {
            [b'.', rest @ ..] => fraction(rest)?,
            _ => (0, rest),
        };
        let time = Time::from_hms_nano(hour, minute, second, nanoseconds).ok()?;
        let instant = match offset {
            b"Z" => UtcDateTime::new(date, time),
            [sign @ (b'+' | b'-'), offset @ ..] => {
                let (hours, rest) = number(offset)?;
                let (minutes, rest) = number(rest.strip_prefix(b":")?)?;
                if hours > 23 || minutes > 59 || !rest.is_empty() {
                    return None;
                }
                let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
                let offset = if *sign == b'-' { -seconds } else { seconds };
                let offset = UtcOffset::from_whole_seconds(offset).ok()?;
                OffsetDateTime::new_in_offset(date, time, offset).checked_to_utc()?
            }
            _ => return None,
        };
        (0..=9999).contains(&instant.year()).then_some(Self(instant))
    }

    /// Seconds since 1970 and nanoseconds within the second.
    #[must_use]
    pub fn to_unix(self) -> (i64, u32) {
        (self.0.unix_timestamp(), self.0.nanosecond())
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

/// 1 to 9 digits below the second, in nanoseconds, and what comes behind.
fn fraction(mut text: &[u8]) -> Option<(u32, &[u8])> {
    let (mut nanoseconds, mut unit) = (0, 1_000_000_000);
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        unit /= 10;
        if unit == 0 {
            return None;
        }
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
