//! Ownership: which worker owns which rocket, and how messages and queries
//! reach it.
//!
//! * [`handle`]: what the HTTP side holds; routes messages, gathers queries.
//! * [`routing`]: which partition a channel belongs to.
//! * [`inbox`]: the bounded way to a partition; the only file that names flume.
//! * [`partition`]: the worker task; drains, journals, applies, acknowledges.
//! * `batch`: messages that are committed together, and whom to answer.
//! * `watch`: how long a worker looks for the end of a commit without sleeping.
//! * [`roster`]: the rockets of one partition, their order and their bounds.
//! * `launch_order`: which rocket was launched before which.
//! * `stored`: a roster's way to the journal's store and back.
//! * [`checkpoint`]: has the partitions stored from time to time, and the
//!   journal trimmed.
//! * [`restore`]: builds the rosters from what the journal kept.
//! * [`scan`]: a walk over a roster in slices, so that messages get their turn.
//! * [`query`]: what can be asked, partial results, and their merge.
//! * [`view`]: a rocket as a reader sees it.
//! * [`version`]: how often the fleet has changed.
//! * [`limits`]: how much the fleet may hold.
//! * [`health`]: whether the fleet can serve, and if not, why.

mod batch;
pub mod checkpoint;
pub mod handle;
pub mod health;
pub mod inbox;
mod launch_order;
pub mod limits;
pub mod partition;
pub mod query;
pub mod restore;
pub mod roster;
pub mod routing;
pub mod scan;
mod stored;
pub mod version;
pub mod view;
mod watch;

pub use handle::Fleet;
