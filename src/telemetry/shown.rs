//! How texts that somebody sent are shown in complaints about them: the start
//! of them. Does not own which complaint shows what.

use std::fmt;

/// Bytes of a text that are shown: enough to find it again.
const MAX_BYTES: usize = 64;

/// A text in quotes, and with all that is not plain escaped.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

/// A text as it is; for those that are plain, such as numbers.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(pub &'a str);

fn start(text: &str) -> &str {
    let mut ends = (0..=MAX_BYTES.min(text.len())).rev();
    ends.find_map(|end| text.get(..end)).expect("there is one before the first byte")
}

fn write_length(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.len() > MAX_BYTES { write!(f, "… ({} bytes)", text.len()) } else { Ok(()) }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", start(self.0))?;
        write_length(f, self.0)
    }
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(start(self.0))?;
        write_length(f, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_start_of_a_long_text_is_shown() {
        assert_eq!(Quoted("a\"b").to_string(), r#""a\"b""#);
        let exact = "x".repeat(MAX_BYTES);
        assert_eq!(Plain(&exact).to_string(), exact);
        let long = format!("{}é", "x".repeat(MAX_BYTES - 1));
        let shown = format!("{}… (65 bytes)", "x".repeat(MAX_BYTES - 1));
        assert_eq!(Plain(&long).to_string(), shown);
        assert_eq!(Quoted(&"y".repeat(1000)).to_string().len(), MAX_BYTES + 18);
    }
}
