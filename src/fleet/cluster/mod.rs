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
//! * [`copies`]: copies of that for other nodes.
//! * [`hold`]: what a node still needs of the log while it starts.

pub mod applied;
pub mod barrier;
pub mod copies;
pub mod delivery;
pub mod digests;
pub mod figures;
pub mod hold;
pub mod peers;
pub mod store;
pub mod tail;

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use self::applied::Applied;
use self::barrier::Barrier;
use self::copies::Copies;

/// What a fleet knows of the cluster that it is a node of.
#[derive(Clone, Debug)]
pub struct Node {
    /// What reads wait for; `None` if they see what is here already.
    pub barrier: Option<Barrier>,
    /// How far the log is applied.
    pub applied: Applied,
    /// What other nodes may take over.
    pub copies: Arc<dyn Copies>,
}

impl Node {
    /// Waits until whatever any node had acknowledged is seen here.
    ///
    /// # Errors
    /// Says why that is not known by `deadline`.
    pub async fn up_to_date(&self, deadline: Instant) -> Result<(), String> {
        let Some(barrier) = &self.barrier else { return Ok(()) };
        let late = |_| "the log of the cluster did not answer in time".to_owned();
        timeout_at(deadline, barrier.passed()).await.map_err(late)?
    }

    /// Up to where the log is part of what is answered from now on.
    #[must_use]
    pub fn log_position(&self) -> u64 {
        self.applied.by_all().0
    }
}
