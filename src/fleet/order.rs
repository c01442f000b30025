//! What a worker is told to do, as opposed to what it is asked: see `query`.

use tokio::sync::oneshot;

use crate::journal::CommitResult;

/// An order to one partition. Orders have a lane of their own, so that no crowd
/// of readers can keep a checkpoint from happening.
#[derive(Debug)]
pub enum Order {
    /// Store everything that changed by now. Answered once that is durable.
    Snapshot {
        /// Told how storing it ended; dropped if the worker ends before.
        reply: oneshot::Sender<CommitResult>,
    },
}
