//! Where a rocket stands in its roster.

/// A rocket's place in its roster, from 0; stays the same as long as the roster
/// lives.
pub type Slot = u32;
