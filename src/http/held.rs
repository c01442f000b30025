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
        self.change(0, bytes)?;
        Ok(Share { bytes, bound: self.clone() })
    }

    /// How many bytes are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn change(&self, from: usize, to: usize) -> Result<(), NoRoom> {
        if to <= from {
            self.held.fetch_sub(from - to, Ordering::Relaxed);
            return Ok(());
        }
        let more = to - from;
        let room = |held: usize| held.checked_add(more).filter(|held| *held <= self.most);
        let changed = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        changed.map(drop).map_err(|_| {
            self.reached.tell();
            NoRoom
        })
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
        if bytes != self.bytes {
            self.bound.change(self.bytes, bytes)?;
            self.bytes = bytes;
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.bound.change(self.bytes, 0).expect("less is never too much");
    }
}

/// The start of a body or of a line, counted as held. Takes little more than
/// what is in it.
#[derive(Debug)]
pub struct Held {
    bytes: Vec<u8>,
    /// What is expected at most.
    most: usize,
    counted: usize,
    bound: Arc<BytesHeld>,
}

impl Held {
    /// Nothing, yet, of what may become `most` bytes.
    #[must_use]
    pub fn new(bound: Arc<BytesHeld>, most: usize) -> Self {
        Self { bytes: Vec::new(), most, counted: 0, bound }
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
            self.bound.change(self.counted, capacity)?;
            self.counted = capacity;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Lets go of it.
    pub fn clear(&mut self) {
        if self.counted > 0 {
            self.bytes = Vec::new();
            self.count(0);
        }
    }

    /// Takes what is held out, which counts no longer.
    #[must_use]
    pub fn take(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    fn count(&mut self, less: usize) {
        self.bound.change(self.counted, less).expect("less is never too much");
        self.counted = less;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count(0);
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
