//! How single values are written: numbers, sizes, times, addresses, modes, log
//! filters. Owns what is taken for one and how the refusal reads; does not own
//! which flag takes what, nor its bounds.
//!
//! Blanks around a value and its case make no difference.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use crate::http::listener::Address;

/// Beyond any use, and far from overflowing a deadline.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const TEN_YEARS: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Reads a whole number from 1 to `MOST`.
pub fn count<const MOST: u64>(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.trim().parse::<u64>().ok().filter(|number| (1..=MOST).contains(number));
    number
        .and_then(|number| NonZeroUsize::new(usize::try_from(number).ok()?))
        .ok_or_else(|| format!("expected a whole number from 1 to {MOST}"))
}

/// Reads a number of bytes from 1 to `MOST`, such as `65536`, `64KiB` or `16MiB`.
pub fn size<const MOST: u64>(text: &str) -> Result<usize, String> {
    bytes(text)
        .filter(|bytes| (1..=MOST).contains(bytes))
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| {
            let (most, unit) = in_units(MOST);
            format!(
                "expected a number of bytes above 0 and up to {most}{unit}, or one with a unit, \
                 such as 64KiB or 16MiB"
            )
        })
}

/// As [`size`], of memory that the service can get along with at all.
pub fn memory(text: &str) -> Result<usize, String> {
    const LEAST: u64 = 64 << 20;
    bytes(text)
        .filter(|bytes| (LEAST..=isize::MAX.unsigned_abs() as u64).contains(bytes))
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| "expected a size from 64MiB on, such as 512MiB or 2GiB".to_owned())
}

/// The units of sizes, in lower case. A single letter stands for a power of two.
const UNITS: [(&str, u64); 16] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("ki", 1 << 10),
    ("kb", 1000),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("mi", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("gi", 1 << 30),
    ("gb", 1_000_000_000),
    ("t", 1 << 40),
    ("tib", 1 << 40),
];

fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let &(_, unit) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // Digits beyond these do not change any size that is allowed.
    let is_number = |digits: &str| (1..=12).contains(&digits.len());
    if !is_number(fraction) || whole.is_empty() {
        return None;
    }
    let parts: u64 = fraction.parse().ok()?;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u64::try_from(u128::from(parts) * u128::from(unit) / scale).ok()?;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(part)
}

/// The largest unit that a size is a multiple of.
fn in_units(bytes: u64) -> (u64, &'static str) {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let found = units.into_iter().find(|(unit, _)| bytes.is_multiple_of(*unit));
    found.map_or((bytes, ""), |(unit, name)| (bytes / unit, name))
}

/// Reads a time, such as `500ms`, `10s` or `2m`.
pub fn time(text: &str) -> Result<Duration, String> {
    time_from(Duration::from_millis(1), text)
        .ok_or_else(|| "expected a time from 1ms to 1day, such as 500ms, 10s or 2m".to_owned())
}

/// As [`time`], of a time that may be none.
pub fn time_or_zero(text: &str) -> Result<Duration, String> {
    time_from(Duration::ZERO, text)
        .ok_or_else(|| "expected 0 or a time up to 1day, such as 500us or 2ms".to_owned())
}

/// As [`time`], of what may be for long: up to ten years.
pub fn long_time(text: &str) -> Result<Duration, String> {
    time_within(Duration::from_millis(1)..=TEN_YEARS, text)
        .ok_or_else(|| "expected a time from 1ms to 3650days, such as 12h or 30days".to_owned())
}

fn time_from(shortest: Duration, text: &str) -> Option<Duration> {
    time_within(shortest..=DAY, text)
}

fn time_within(times: RangeInclusive<Duration>, text: &str) -> Option<Duration> {
    let text = text.trim().to_ascii_lowercase();
    let mut sum = Duration::ZERO;
    for term in terms(&text) {
        sum = sum.checked_add(humantime::parse_duration(term).ok()?)?;
    }
    (!text.is_empty() && times.contains(&sum)).then_some(sum)
}

/// Each number with its unit. humantime adds them up without looking for an
/// overflow, and panics at one.
fn terms(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let unit = rest.find(|c: char| c.is_alphabetic());
        let next = unit.and_then(|at| Some(at + rest[at..].find(|c: char| c.is_ascii_digit())?));
        let (term, after) = rest.split_at(next.unwrap_or(rest.len()));
        rest = after;
        (!term.is_empty()).then_some(term)
    })
}

/// Reads where to listen.
pub fn address(text: &str) -> Result<Address, String> {
    let text = text.trim();
    let is_socket = text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("unix:"));
    let read = if is_socket {
        let path = &text[5..];
        (!path.is_empty()).then(|| Address::Unix(PathBuf::from(path)))
    } else {
        text.rsplit_once(':').and_then(|(host, port)| {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let is_host = match bare {
                Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
                None => {
                    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
                }
            };
            // No sign, which would be taken for a number too.
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|_| is_port && is_host)?;
            Some(Address::Tcp { host: bare.unwrap_or(host).to_owned(), port })
        })
    };
    read.ok_or_else(|| {
        "expected an address and a port, such as 127.0.0.1:8088, [::1]:8088, localhost:8088 or \
         :8088, or a socket, such as unix:/run/downlink.sock"
            .to_owned()
    })
}

/// Reads the mode of a file, in octal digits; `0o` may stand before them, as in TOML.
pub fn mode(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let text = text.strip_prefix("0o").unwrap_or(text);
    let is_octal = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(text, 8).ok().filter(|&mode| is_octal && mode <= 0o777);
    mode.ok_or_else(|| "expected a mode in octal digits from 0 to 777, such as 660".to_owned())
}

/// Reads which log lines are written. A word alone must be a level: to take it
/// for a target, as the filter would, silences all others.
pub fn log_filter(text: &str) -> Result<String, String> {
    let expected = "expected a level (error, warn, info, debug, trace or off), or levels for \
                    targets, such as info,downlink::fleet=debug";
    for directive in text.split(',') {
        let directive = directive.trim();
        let names_target = directive.contains(['=', '[']);
        if !names_target && (directive.is_empty() || directive.parse::<LevelFilter>().is_err()) {
            return Err(format!("{directive:?} is no level; {expected}"));
        }
    }
    let text: Vec<_> = text.split(',').map(str::trim).collect();
    let text = text.join(",");
    EnvFilter::try_new(&text).map_err(|error| format!("{error}; {expected}"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: u64 = i64::MAX as u64;

    #[test]
    fn counts_have_both_ends() {
        for (text, read) in [("1", 1), (" 8 ", 8), ("10", 10)] {
            assert_eq!(count::<10>(text).map(NonZeroUsize::get), Ok(read));
        }
        for bad in ["", "0", "-1", "11", "1.0", "18446744073709551615", "99999999999999999999"] {
            assert!(count::<10>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_take_units_whatever_their_case() {
        for (text, read) in [
            ("65536", 65_536),
            ("64KiB", 65_536),
            ("64 KiB", 65_536),
            ("64K", 65_536),
            ("64kb", 64_000),
            ("1kB", 1000),
            ("16MiB", 16 << 20),
            (" 16mib\n", 16 << 20),
            ("1.5GiB", 3 << 29),
            ("7b", 7),
        ] {
            assert_eq!(size::<ANY>(text), Ok(read), "{text}");
        }
        let too_large = ["99999999999GiB", "18446744073709551615", "99999999999999999999999"];
        let bad = ["", "0", "0KiB", "-1", "+1", "KiB", "1x", "x", "1.", ".5k", "1.2.3k", "1 2k"];
        for bad in bad.iter().chain(&too_large) {
            assert!(size::<ANY>(bad).is_err(), "{bad}");
        }
        assert!(size::<1024>("1025").unwrap_err().contains("up to 1KiB"));
    }

    #[test]
    fn times_take_units_whatever_their_case() {
        for (text, read) in [
            ("1500ms", Duration::from_millis(1500)),
            ("2m", Duration::from_secs(120)),
            ("2M", Duration::from_secs(120)),
            ("5 s", Duration::from_secs(5)),
            (" 5S\n", Duration::from_secs(5)),
            ("1m 30s", Duration::from_secs(90)),
            ("1m30s", Duration::from_secs(90)),
        ] {
            assert_eq!(time(text), Ok(read), "{text}");
        }
        for day in ["1440m", "24h", "1day"] {
            assert_eq!(time(day), Ok(DAY));
        }
        let overflowing = "18446744073709551615s 1000ms";
        let bad = ["", "5", "-1s", "s", "25h", "86401s", "9999999999999999m", overflowing, "1s 5"];
        for bad in bad {
            assert!(time(bad).is_err(), "{bad}");
            assert!(time_or_zero(bad).is_err(), "{bad}");
        }
        for short in ["0", "0s", "999us"] {
            assert!(time(short).is_err(), "{short}");
            assert!(time_or_zero(short).is_ok(), "{short}");
        }
    }

    #[test]
    fn addresses_have_names_ports_and_paths() {
        for (text, read) in [
            ("127.0.0.1:8088", "127.0.0.1:8088"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:8088", "localhost:8088"),
            (" a-b.example:1 ", "a-b.example:1"),
            (":8088", ":8088"),
            ("unix:/run/x y.sock", "unix:/run/x y.sock"),
            ("UNIX:s", "unix:s"),
        ] {
            assert_eq!(address(text).map(|address| address.to_string()), Ok(read.to_owned()));
        }
        let bad =
            ["", "8088", "localhost", "127.0.0.1", "a:65536", "a:+1", "a:", "::1:80", "[x]:1"];
        for bad in bad.into_iter().chain(["unix:", "http://a:1", "a b:1", "a:b:1"]) {
            assert!(address(bad).unwrap_err().contains("localhost:8088"), "{bad}");
        }
    }

    #[test]
    fn a_word_alone_in_a_log_filter_is_a_level() {
        for good in
            ["info", "WARN", "off", "info,downlink::fleet::checkpoint=debug", "a=trace, info"]
        {
            assert!(log_filter(good).is_ok(), "{good}");
        }
        for bad in
            ["warning", "verbose", "downlink", "", "info,", "a=b=c", "info,warning", "a=loud"]
        {
            assert!(log_filter(bad).unwrap_err().contains("error, warn, info"), "{bad}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("660"), Ok(0o660));
        assert_eq!(mode("0600"), Ok(0o600));
        assert_eq!(mode("0o600"), Ok(0o600));
        assert_eq!(mode("0"), Ok(0));
        for bad in ["", "0o", "8", "1000", "rw", "-1", "+7", "18446744073709551615"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }
}
