//! Why what stands on a disk is not read.

use thiserror::Error;

/// Why a block cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BlockError {
    /// Shorter than its own header.
    #[error("it is cut short")]
    Short,
    /// Written in a version of the format that is not known; holds it.
    #[error("its format has version {0}, which is not known here")]
    Version(u8),
    /// Damaged, or in the row of another.
    #[error("its checksum does not match its content")]
    Checksum,
    /// Intact, and yet nothing that was ever written; says why.
    #[error("its content cannot be read: {0}")]
    Content(String),
}
