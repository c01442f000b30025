//! A file with tokens: how it is written, and what is wrong with one. Does not own
//! what a token is good for (`tokens`).
//!
//! A file has one token a line, with a name before it if one likes, so that one
//! knows which to take out: `NAME TOKEN`. A name is shorter than any token, so that
//! neither can be taken for the other where somebody writes them the other way
//! round. Blank lines and those that begin with `#` do not count. Nothing of a line is
//! ever shown: what is wrong with it is told by its number.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

/// Each request is compared with all of them.
const MOST_TOKENS: usize = 1000;

/// Far more than that many tokens take.
const LARGEST_FILE: u64 = 1 << 20;

/// Of a token.
pub type Digest = [u8; 32];

/// What is wrong with a file.
#[derive(Debug, Error)]
pub enum Fault {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// It is longer than any that makes sense.
    #[error("the file is larger than {LARGEST_FILE} bytes")]
    TooLarge,
    /// It has comments at most.
    #[error("the file holds no token")]
    Empty,
    /// More than each request can be compared with.
    #[error("the file holds more than {MOST_TOKENS} tokens")]
    TooMany,
    /// In this line, from 1.
    #[error("line {0}: {1}")]
    Line(usize, &'static str),
}

/// A file's text.
///
/// # Errors
/// [`Fault`].
pub fn contents(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST_FILE { Err(Fault::TooLarge) } else { Ok(text) }
}

/// The digests of a file's tokens.
///
/// # Errors
/// [`Fault`].
pub fn digests(text: &[u8]) -> Result<Box<[Digest]>, Fault> {
    let mut digests = Vec::new();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let wrong = |what| Fault::Line(at + 1, what);
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let words = (words.next(), words.next(), words.next());
        let ((name, Some(token), None) | (Some(token), name @ None, _)) = words else {
            return Err(wrong("expected a token, or a name, a blank and a token"));
        };
        if name.is_some_and(|name| name.len() >= SHORTEST) {
            return Err(wrong("a name comes first, and has fewer than 16 characters"));
        }
        if !is_token(token) {
            return Err(wrong(
                "a token has letters, digits and -._~+/ only, and perhaps = at its end",
            ));
        }
        if token.len() < SHORTEST {
            return Err(wrong(
                "a token has 16 characters at least, since shorter ones can be guessed",
            ));
        }
        digests.push(Sha256::digest(token).into());
    }
    match digests.len() {
        0 => Err(Fault::Empty),
        1..=MOST_TOKENS => Ok(digests.into()),
        _ => Err(Fault::TooMany),
    }
}

/// Whether it is what RFC 6750 calls a b64token.
fn is_token(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    let body = &text[..text.len() - padding];
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !body.is_empty() && body.iter().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "a-._~+/B0123456789==";

    fn read(text: &str) -> Result<usize, String> {
        digests(text.as_bytes()).map(|all| all.len()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_file_has_names_comments_and_blank_lines() {
        for (text, count) in [
            (ONE.to_owned(), 1),
            (format!("\u{feff}{ONE}\r\n\r\nsensor-7 \t{OTHER}\r\n"), 2),
            (format!("15-characters-- {ONE}"), 1),
            (format!("# a comment\n\n  #another {ONE} x y\n {ONE} \n"), 1),
            (format!("{ONE}\n").repeat(MOST_TOKENS), MOST_TOKENS),
        ] {
            assert_eq!(read(&text), Ok(count), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_and_shows_no_token() {
        for (text, told) in [
            (String::new(), "no token"),
            ("# nothing\n\n".to_owned(), "no token"),
            (format!("{ONE}\na b {OTHER}"), "line 2: expected a token"),
            (format!("\n#\n{ONE}!"), "line 3: a token has letters"),
            (format!("name:{ONE}"), "line 1: a token has letters"),
            ("=================".to_owned(), "line 1: a token has letters"),
            (format!("{ONE}=x"), "line 1: a token has letters"),
            ("short-secret".to_owned(), "line 1: a token has 16 characters at least"),
            (format!("{ONE} sensor-7"), "line 1: a name comes first"),
            // Nor is the name taken for the token if it could be one.
            (format!("\n{ONE} production-sensors-1"), "line 2: a name comes first"),
            (format!("{ONE}\r{OTHER}"), "line 1: a name comes first"),
            ("15-characters-- short-secret".to_owned(), "line 1: a token has 16"),
            (format!("{ONE}\n").repeat(MOST_TOKENS + 1), "more than 1000 tokens"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
            assert!(!error.contains(ONE) && !error.contains("secret"), "{error}");
        }
        assert!(digests(b"\xff\xfe0123456789abcdef").is_err());
    }
}
