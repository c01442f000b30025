//! Why a journal cannot be opened, and why it could not keep something.
//!
//! Owns the errors of the seam. Knows no journal: what one of them says of its
//! own library is boxed, so that nobody above it depends on that library.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The journal could not make something durable.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AppendError {
    /// What is there is not known any more, and nothing more will be taken.
    #[error("the journal failed: {0}")]
    Failed(String),
    /// Nothing was written, and what comes later may be: somebody else has the
    /// lock, or there is no room.
    #[error("nothing can be written for now: {0}")]
    Refused(String),
}

impl AppendError {
    /// The journal ended without saying what became of it.
    #[must_use]
    pub fn gone() -> Self {
        Self::Failed("it has ended".to_owned())
    }
}

/// Why a journal cannot be used. Every text names what it is about.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The data directory, or a file in it, cannot be made, read or locked.
    #[error("cannot use the data directory {}: {error}", path.display())]
    Directory {
        /// The directory, or the file in it that it is about.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// Another process holds the directory's lock.
    #[error("the data directory {} is in use by {holder}", path.display())]
    InUse {
        /// The directory, as configured.
        path: PathBuf,
        /// Who it is, as far as the lock file tells.
        holder: String,
    },
    /// A file of the journal cannot be opened, read or prepared.
    #[error("cannot open {}: {error}", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// What the journal's library says.
        error: Box<dyn Error + Send + Sync>,
    },
    /// The file was written by another version of the service.
    #[error("{} has format version {found}, and only version {known} is known", file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// The format version in it.
        found: i64,
        /// The one that this version of the service reads and writes.
        known: i64,
    },
    /// Something is not as it was written.
    #[error("{} is corrupt: {place}: {problem}", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Where in it: a table and row, or an offset.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// The file was copied without another that belongs to it.
    #[error(
        "{} is only a part: what was kept last is in {}, which is missing (to go on without it, \
         create an empty file of that name; how to take a backup is in docs/OPERATIONS.md)",
        file.display(),
        missing.display()
    )]
    Incomplete {
        /// The file that is there.
        file: PathBuf,
        /// The one that is not.
        missing: PathBuf,
    },
    /// Somebody began to make a database there, and did not come to the end.
    #[error(
        "{} is what an import or a backup left that was cut off: do that again, or delete it",
        file.display()
    )]
    HalfMade {
        /// The file that is not whole.
        file: PathBuf,
    },
    /// What is to be made would lie beside something else.
    #[error("the directory {} is not empty: {found} is there", directory.display())]
    NotEmpty {
        /// The directory.
        directory: PathBuf,
        /// What is in it.
        found: String,
    },
    /// There is no database to be read.
    #[error("no fleet is kept in {}", directory.display())]
    Nothing {
        /// The data directory.
        directory: PathBuf,
    },
    /// The operating system refused a thread.
    #[error("cannot start the thread that commits: {0}")]
    Thread(io::Error),
    /// Whoever reads it back broke off, because the service is to stop.
    #[error("the start was interrupted")]
    Interrupted,
}
