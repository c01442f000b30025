//! The domain: what a rocket says, in which order it counts, and what it
//! makes of the rocket. Synchronous and free of I/O; nothing here knows of
//! tokio, warp, partitions or the journal.
//!
//! * [`message`]: a validated message; [`wire`] reads one from JSON: by [`usual`] as
//!   nearly all senders write it, by [`value`] as they may, and by [`lenient`] and
//!   [`whole`] what few of them write.
//! * [`shown`]: how what was sent is shown in complaints.
//! * [`reorder`]: puts one rocket's messages back in order.
//! * [`lost`]: numbers that nobody waits for any more.
//! * [`rocket`]: the state table, one rocket's fold.
//! * [`channel`], [`timestamp`], [`interner`]: the values they are made of.
//! * [`missions`]: the missions in use, by any spelling and in order; [`mission_figures`]: what
//!   is known of their speeds.
//! * [`past`]: what a rocket's last messages changed, in a few bytes each, of
//!   which [`varint`] writes the numbers.
//! * [`caseless`]: texts that match whatever their case.
//! * [`tally`]: counts that many read.

pub mod caseless;
pub mod channel;
pub mod interner;
pub mod lenient;
pub mod lost;
pub mod message;
pub mod mission_figures;
pub mod missions;
pub mod past;
pub mod reorder;
pub mod rocket;
pub mod shown;
pub mod tally;
pub mod timestamp;
pub mod usual;
pub mod value;
pub mod varint;
pub mod whole;
pub mod wire;

pub use caseless::Caseless;
pub use channel::Channel;
pub use message::{Event, Message, Report};
pub use timestamp::Timestamp;
