//! The seam to a log that several nodes share: one order of records, which every
//! node reads whole.
//!
//! Owns the terms: what a shared log is asked for. Does not own what stands behind
//! them, nor what is in a record. Nothing of any engine is in it.
//!
//! A node appends what it accepted as one [`Entry`], and learns its fate from the
//! [`tail`](SharedLog::tail), which brings every entry of every node in the order of
//! the log, its own among them. An append whose fate is unknown is made again with the
//! same [`EntryId`], as often as it takes: an entry stands in the log once, unless one of
//! those calls was under way for so long that the entry was trimmed meanwhile. Then it may
//! stand there once more, so that who reads must bear with an entry that was read before.
//!
//! * [`entry`]: records as the bytes of an entry.
//! * [`gathering`]: how long a short one waits for more.
//! * [`publisher`]: what partitions hand over, on its way to the log.
//! * `etcd`: a log on etcd, with the feature of that name.

pub mod entry;
#[cfg(feature = "etcd")]
pub mod etcd;
pub mod gathering;
pub mod publisher;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use thiserror::Error;

/// Where an entry stands in a shared log: the higher, the later. There may be gaps, and
/// 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

impl fmt::Display for Offset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Which entry it is, among those of all nodes and all their runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// The node that appends it: letters, digits, `-`, `_` and `.`.
    pub node: Arc<str>,
    /// The node's run, a random number.
    pub incarnation: u64,
    /// The entry's number in that run, from 1.
    pub number: u64,
}

/// What is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which one it is.
    pub id: EntryId,
    /// What is in it, at most [`MAX_ENTRY`] bytes.
    pub bytes: Bytes,
}

/// Most bytes of an entry.
pub const MAX_ENTRY: usize = 512 * 1024;

/// A log of its own: two logs never have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogName(pub String);

/// Why a shared log did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LogError {
    /// It cannot be reached, or did not answer in time. Whatever was asked for may have
    /// been done, or may be done yet.
    #[error("{0}")]
    Unreachable(String),
    /// It has no room. Nothing was done.
    #[error("the log is full: {0}")]
    Full(String),
    /// It refuses, and would again: a wrong password, a certificate, an entry that is
    /// too large. Nothing was done.
    #[error("{0}")]
    Refused(String),
    /// Entries behind the offset that was asked for are gone: the log was trimmed up to
    /// `up_to`.
    #[error("the log was trimmed up to {up_to}")]
    Trimmed {
        /// The last offset of which nothing may be left.
        up_to: Offset,
    },
    /// The log ends before the offset that was asked for: it has lost something, or is
    /// another one.
    #[error("the log ends at {head}, before what was read of it")]
    Behind {
        /// Where it ends.
        head: Offset,
    },
    /// What stands in it is not what was appended.
    #[error("{0}")]
    Corrupt(String),
}

/// How it ended.
pub type LogResult<T> = Result<T, LogError>;

/// A log that several nodes share. Cloned handles and concurrent calls are fine; every
/// call gives up by itself after some time, with [`LogError::Unreachable`].
pub trait SharedLog: fmt::Debug + Send + Sync + 'static {
    /// The log's name, which the first who asks gives it.
    fn name(&self) -> BoxFuture<'_, LogResult<LogName>>;

    /// Appends an entry, unless one with its ID stands in the log. Resolves once it
    /// survives whatever the log is made to survive. Entries of calls that overlap may
    /// land in any order.
    fn append(&self, entry: Entry) -> BoxFuture<'_, LogResult<()>>;

    /// All entries behind `after`, in order, and then those to come, for ever, or until an
    /// error, which is the last item. Never leaves one out.
    fn tail(&self, after: Offset) -> BoxStream<'static, LogResult<(Offset, Entry)>>;

    /// The offset of the last entry: at least that of every entry of which anybody had
    /// been told, before this was called, that it was appended. A log in which nothing
    /// ever stood is at 0; trimming changes nothing in this.
    fn head(&self) -> BoxFuture<'_, LogResult<Offset>>;

    /// Forgets entries up to and including `up_to`. Less than an earlier one is fine;
    /// more than the [`head`](Self::head) is [`LogError::Behind`].
    fn trim(&self, up_to: Offset) -> BoxFuture<'_, LogResult<()>>;

    /// How far it was trimmed.
    fn trimmed(&self) -> BoxFuture<'_, LogResult<Offset>>;

    /// Bytes that it takes, as far as its own bound on them is concerned; what was done
    /// just now may not show yet.
    fn size(&self) -> BoxFuture<'_, LogResult<u64>>;

    /// Has others read this of a node, in place of what it said last.
    fn announce(&self, node: &str, what: Bytes) -> BoxFuture<'_, LogResult<()>>;

    /// What every node said last, by their names.
    fn announced(&self) -> BoxFuture<'_, LogResult<Vec<(String, Bytes)>>>;

    /// Has what a node said removed.
    fn withdraw(&self, node: &str) -> BoxFuture<'_, LogResult<()>>;
}
