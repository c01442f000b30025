//! What becomes of a message from its admission to its application. Does not own who
//! decides it (`roster`).

use super::slot::Slot;
use crate::fleet::outcome::Refusal;

/// A message that was let in, on its way to `Roster::apply`.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub(super) slot: Slot,
    /// Whether room for it was taken in the buffers.
    pub(super) early: bool,
}

/// What `Roster::admit` decided.
#[derive(Debug)]
pub enum Admission {
    /// It may be appended, and must be applied.
    Accepted(Ticket),
    /// Applied or buffered before.
    Known,
    /// Likewise, and what it says is not what was accepted then.
    Conflicting(Slot),
    /// Declared lost before: as good as applied.
    Late,
    /// A bound is reached; nothing was changed.
    Refused(Refusal),
}

/// What is admitted of one rocket's messages and not applied yet.
pub(super) struct Admitted {
    pub messages: usize,
    /// The number awaited once the ones that came in order are applied.
    pub next: u64,
    /// How many of them will have to wait in the buffer.
    pub early: usize,
}
