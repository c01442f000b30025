//! Bearer tokens (RFC 6750): who may send messages, who may read, who may decide
//! about the fleet. Owns the tokens and the comparison. Does not own how a file is
//! written (`token_file`), which side a route is on (`routes`), nor the answers
//! (`problem`).
//!
//! Only digests are kept, but for the token that a connection was let in with last
//! (`remembered`). A token that is sent is hashed, and its digest compared
//! with every one there is, in a time that depends on none of them: neither on how
//! much of a token is right, nor on its length, nor on which one it is. That holds
//! by construction; nothing here ends early.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;
use tracing::warn;
use warp::http::HeaderValue;

use super::remembered::Remembered;
use super::single::Single;
use super::token_file::{Digest, Fault, contents, digests};
use crate::http::reading;
use crate::http::routes::Scope;

/// Lets anybody on the machine read a file, or write it.
const OF_OTHERS: u32 = 0o006;

/// The tokens of all sides. A handle: copies have the same.
#[derive(Clone, Default)]
pub struct Tokens(Option<Arc<Files>>);

struct Files {
    paths: TokenFiles,
    held: ArcSwap<Held>,
    /// How often they were read.
    generations: AtomicU64,
}

/// Where the tokens of each side are.
#[derive(Clone, Debug, Default)]
pub struct TokenFiles {
    /// Of those who send messages.
    pub ingest: Option<PathBuf>,
    /// Of those who read.
    pub read: Option<PathBuf>,
    /// Of those who decide about the fleet.
    pub admin: Option<PathBuf>,
}

impl TokenFiles {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.ingest, &self.read, &self.admin].into_iter().flatten()
    }
}

/// The digests of each side's tokens.
#[derive(Default)]
struct Held {
    /// Sets this apart from what was held before.
    generation: u64,
    ingest: Box<[Digest]>,
    read: Box<[Digest]>,
    admin: Box<[Digest]>,
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
    /// It has a token that is good for another side only.
    OtherSide,
    /// It needs a token of a kind that there is none of.
    Impossible,
}

/// Why a file's tokens could not be had.
#[derive(Debug, Error)]
#[error("{flag} {path}: {fault}")]
pub struct TokenError {
    flag: &'static str,
    path: String,
    fault: Fault,
}

impl Tokens {
    /// Those of senders and readers alone: see [`Tokens::of`].
    ///
    /// # Errors
    /// As [`Tokens::of`].
    pub fn open(ingest: Option<PathBuf>, read: Option<PathBuf>) -> Result<Self, TokenError> {
        Self::of(TokenFiles { ingest, read, admin: None })
    }

    /// Reads the files there are. Without one, its side is open; but that of operators
    /// is closed then, unless there is none at all.
    ///
    /// # Errors
    /// When one cannot be read, holds no token, or something else.
    pub fn of(paths: TokenFiles) -> Result<Self, TokenError> {
        if paths.all().next().is_none() {
            return Ok(Self(None));
        }
        let files = Files { paths, held: ArcSwap::default(), generations: AtomicU64::new(0) };
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
        let files = self.0.iter().flat_map(|files| files.paths.all());
        files.filter(is_exposed).map(PathBuf::as_path).collect()
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

    /// As [`Tokens::judge`], for the next request of a connection.
    #[must_use]
    pub fn judge_next(
        &self,
        scope: Scope,
        authorization: &Single<'_>,
        remembered: &mut Remembered,
    ) -> Verdict {
        let (Some(files), Single::Once(sent)) = (&self.0, authorization) else {
            return self.judge(scope, authorization);
        };
        // Before it is judged: what is read meanwhile is another one.
        let generation = files.held.load().generation;
        if remembered.has(sent.as_bytes(), scope, generation) {
            return Verdict::Granted;
        }
        let verdict = self.judge(scope, authorization);
        if verdict == Verdict::Granted && files.guard(scope) {
            remembered.set(sent.as_bytes(), scope, generation);
        }
        verdict
    }

    /// What a request's `Authorization` is good for on a side.
    #[must_use]
    pub fn judge(&self, scope: Scope, authorization: &Single<'_>) -> Verdict {
        let Some(files) = self.0.as_ref().filter(|files| files.guard(scope)) else {
            return Verdict::Granted;
        };
        if scope == Scope::Operate && files.paths.admin.is_none() {
            return Verdict::Impossible;
        }
        let sent = match authorization {
            Single::Absent => return Verdict::Missing,
            Single::Doubled => return Verdict::Invalid,
            Single::Once(sent) => sent,
        };
        // Another scheme is as good as none.
        let Some(token) = bearer(sent) else { return Verdict::Missing };
        let digest: Digest = Sha256::digest(token).into();
        let held = files.held.load();
        let [ingest, read, admin] =
            [&held.ingest, &held.read, &held.admin].map(|held| is_among(&digest, held));
        let (this, other) = match scope {
            Scope::Ingest => (ingest, read | admin),
            Scope::Read | Scope::Open => (read, ingest | admin),
            Scope::Operate => (admin, ingest | read),
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
        let files = self.0.as_ref().map(|files| &files.paths);
        to.debug_tuple("Tokens").field(&files).finish()
    }
}

impl Files {
    fn guard(&self, scope: Scope) -> bool {
        match scope {
            Scope::Ingest => self.paths.ingest.is_some(),
            Scope::Read => self.paths.read.is_some(),
            // As there are tokens, not anybody is to do this.
            Scope::Operate => true,
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
            generation: self.generations.fetch_add(1, Ordering::Relaxed),
            ingest: load("--ingest-token-file", &self.paths.ingest)?,
            read: load("--read-token-file", &self.paths.read)?,
            admin: load("--admin-token-file", &self.paths.admin)?,
        })
    }
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
    use std::cell::RefCell;

    use super::*;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "a-._~+/B0123456789==";

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
        // But that of operators: who guards one side does not want it to be anybody.
        assert_eq!(judge(false, false, Scope::Operate, ""), Verdict::Granted);
        for (ingest, read) in [(true, true), (true, false), (false, true)] {
            for token in ["", &bearer(ONE), &bearer(both)] {
                assert_eq!(judge(ingest, read, Scope::Operate, token), Verdict::Impossible);
            }
        }
        std::fs::write(path("admin"), "good-for-operators").unwrap();
        let [ingest, admin] = ["ingest", "admin"].map(|name| Some(path(name)));
        let tokens = Tokens::of(TokenFiles { ingest, read: None, admin }).unwrap();
        for (side, token, verdict) in [
            (Scope::Operate, "good-for-operators", Verdict::Granted),
            (Scope::Operate, ONE, Verdict::OtherSide),
            (Scope::Operate, "good-for-nothing-else", Verdict::Invalid),
            (Scope::Ingest, "good-for-operators", Verdict::OtherSide),
            (Scope::Read, "good-for-operators", Verdict::Granted),
        ] {
            let sent = HeaderValue::from_str(&bearer(token)).unwrap();
            assert_eq!(tokens.judge(side, &Single::Once(&sent)), verdict, "{side:?} {token}");
        }
        assert_eq!(tokens.judge(Scope::Operate, &Single::Absent), Verdict::Missing);
    }

    #[test]
    fn a_reload_takes_both_files_or_neither() {
        let directory = tempfile::tempdir().unwrap();
        let (ingest, read) = (directory.path().join("ingest"), directory.path().join("read"));
        std::fs::write(&ingest, ONE).unwrap();
        std::fs::write(&read, OTHER).unwrap();
        let tokens = Tokens::open(Some(ingest.clone()), Some(read.clone())).unwrap();
        let copy = tokens.clone();
        // As of one connection.
        let remembered = RefCell::new(Remembered::default());
        let judge = |side, token: &str| {
            let token = HeaderValue::from_str(token).unwrap();
            let first = copy.judge(side, &Single::Once(&token));
            for _ in 0..2 {
                let next =
                    copy.judge_next(side, &Single::Once(&token), &mut remembered.borrow_mut());
                assert_eq!(next, first);
            }
            first
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
