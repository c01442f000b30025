//! The change feed: what has changed of which rockets, for those who listen.
//!
//! A worker marks what changes while somebody listens (`marks`, an observer), a
//! task asks each worker ten times a second for some of it (`pump`), has it
//! encoded, once for all, and puts it into a log (`log`), of each rocket the
//! latest. A subscriber reads on from its own place in the logs (`subscription`):
//! it holds nothing but that, and one that is slow costs nobody else.
//!
//! * [`changed`]: what is reported, and for whom; [`listening`]: whether anybody
//!   listens.
//! * [`event`]: what is told of one rocket, and to whom.
//! * [`hub`]: what all of these share: logs, seats, signals.
//! * [`stats`]: the figures that every subscriber gets once a second.
//!
//! Does not own the form of the answers (`http/events`).

mod bits;
pub mod changed;
pub mod event;
mod first;
pub mod hub;
pub mod listening;
pub mod log;
pub mod marks;
pub mod pump;
pub mod stats;
pub mod subscription;
