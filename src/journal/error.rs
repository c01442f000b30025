//! Why a journal cannot be opened, and why it could not keep something.
//!
//! Owns the errors of the seam. Knows no journal: what one of them says of its
//! own library is boxed, so that nobody above it depends on that library.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The journal could not make something durable, and will take nothing more.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the journal failed: {0}")]
pub struct AppendError(pub String);

impl AppendError {
    /// The journal ended without saying what became of it.
    #[must_use]
    pub fn gone() -> Self {
        Self("it has ended".to_owned())
    }
}

/// Why a journal cannot be used. Every text names what it is about.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("cannot use the data directory {}: {error}", path.display())]
    Directory { path: PathBuf, error: io::Error },
    #[error("the data directory {} is in use by {holder}", path.display())]
    InUse { path: PathBuf, holder: String },
    #[error("cannot open {}: {error}", file.display())]
    Open { file: PathBuf, error: Box<dyn Error + Send + Sync> },
    #[error("{} has format version {found}, and only version {known} is known", file.display())]
    Version { file: PathBuf, found: i64, known: i64 },
    #[error("{} is corrupt: {place}: {problem}", file.display())]
    Corrupt { file: PathBuf, place: String, problem: String },
    #[error("cannot start the thread that commits: {0}")]
    Thread(io::Error),
    #[error("the start was interrupted")]
    Interrupted,
}
