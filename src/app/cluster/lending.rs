//! Copies of what this node has stored, for others. Owns that there is one at a time,
//! and that it is read at its reader's pace, off the runtime's threads; does not own
//! how a copy is made (`journal/sqlite`).

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::fleet::cluster::copies::{Copies, NodeCopy};
use crate::fleet::outcome::NoCopy;
use crate::journal::sqlite::DataDirectory;

/// Bytes that are read and sent at a time.
const PIECE: usize = 64 * 1024;

/// Makes copies of a directory that this process serves.
#[derive(Debug)]
pub struct Lending {
    directory: DataDirectory,
    turn: Arc<Semaphore>,
}

impl Lending {
    /// Of this directory.
    pub fn of(directory: DataDirectory) -> Self {
        Self { directory, turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Copies for Lending {
    fn make(&self) -> BoxFuture<'static, Result<NodeCopy, NoCopy>> {
        let Ok(turn) = self.turn.clone().try_acquire_owned() else {
            return async { Err(NoCopy::Busy) }.boxed();
        };
        let directory = self.directory.clone();
        let made = spawn_blocking(move || make(&directory, turn));
        async move {
            let stopping = |_| NoCopy::Failed("the service is stopping".to_owned());
            made.await.map_err(stopping)?.map_err(NoCopy::Failed)
        }
        .boxed()
    }
}

fn make(directory: &DataDirectory, turn: OwnedSemaphorePermit) -> Result<NodeCopy, String> {
    let (mut file, mark) = directory.lend().map_err(|error| error.to_string())?;
    let mark = mark.ok_or("nothing of the log is stored yet")?;
    let mut hasher = Sha256::new();
    let mut length = 0;
    let mut hash = || -> io::Result<()> {
        loop {
            let piece = next(&mut file)?;
            if piece.is_empty() {
                return file.rewind();
            }
            length += piece.len() as u64;
            hasher.update(&piece);
        }
    };
    hash().map_err(|error| error.to_string())?;
    let pieces = stream::unfold(Some((file, turn)), |open| async {
        let (mut file, turn) = open?;
        let read = spawn_blocking(move || next(&mut file).map(|piece| (piece, file)));
        match read.await.map_err(io::Error::other).flatten() {
            Ok((piece, _)) if piece.is_empty() => None,
            Ok((piece, file)) => Some((Ok(piece), Some((file, turn)))),
            Err(error) => Some((Err(error), None)),
        }
    });
    let digest = hasher.finalize().into();
    Ok(NodeCopy { length, digest, offset: mark.offset, pieces: pieces.boxed() })
}

/// The next bytes, none at the end.
fn next(file: &mut File) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(PIECE);
    file.take(PIECE as u64).read_to_end(&mut piece)?;
    Ok(piece.into())
}
