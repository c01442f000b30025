//! What the log of the cluster brings to a partition.

use crate::journal::Recovered;
use crate::journal::shared::Offset;
use crate::journal::shared::publisher::Piece;

/// One entry of the log, as far as it is about this partition.
#[derive(Debug)]
pub enum Delivery {
    /// The entry stands at `offset`; everything before it was delivered.
    Entry {
        /// Where it stands.
        offset: Offset,
        /// Whether the digest is to be noted once it is applied.
        is_mark: bool,
        /// What of it is about this partition.
        of_it: OfIt,
    },
    /// What this partition handed over is certain not to be in the log.
    Refused {
        /// Which of its records.
        pieces: Vec<Piece>,
        /// Why.
        reason: String,
    },
}

/// What of an entry is about a partition.
#[derive(Debug)]
pub enum OfIt {
    /// Records of another node, or of an earlier run; maybe none.
    Records(Vec<Recovered>),
    /// Records that this partition handed over.
    Own(Vec<Piece>),
}
