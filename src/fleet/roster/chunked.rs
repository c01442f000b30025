//! A list that grows a chunk at a time, so that it never moves what it holds,
//! and never keeps its worker busy for long when it grows.

const CHUNK: u32 = 1024;

/// See the file.
pub(super) struct Chunked<T> {
    chunks: Vec<Vec<T>>,
    len: u32,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunked<T> {
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Adds an item, and returns where.
    pub fn push(&mut self, item: T) -> u32 {
        let at = self.len;
        if at.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK as usize));
        }
        self.chunks[(at / CHUNK) as usize].push(item);
        self.len = self.len.checked_add(1).expect("a fleet has fewer than 2^32 rockets");
        at
    }

    pub fn get(&self, at: u32) -> &T {
        &self.chunks[(at / CHUNK) as usize][(at % CHUNK) as usize]
    }

    pub fn get_mut(&mut self, at: u32) -> &mut T {
        &mut self.chunks[(at / CHUNK) as usize][(at % CHUNK) as usize]
    }
}
