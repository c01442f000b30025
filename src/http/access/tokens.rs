//! Bearer tokens (RFC 6750): who may send messages, who may read. Owns the
//! tokens, the files that they are in, and the comparison. Does not own which
//! side a route is on (`routes`), nor the answers (`problem`).
//!
//! A file has one token a line, with a name before it if one likes, so that one
//! knows which to take out: `NAME TOKEN`. A name is shorter than any token, so that
//! neither can be taken for the other where somebody writes them the other way
//! round. Blank lines and those that begin with `#` do not count. Nothing of a line is ever shown: what is wrong with it is
//! told by its number.
//!
//! Only digests are kept. A token that is sent is hashed, and its digest compared
//! with every one there is, in a time that depends on none of them: neither on how
//! much of a token is right, nor on its length, nor on which one it is. That holds
//! by construction; nothing here ends early.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;
use tracing::warn;
use warp::http::HeaderValue;

use super::single::Single;
use crate::http::reading;
use crate::http::routes::Scope;

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

/// Each request is compared with all of them.
const MOST_TOKENS: usize = 1000;

/// Far more than that many tokens take.
const LARGEST_FILE: u64 = 1 << 20;

/// Lets anybody on the machine read a file, or write it.
const OF_OTHERS: u32 = 0o006;

type Digest = [u8; 32];

/// The tokens of both sides. A handle: copies have the same.
#[derive(Clone, Default)]
pub struct Tokens(Option<Arc<Files>>);

struct Files {
    ingest: Option<PathBuf>,
    read: Option<PathBuf>,
    held: ArcSwap<Held>,
}

/// The digests of each side's tokens.
#[derive(Default)]
struct Held {
    ingest: Box<[Digest]>,
    read: Box<[Digest]>,
}

/// What a request's token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request may go on.
    Granted,
    /// It needs a token and has none.
    Missing,
    /// It has something that is none of the tokens.
    Invalid,
    /// It has a token that is good for the other side only.
    OtherSide,
}

/// Why a file's tokens could not be had.
#[derive(Debug, Error)]
#[error("{flag} {path}: {fault}")]
pub struct TokenError {
    flag: &'static str,
    path: String,
    fault: Fault,
}

#[derive(Debug, Error)]
enum Fault {
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    #[error("the file is larger than {LARGEST_FILE} bytes")]
    TooLarge,
    #[error("the file holds no token")]
    Empty,
    #[error("the file holds more than {MOST_TOKENS} tokens")]
    TooMany,
    #[error("line {0}: {1}")]
    Line(usize, &'static str),
}

impl Tokens {
    /// Reads the files there are. Without one, its side is open.
    ///
    /// # Errors
    /// When one cannot be read, holds no token, or something else.
    pub fn open(ingest: Option<PathBuf>, read: Option<PathBuf>) -> Result<Self, TokenError> {
        if ingest.is_none() && read.is_none() {
            return Ok(Self(None));
        }
        let files = Files { ingest, read, held: ArcSwap::default() };
        files.held.store(Arc::new(files.load()?));
        Ok(Self(Some(Arc::new(files))))
    }

    /// Warns of files that others on the machine can read or write.
    pub fn warn_of_exposed_files(&self) {
        for file in self.exposed_files() {
            warn!(file = %file.display(), "others on this machine can read or write the tokens");
        }
    }

    /// Reads the files again, as at the start. Waits for the disk. What is returned
    /// has that taken which both hold: all of it, from then on.
    ///
    /// # Errors
    /// As [`Tokens::open`].
    pub fn read_again(&self) -> Result<impl FnOnce() + Send + 'static + use<>, TokenError> {
        let found = match &self.0 {
            None => None,
            Some(files) => Some((files.clone(), Arc::new(files.load()?))),
        };
        self.warn_of_exposed_files();
        Ok(move || {
            if let Some((files, held)) = found {
                files.held.store(held);
            }
        })
    }

    /// Reads the files again and takes what they hold.
    ///
    /// # Errors
    /// As [`Tokens::open`]; then the tokens stay as they were.
    pub fn reload(&self) -> Result<(), TokenError> {
        self.read_again()?();
        Ok(())
    }

    /// The files that others on the machine can read or write.
    fn exposed_files(&self) -> Vec<&Path> {
        let is_exposed = |path: &&PathBuf| {
            path.metadata().is_ok_and(|file| file.permissions().mode() & OF_OTHERS != 0)
        };
        let files = self.0.iter().flat_map(|files| [&files.ingest, &files.read]);
        files.flatten().filter(is_exposed).map(PathBuf::as_path).collect()
    }

    /// Whether no route needs any.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a side's routes need one.
    #[must_use]
    pub fn guard(&self, scope: Scope) -> bool {
        self.0.as_ref().is_some_and(|files| files.guard(scope))
    }

    /// What a request's `Authorization` is good for on a side.
    #[must_use]
    pub fn judge(&self, scope: Scope, authorization: &Single<'_>) -> Verdict {
        let Some(files) = self.0.as_ref().filter(|files| files.guard(scope)) else {
            return Verdict::Granted;
        };
        let sent = match authorization {
            Single::Absent => return Verdict::Missing,
            Single::Doubled => return Verdict::Invalid,
            Single::Once(sent) => sent,
        };
        // Another scheme is as good as none.
        let Some(token) = bearer(sent) else { return Verdict::Missing };
        let digest: Digest = Sha256::digest(token).into();
        let held = files.held.load();
        let (ingest, read) = (is_among(&digest, &held.ingest), is_among(&digest, &held.read));
        let (this, other) = match scope {
            Scope::Ingest => (ingest, read),
            Scope::Read | Scope::Open => (read, ingest),
        };
        if this.into() {
            Verdict::Granted
        } else if other.into() {
            Verdict::OtherSide
        } else {
            Verdict::Invalid
        }
    }
}

impl fmt::Debug for Tokens {
    /// Without the digests: of a token that can be guessed they say which it is.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.0.as_ref().map(|files| (&files.ingest, &files.read));
        to.debug_tuple("Tokens").field(&files).finish()
    }
}

impl Files {
    fn guard(&self, scope: Scope) -> bool {
        match scope {
            Scope::Ingest => self.ingest.is_some(),
            Scope::Read => self.read.is_some(),
            Scope::Open => false,
        }
    }

    fn load(&self) -> Result<Held, TokenError> {
        let load = |flag, path: &Option<PathBuf>| {
            let Some(path) = path else { return Ok(Box::default()) };
            let failed = |fault| TokenError { flag, path: path.display().to_string(), fault };
            let text = reading::file(flag, path, || contents(path));
            text.and_then(|text| digests(&text)).map_err(failed)
        };
        Ok(Held {
            ingest: load("--ingest-token-file", &self.ingest)?,
            read: load("--read-token-file", &self.read)?,
        })
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST_FILE { Err(Fault::TooLarge) } else { Ok(text) }
}

/// The digests of a file's tokens.
fn digests(text: &[u8]) -> Result<Box<[Digest]>, Fault> {
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

/// The token in an `Authorization`, whatever it looks like; none if it is of
/// another scheme.
fn bearer(authorization: &HeaderValue) -> Option<&[u8]> {
    let text = authorization.as_bytes();
    let (scheme, rest) = text.split_at_checked(b"Bearer".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer");
    (is_bearer && rest.first().is_none_or(|&byte| byte == b' ')).then(|| rest.trim_ascii())
}

/// Whether a digest is one of those held. Looks at all of them, whole.
fn is_among(digest: &Digest, held: &[Digest]) -> Choice {
    held.iter().fold(Choice::from(0), |found, other| found | digest.ct_eq(other))
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

    #[test]
    fn a_token_is_good_for_its_side() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let both = "good-for-both-sides-";
        std::fs::write(path("ingest"), format!("{ONE}\n{both}")).unwrap();
        std::fs::write(path("read"), format!("{OTHER}\n{both}")).unwrap();
        let judge = |ingest: bool, read: bool, side, sent: &str| {
            let file = |name, wanted: bool| wanted.then(|| path(name));
            let tokens = Tokens::open(file("ingest", ingest), file("read", read)).unwrap();
            let sent = HeaderValue::from_str(sent).unwrap();
            tokens.judge(side, &Single::Once(&sent))
        };
        let bearer = |token: &str| format!("Bearer {token}");
        for (side, token, verdict) in [
            (Scope::Ingest, bearer(ONE), Verdict::Granted),
            (Scope::Ingest, bearer(both), Verdict::Granted),
            (Scope::Ingest, bearer(OTHER), Verdict::OtherSide),
            (Scope::Read, bearer(OTHER), Verdict::Granted),
            (Scope::Read, bearer(both), Verdict::Granted),
            (Scope::Read, bearer(ONE), Verdict::OtherSide),
            (Scope::Read, format!("bEARER   {OTHER} "), Verdict::Granted),
            (Scope::Read, bearer(&OTHER[1..]), Verdict::Invalid),
            (Scope::Read, bearer(&OTHER.to_lowercase()), Verdict::Invalid),
            (Scope::Read, bearer(&format!("{OTHER},{OTHER}")), Verdict::Invalid),
            (Scope::Read, "Bearer".to_owned(), Verdict::Invalid),
            (Scope::Read, "Basic eDp5".to_owned(), Verdict::Missing),
            (Scope::Read, format!("BearerX{OTHER}"), Verdict::Missing),
            (Scope::Read, OTHER.to_owned(), Verdict::Missing),
            (Scope::Read, String::new(), Verdict::Missing),
            (Scope::Open, "Bearer nonsense".to_owned(), Verdict::Granted),
        ] {
            assert_eq!(judge(true, true, side, &token), verdict, "{side:?} {token}");
        }
        // A side without a file is open, whatever is sent.
        assert_eq!(judge(true, false, Scope::Read, "Bearer nonsense"), Verdict::Granted);
        assert_eq!(judge(true, false, Scope::Ingest, "Bearer nonsense"), Verdict::Invalid);
        assert_eq!(judge(false, false, Scope::Ingest, ""), Verdict::Granted);
    }

    #[test]
    fn a_reload_takes_both_files_or_neither() {
        let directory = tempfile::tempdir().unwrap();
        let (ingest, read) = (directory.path().join("ingest"), directory.path().join("read"));
        std::fs::write(&ingest, ONE).unwrap();
        std::fs::write(&read, OTHER).unwrap();
        let tokens = Tokens::open(Some(ingest.clone()), Some(read.clone())).unwrap();
        let copy = tokens.clone();
        let judge = |side, token: &str| {
            copy.judge(side, &Single::Once(&HeaderValue::from_str(token).unwrap()))
        };
        let new = "Bearer the-new-ingest-token";
        std::fs::write(&ingest, &new[7..]).unwrap();
        std::fs::write(&read, "bad").unwrap();
        let error = tokens.reload().unwrap_err().to_string();
        assert!(error.contains("--read-token-file") && error.contains("line 1"), "{error}");
        assert_eq!(judge(Scope::Ingest, new), Verdict::Invalid);
        assert_eq!(judge(Scope::Ingest, &format!("Bearer {ONE}")), Verdict::Granted);
        std::fs::write(&read, OTHER).unwrap();
        tokens.reload().unwrap();
        assert_eq!(judge(Scope::Ingest, new), Verdict::Granted);
        assert_eq!(judge(Scope::Ingest, &format!("Bearer {ONE}")), Verdict::Invalid);
        // Neither a token nor its digest.
        let shown = format!("{tokens:?} {:?}", Single::Absent);
        assert!(
            !shown.contains(OTHER) && !shown.contains("the-new") && shown.len() < 500,
            "{shown}"
        );
    }
}
