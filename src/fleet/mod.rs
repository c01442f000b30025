//! Ownership: which worker owns which rocket, and how messages and queries
//! reach it.
//!
//! * [`handle`]: what the HTTP side holds; routes messages, gathers queries;
//!   `handed_over`: many of them under way.
//! * [`outcome`]: what becomes of a message or a question, and why not.
//! * [`intake`]: many messages from one sender to their partitions, in chunks.
//! * [`query`], [`view`]: what can be asked, partial results and their merge; a
//!   rocket as a reader sees it.
//! * [`routing`]: which partition a channel belongs to.
//! * [`mailbox`]: the bounded way to a partition; the only file that names flume.
//! * [`order`]: what a worker is told to do.
//! * [`workers`]: starts and stops the workers.
//! * [`supervisor`]: knows every task that the service cannot do without.
//! * [`worker`]: the task of one partition: drains, journals, applies,
//!   acknowledges.
//! * [`observer`]: the seam through which a worker reports what it did.
//! * [`roster`]: the rockets of one partition, their order and their bounds.
//! * [`checkpoint`], [`restore`]: to the journal's store from time to time, and
//!   back at a start.
//! * [`kept`]: all that was kept, for who reads it and serves nothing.
//! * [`version`]: how often the fleet has changed.
//! * [`feed`]: what has changed, for those who listen.
//! * [`cluster`]: one node of several, which share a log.
//! * [`clock`]: the time, for what the service says about itself.
//! * [`gap_timeout`]: gives up what is waited for too long.
//! * [`retention`]: has exploded rockets forgotten that are silent for long;
//!   [`archive`]: keeps what was known of those that are forgotten.
//! * [`limits`]: how much the fleet may hold.
//! * [`tally`]: what became of messages, counted; [`metrics`]: the fleet's figures.
//! * [`refusals`]: counts what is refused, and says in the log that a limit is reached;
//!   [`throttle`]: that once a second at most, and with all that was counted.
//! * [`health`], [`vitals`]: whether the fleet can serve, and if not, why; what
//!   is observed of it.
//! * [`threading`]: what depends on how many threads there are.

pub mod archive;
pub mod checkpoint;
pub mod clock;
pub mod cluster;
pub mod feed;
pub mod gap_timeout;
mod handed_over;
pub mod handle;
pub mod health;
pub mod intake;
pub mod kept;
pub mod limits;
pub mod mailbox;
pub mod metrics;
pub mod observer;
pub mod order;
pub mod outcome;
pub mod query;
pub mod refusals;
pub mod restore;
pub mod retention;
pub mod roster;
pub mod routing;
pub mod supervisor;
pub mod tally;
pub mod threading;
pub mod throttle;
pub mod verdicts;
pub mod version;
pub mod view;
pub mod vitals;
pub mod worker;
pub mod workers;

pub use handle::Fleet;
