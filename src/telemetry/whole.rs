//! Whole numbers in the clothes of fractions, such as `1.0` and `1e3`, which
//! Lua, PHP, R and JavaScript write. Decided on the text: as a 64-bit float
//! some other number would look the same.

/// From here on a float can no longer tell all integers apart, so nobody knows
/// what a sender that writes floats had.
const TOO_LARGE: u64 = 1 << 53;

/// More digits than any number below [`TOO_LARGE`] has.
const MAX_DIGITS: i64 = 16;

/// The value of a JSON number if it is whole, not negative and below 2^53.
#[must_use]
pub fn value(number: &str) -> Option<u64> {
    let unsigned = number.strip_prefix('-');
    let (mantissa, exponent) = match unsigned.unwrap_or(number).split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()),
        None => (unsigned.unwrap_or(number), Some(0_i64)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let zeros = length(&digits) - length(significant);
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // An exponent that does not even fit makes it far too large or too small.
    let scale = exponent?.checked_add(zeros - length(fraction))?;
    if unsigned.is_some() || scale < 0 || scale > MAX_DIGITS - length(significant) {
        return None;
    }
    let power = 10_u64.pow(u32::try_from(scale).ok()?);
    let value = significant.parse::<u64>().ok()?.checked_mul(power)?;
    (value < TOO_LARGE).then_some(value)
}

fn length(digits: &str) -> i64 {
    i64::try_from(digits.len()).expect("no text is that long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_told_from_others_by_their_digits() {
        for (text, expected) in [
            ("1.0", Some(1)),
            ("1e3", Some(1000)),
            ("1E+3", Some(1000)),
            ("12.50e1", Some(125)),
            ("1000e-3", Some(1)),
            ("0.001e3", Some(1)),
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("0e99999999999999999999", Some(0)),
            ("9007199254740991", Some(TOO_LARGE - 1)),
            ("9007199254740991.00", Some(TOO_LARGE - 1)),
            ("9007199254740992", None),
            ("9999999999999999", None),
            ("1e15", Some(1_000_000_000_000_000)),
            ("1e16", None),
            ("1e400", None),
            ("1e9223372036854775807", None),
            ("1.0e-9223372036854775808", None),
            ("1e-99999999999999999999", None),
            ("0.5", None),
            ("1e-1", None),
            ("12.51e1", None),
            ("-1.0", None),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }
}
