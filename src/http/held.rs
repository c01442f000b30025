//! Bytes that wait for clients, to send the rest of a body or to take an answer:
//! how many all requests together hold, and the buffers that hold the former.
//! Does not own how they come in and go out (`body`, `bulk`, `unsent`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fleet::refusals::Reached;

/// How much a buffer grows at least.
const STEP: usize = 4 * 1024;

/// The bound on what all unfinished bodies, or all unsent answers, hold together.
#[derive(Debug)]
pub struct BytesHeld {
    most: usize,
    held: AtomicUsize,
    reached: Reached,
}

/// There is no room for more.
#[derive(Debug)]
pub struct NoRoom;

impl BytesHeld {
    /// A bound with nothing held; the log is told by `reached` when there is no
    /// room.
    #[must_use]
    pub fn new(most: usize, reached: Reached) -> Arc<Self> {
        Arc::new(Self { most, held: AtomicUsize::new(0), reached })
    }

    /// Counts so many bytes until what is returned is dropped.
    ///
    /// # Errors
    /// When there is no room for them.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Result<Share, NoRoom> {
        self.take(bytes)?;
        Ok(Share { bytes, bound: self.clone() })
    }

    /// How many bytes are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<(), NoRoom> {
        let room = |held: usize| held.checked_add(bytes).filter(|held| *held <= self.most);
        let taken = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        taken.map(drop).map_err(|_| {
            self.reached.tell();
            NoRoom
        })
    }

    fn give(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that are counted as held.
#[derive(Debug)]
pub struct Share {
    bytes: usize,
    bound: Arc<BytesHeld>,
}

impl Share {
    /// Nothing, yet.
    #[must_use]
    pub fn of(bound: Arc<BytesHeld>) -> Self {
        Self { bytes: 0, bound }
    }

    /// So many bytes from now on.
    ///
    /// # Errors
    /// When there is no room for them; then it stays as it is.
    pub fn set(&mut self, bytes: usize) -> Result<(), NoRoom> {
        match bytes.checked_sub(self.bytes) {
            Some(0) => {}
            Some(more) => self.bound.take(more)?,
            None => self.bound.give(self.bytes - bytes),
        }
        self.bytes = bytes;
        Ok(())
    }

    fn give_back(&mut self) {
        self.bound.give(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// The start of a body or of a line, counted as held. Takes little more than
/// what is in it.
#[derive(Debug)]
pub struct Held {
    bytes: Vec<u8>,
    /// What is expected at most.
    most: usize,
    share: Share,
}

impl Held {
    /// Nothing, yet, of what may become `most` bytes.
    #[must_use]
    pub fn new(bound: Arc<BytesHeld>, most: usize) -> Self {
        Self { bytes: Vec::new(), most, share: Share::of(bound) }
    }

    /// What is held.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds to it.
    ///
    /// # Errors
    /// When all bodies together would hold too much; then nothing is added.
    pub fn push(&mut self, more: &[u8]) -> Result<(), NoRoom> {
        let length = self.bytes.len() + more.len();
        if length > self.bytes.capacity() {
            let step = STEP.max(self.bytes.len() / 8);
            let capacity = (self.bytes.len() + step).min(self.most).max(length);
            self.share.set(capacity)?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Lets go of it.
    pub fn clear(&mut self) {
        if self.share.bytes > 0 {
            self.bytes = Vec::new();
            self.share.give_back();
        }
    }

    /// Takes what is held out, which counts no longer.
    #[must_use]
    pub fn take(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_little_more_than_what_came_and_counts_until_it_is_gone() {
        let bound = BytesHeld::new(100_000, Reached::fixed("full"));
        let mut one = Held::new(bound.clone(), 90_000);
        for _ in 0..600 {
            one.push(&[b'x'; 100]).unwrap();
            assert!(one.bytes.capacity() <= one.bytes.len() + 8 * 1024);
        }
        let mut other = Held::new(bound.clone(), 90_000);
        other.push(&vec![b'x'; 50_000]).unwrap_err();
        other.push(&vec![b'x'; 30_000]).unwrap();
        drop(one);
        other.push(&vec![b'x'; 50_000]).unwrap();
        assert_eq!(other.take().len(), 80_000);
        assert_eq!(bound.held.load(Ordering::Relaxed), 0);
    }
}
