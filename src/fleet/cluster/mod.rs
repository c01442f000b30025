//! A node of a cluster: one log, which every node reads whole and in order.
//!
//! Owns how the partitions of this node take part in it. Does not own the log
//! (`journal/shared`), nor what a worker makes of what it brings
//! (`worker/deliveries.rs`).
//!
//! * [`delivery`]: what the log brings to a partition.
//! * [`tail`]: reads the log, and delivers it.
//! * [`applied`]: how far each partition is.
//! * [`digests`]: whether nodes have made the same of it.
//! * [`barrier`]: reads that see what any node has acknowledged.
//! * [`figures`]: how it is, for who asks.
//! * [`peers`]: what nodes tell each other, and how much of the log is kept.
//! * [`store`]: what a node stores by itself.

pub mod applied;
pub mod barrier;
pub mod delivery;
pub mod digests;
pub mod figures;
pub mod peers;
pub mod store;
pub mod tail;
