//! Lists in headers, such as `text/html;q=0.5, */*`, as bytes: what is beyond
//! ASCII voids no header. Owns their parts, parameters and weights (RFC 9110,
//! 5.6 and 12.4.2). Does not own what a header is read for.

use std::mem::replace;

/// The weight of what is given none, in thousandths.
pub const FULL_WEIGHT: u16 = 1000;

/// The parts of a list, without white space around them. What is in quotes is
/// not taken apart.
pub fn parts(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = list.iter().position(|&byte| {
            let was_escaped = replace(&mut escaped, false);
            match byte {
                b'\\' if quoted && !was_escaped => escaped = true,
                b'"' if !was_escaped => quoted = !quoted,
                _ => return byte == separator && !quoted,
            }
            false
        });
        rest = end.map(|end| &list[end + 1..]);
        Some(list[..end.unwrap_or(list.len())].trim_ascii())
    })
}

/// The name and the value of a parameter; quotes around the value are left out.
#[must_use]
pub fn parameter(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = part.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (part[..at].trim_ascii(), part[at + 1..].trim_ascii());
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    Some((name, unquoted.unwrap_or(value)))
}

/// The weight that `q` among these parameters gives, in thousandths; the full
/// one if there is none that can be read.
pub fn weight<'a>(mut parameters: impl Iterator<Item = &'a [u8]>) -> u16 {
    let q = parameters.find_map(|part| {
        parameter(part).filter(|(name, _)| name.eq_ignore_ascii_case(b"q")).map(|(_, q)| q)
    });
    let weight = q.and_then(|q| std::str::from_utf8(q).ok()?.parse::<f32>().ok());
    match weight {
        Some(weight) if (0.0..1.0).contains(&weight) => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 999")]
            let thousandths = (weight * 1000.0).round() as u16;
            // What is above nothing does not become nothing.
            if weight > 0.0 { thousandths.max(1) } else { 0 }
        }
        _ => FULL_WEIGHT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_taken_apart_but_not_within_quotes() {
        let list = parts(b" a;x=\"1,\\\"2\" , b,,\xff", b',').collect::<Vec<_>>();
        assert_eq!(list, [&b"a;x=\"1,\\\"2\""[..], b"b", b"", b"\xff"]);
        assert_eq!(parameter(b"charset = \"utf-8\""), Some((&b"charset"[..], &b"utf-8"[..])));
        assert_eq!(parameter(b"x"), None);
    }

    #[test]
    fn weights_are_thousandths() {
        for (text, expected) in [
            ("", 1000),
            ("q=1", 1000),
            ("Q = 0.5", 500),
            ("q=0", 0),
            ("q=0.000", 0),
            ("q=0.00001", 1),
            ("q=7", 1000),
            ("q=NaN", 1000),
            ("q=x", 1000),
            ("x=0", 1000),
        ] {
            assert_eq!(weight(parts(text.as_bytes(), b';')), expected, "{text}");
        }
    }
}
