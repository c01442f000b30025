//! The seam to copies of what a node has stored, for nodes that take it over. Owns the
//! terms; does not own how one is made, nor how it is sent.

use std::fmt;
use std::io;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::fleet::outcome::NoCopy;

/// One moment of what a node has stored.
pub struct NodeCopy {
    /// Bytes of it.
    pub length: u64,
    /// SHA-256 of them.
    pub digest: [u8; 32],
    /// Up to where the log is part of it.
    pub offset: u64,
    /// The bytes, a piece at a time. While this is there, there is no other.
    pub pieces: BoxStream<'static, io::Result<Bytes>>,
}

/// Makes copies, one at a time.
pub trait Copies: fmt::Debug + Send + Sync {
    /// Makes one, which takes as long as it takes to read and write all of it.
    fn make(&self) -> BoxFuture<'static, Result<NodeCopy, NoCopy>>;
}
