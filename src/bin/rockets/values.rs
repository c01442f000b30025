//! Owns how times, shares and rates are written on the command line. Does not own
//! which flags have them (`config`).

use std::time::Duration;

/// A time, or none at all.
#[derive(Clone, Copy, Debug)]
pub struct Bound(pub Option<Duration>);

/// Longer is a slip of the hand, and sums of such overflow.
const LONGEST_DURATION: Duration = Duration::from_secs(366 * 86_400);

/// As humantime has it; a bare 0 is none.
pub fn duration(typed: &str) -> Result<Duration, String> {
    // One number with its unit at a time: humantime panics where a sum overflows.
    let mut sum = Some(Duration::ZERO);
    let mut rest = typed;
    while !rest.is_empty() {
        let unit = rest.find(char::is_alphabetic).unwrap_or(rest.len());
        let next = rest[unit..].find(|c: char| c.is_ascii_digit());
        let (term, after) = rest.split_at(next.map_or(rest.len(), |next| unit + next));
        let time = humantime::parse_duration(term).ok();
        sum = sum.zip(time).and_then(|(sum, time)| sum.checked_add(time));
        rest = after;
    }
    sum.filter(|&sum| !typed.is_empty() && sum <= LONGEST_DURATION)
        .ok_or_else(|| "expected a duration such as 500ms, 1s or 2m".to_owned())
}

pub fn bound(typed: &str) -> Result<Bound, String> {
    if typed == "never" {
        return Ok(Bound(None));
    }
    match some_time(typed) {
        Ok(time) => Ok(Bound(Some(time))),
        Err(hint) => Err(format!("{hint}, or never")),
    }
}

pub fn some_time(typed: &str) -> Result<Duration, String> {
    match duration(typed)? {
        Duration::ZERO => Err("expected more than no time".into()),
        time => Ok(time),
    }
}

/// `5%` or `5`, from 0 to 100, as a share.
pub fn percentage(typed: &str) -> Result<f64, String> {
    let number = typed.strip_suffix('%').unwrap_or(typed);
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("expected a percentage from 0% to 100%, such as 5%".into()),
    }
}

/// `5000/s` or `5000`.
pub fn rate(typed: &str) -> Result<f64, String> {
    let number = typed.strip_suffix("/s").unwrap_or(typed);
    match number.parse::<f64>() {
        // Below, the time between two requests is over a day; above, the
        // clock is too coarse.
        Ok(rate) if (1e-5..=1e7).contains(&rate) => Ok(rate),
        _ => Err("expected requests a second, such as 5000/s".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let good = [
            ("500ms", 0.5),
            ("1s", 1.0),
            ("2m", 120.0),
            ("1.5s", 1.5),
            ("1m30s", 90.0),
            ("1h", 3600.0),
            ("1.5h", 5400.0),
            ("250us", 0.000_25),
            ("1h 30m", 5400.0),
            ("2 minutes", 120.0),
            ("1day", 86_400.0),
            ("366d", 31_622_400.0),
            ("0", 0.0),
            ("0s", 0.0),
        ];
        for (typed, seconds) in good {
            assert_eq!(duration(typed), Ok(Duration::from_secs_f64(seconds)), "{typed}");
        }
        let overflowing = "18446744073709551615s 1000ms";
        let bad = ["", "5", "s", "-1s", "1x", "1.2.3s", "367d", "99999999999h", "ms5", overflowing];
        for typed in bad {
            assert!(duration(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn percentages_and_rates() {
        assert_eq!(percentage("5%"), Ok(0.05));
        assert_eq!(percentage("100"), Ok(1.0));
        for typed in ["", "%", "-1%", "101%", "NaN", "x"] {
            assert!(percentage(typed).is_err(), "{typed}");
        }
        assert_eq!(rate("5000/s"), Ok(5000.0));
        assert_eq!(rate("0.5"), Ok(0.5));
        for typed in ["", "0", "-1/s", "inf", "NaN", "5/m"] {
            assert!(rate(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn bounds() {
        assert_eq!(bound("2m").unwrap().0, Some(Duration::from_secs(120)));
        assert_eq!(bound("never").unwrap().0, None);
        assert!(bound("0s").is_err() && bound("x").is_err());
        assert!(some_time("0").is_err() && some_time("never").is_err());
    }
}
