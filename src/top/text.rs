//! Owns how texts, numbers and times that a service sent are shown on a terminal:
//! nothing of them acts on it. Does not own where they stand (`view`).

use ratatui::buffer::Buffer;
use ratatui::text::Span;
use time::OffsetDateTime;

/// A text in which everything that would act on a terminal, or turn the order of
/// what follows, is escaped.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// Controls, marks of direction, and what has no width or no meaning by itself.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A plain text cut to so many columns, with an ellipsis where it was cut.
pub fn fit(text: &str, columns: usize) -> String {
    let text = plain(text);
    if width(&text) <= columns {
        return text;
    }
    let mut out = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += width(c.encode_utf8(&mut [0; 4]));
        if taken > columns {
            break;
        }
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// Its end, likewise.
pub fn fit_end(text: &str, columns: usize) -> String {
    let text = plain(text);
    let cuts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let fits = |at: &usize| width(&text[*at..]) + usize::from(*at > 0) <= columns;
    match cuts.into_iter().find(fits) {
        Some(0) => text,
        Some(at) => format!("…{}", &text[at..]),
        None => String::new(),
    }
}

/// In columns.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// `1,234,567`
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = if number < 0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The same for what is never negative.
pub fn count(number: u64) -> String {
    i64::try_from(number).map_or_else(|_| number.to_string(), grouped)
}

/// A rate: `0`, `3.2`, `1,250`.
pub fn rate(a_second: f64) -> String {
    if a_second <= 0.0 || a_second >= 9.95 {
        // Far from where an i64 ends.
        #[expect(clippy::cast_possible_truncation, reason = "a float is cut to what there is")]
        let whole = a_second.round() as i64;
        grouped(whole)
    } else {
        format!("{a_second:.1}")
    }
}

/// How long ago that was, or nothing where it is no time.
pub fn ago(then: &str, now: OffsetDateTime) -> String {
    let format = &time::format_description::well_known::Rfc3339;
    OffsetDateTime::parse(then, format).map_or_else(|_| String::new(), |then| span(now - then))
}

/// `4s`, `3m 12s`, `5h 2m`, `3d 4h`
pub fn span(time: time::Duration) -> String {
    let seconds = time.whole_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// `20:41:07` of a time in RFC 3339.
pub fn clock(time: &str) -> &str {
    time.get(11..19).unwrap_or("")
}

/// The lines of a screen, without blanks at their ends.
pub fn lines(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    let line = |y| {
        let mut line = String::new();
        let mut x = area.x;
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // What is wide covers those that follow.
            x += u16::try_from(width(symbol).max(1)).unwrap_or(1);
        }
        line.trim_end().to_owned()
    };
    (area.y..area.bottom()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn nothing_of_a_text_acts_on_the_terminal() {
        let cases = [
            ("ARTEMIS", "ARTEMIS"),
            ("ü 火箭 🚀", "ü 火箭 🚀"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("\u{202e}evil\u{9b}", "\\u{202e}evil\\u{9b}"),
            ("a\nb\tc\u{2066}\u{200b}", "a\\u{a}b\\u{9}c\\u{2066}\\u{200b}"),
        ];
        for (text, shown) in cases {
            assert_eq!(plain(text), shown);
        }
        assert_eq!(fit("abcdef", 6), "abcdef");
        assert_eq!(fit("abcdefg", 6), "abcde…");
        assert_eq!(fit("火箭火箭", 6), "火箭…");
        assert_eq!(fit("ab", 1), "…");
        assert_eq!(fit("ab", 0), "");
        let ends = ["abcdef", "abcdefg", "火箭火箭"].map(|text| fit_end(text, 6));
        assert_eq!(ends, ["abcdef", "…cdefg", "…火箭"]);
        assert_eq!([0, 1, 2].map(|columns| fit_end("ab", columns)), ["", "…", "ab"]);
    }

    #[test]
    fn numbers_and_times_are_short() {
        assert_eq!(grouped(-1_234_567), "-1,234,567");
        assert_eq!(grouped(i64::MIN), "-9,223,372,036,854,775,808");
        assert_eq!(
            [0.0, 0.25, 9.94, 10.2, 12_345.6].map(rate),
            ["0", "0.2", "9.9", "10", "12,346"]
        );
        let spans = [-5, 59, 61, 3700, 90_000].map(|seconds| span(Duration::seconds(seconds)));
        assert_eq!(spans, ["0s", "59s", "1m 1s", "1h 1m", "1d 1h"]);
        let now = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(ago("1969-12-31T23:58:00Z", now), "2m 0s");
        assert_eq!(ago("never", now), "");
        assert_eq!(clock("2026-11-28T20:41:07.5Z"), "20:41:07");
        assert_eq!(clock("ü"), "");
    }
}
