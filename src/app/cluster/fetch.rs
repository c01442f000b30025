//! What another node has stored, fetched by a node whose own place in the log is gone.
//! Owns when that is needed, who is asked, and that nothing is taken over that is not
//! all there and of this log; does not own how it comes to lie in the directory
//! (`journal/sqlite`).

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::client::{self, Answer};
use super::patience::patiently;
use super::terms::Cluster;
use crate::app::error::AppError;
use crate::fleet::cluster::hold::Hold;
use crate::fleet::cluster::peers;
use crate::fleet::health::{Health, Phase};
use crate::journal::OpenError;
use crate::journal::sqlite::DataDirectory;

/// The wait before all are asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Pieces that wait to be written.
const QUEUE: usize = 16;

/// Makes the directory one from which this node can read the log on, if it can be done
/// and is not one already; waits for a peer as long as it takes. What keeps a start
/// from going on is for the start to say. The log is held from then on, as far as
/// this node needs it.
///
/// # Errors
/// When the directory cannot be read or written, or the log refuses.
pub async fn prepare(
    cluster: &Cluster,
    directory: &DataDirectory,
    health: &Health,
) -> Result<Option<Hold>, AppError> {
    let Cluster { log, node, token, .. } = cluster;
    let name = patiently(health, || log.name()).await?;
    let taken = directory.clone();
    let (mark, is_empty) = blocking(move || taken.take_over()?.found()).await?;
    let is_ours = mark.as_ref().map_or(is_empty, |mark| mark.log == name.0);
    if !is_ours {
        return Ok(None);
    }
    let mut stored = mark.map_or(0, |mark| mark.offset);
    let hold = || Hold::begin(log.clone(), node.clone(), stored, stored);
    let hold = loop {
        // It is tried again until the log answers, and then once more.
        if let Ok(hold) = hold().await {
            break hold;
        }
        patiently(health, || log.head()).await?;
    };
    let mut told = None;
    loop {
        let trimmed = patiently(health, || log.trimmed()).await?.0;
        if stored >= trimmed {
            return Ok(Some(hold));
        }
        hold.needs(trimmed);
        let mut peers = patiently(health, || Box::pin(peers::announced(&**log))).await?;
        peers.retain(|(peer, said)| **peer != **node && said.stored >= trimmed);
        peers.sort_by_key(|(_, said)| std::cmp::Reverse(said.stored));
        let mut reasons = Vec::new();
        for (peer, said) in peers {
            let Some(url) = said.url else {
                reasons.push(format!("{peer}: it does not say where it is reached (--advertise)"));
                continue;
            };
            let from = From { peer: &peer, url: &url, log: &name.0, trimmed };
            let answer = async {
                let answer = client::ask(&url, token.as_ref()).await?;
                from.take(answer, directory, health).await
            };
            match answer.await {
                Ok(offset) => {
                    stored = offset;
                    hold.needs(offset);
                    break;
                }
                Err(Trouble::Peer(reason)) => reasons.push(format!("{peer} at {url}: {reason}")),
                Err(Trouble::Here(error)) => return Err(error.into()),
            }
        }
        if stored >= trimmed {
            continue;
        }
        let reason = match &reasons[..] {
            [] => format!("no other node says that it has stored the log up to {trimmed}"),
            reasons => reasons.join("; "),
        };
        health.set(Phase::Starting(format!(
            "the log of the cluster was trimmed up to {trimmed}, and what another node has stored \
             is waited for: {reason}"
        )));
        if told.as_ref() != Some(&reason) {
            warn!(reason, trimmed, "no other node's copy can be had; this is tried again");
            told = Some(reason);
        }
        sleep(PAUSE).await;
    }
}

/// Why nothing was taken over.
enum Trouble {
    /// Somebody else may be asked.
    Peer(String),
    Here(OpenError),
}

impl std::convert::From<String> for Trouble {
    fn from(reason: String) -> Self {
        Self::Peer(reason)
    }
}

impl std::convert::From<OpenError> for Trouble {
    fn from(error: OpenError) -> Self {
        Self::Here(error)
    }
}

/// Whose copy it is, and what it must be.
struct From<'a> {
    peer: &'a str,
    url: &'a str,
    log: &'a str,
    trimmed: u64,
}

impl From<'_> {
    /// Takes over what comes, and returns up to where the log is part of it.
    async fn take(
        &self,
        mut answer: Answer,
        directory: &DataDirectory,
        health: &Health,
    ) -> Result<u64, Trouble> {
        let Self { peer, url, log, trimmed } = *self;
        let begun = Instant::now();
        let length = answer.length;
        info!(peer, url, bytes = length, "taking over what another node has stored");
        let taken = directory.clone();
        let (takeover, part) = blocking(move || {
            let takeover = taken.take_over()?;
            let part = takeover.part()?;
            Ok((takeover, part))
        })
        .await?;
        let (pieces, to_write) = mpsc::channel(QUEUE);
        let written = spawn_blocking(move || write(part, to_write));
        let (mut there, mut shown) = (0, Instant::now());
        let tell = |there: u64| {
            health.set(Phase::Starting(format!(
                "what {peer} has stored is being fetched: {there} of {length} bytes are there"
            )));
        };
        tell(0);
        let broke_off = loop {
            match answer.next().await {
                Ok(None) => break None,
                Err(reason) => break Some(reason),
                Ok(Some(piece)) => {
                    there += piece.len() as u64;
                    // Why it is not written is said below.
                    if pieces.send(piece).await.is_err() {
                        break None;
                    }
                }
            }
            if shown.elapsed() > Duration::from_millis(200) {
                tell(there);
                shown = Instant::now();
            }
        };
        drop(pieces);
        let written = written.await.map_err(|error| error.to_string())?;
        // Whoever waits may make room.
        let digest = written.map_err(|error| format!("it cannot be written: {error}"))?;
        if let Some(reason) = broke_off {
            return Err(format!("after {there} of {length} bytes: {reason}").into());
        }
        if there != length || digest != answer.digest {
            return Err("what came is not what it has: its digest is another".to_owned().into());
        }
        let (takeover, came) = blocking(move || {
            let came = takeover.came();
            Ok((takeover, came))
        })
        .await?;
        let mark = match came {
            Ok(Some(mark)) => mark,
            Ok(None) => return Err("what came is no node's".to_owned().into()),
            Err(error) => return Err(format!("what came cannot be read: {error}").into()),
        };
        if mark.log != log {
            return Err(format!("what came is of the cluster {}", mark.log).into());
        }
        if mark.offset < trimmed {
            let reason = format!("what came is up to {}, and {trimmed} is needed", mark.offset);
            return Err(reason.into());
        }
        blocking(move || takeover.replace()).await?;
        let (offset, took_ms) = (mark.offset, begun.elapsed().as_millis());
        info!(peer, offset, bytes = length, %took_ms, "took over what another node has stored");
        Ok(offset)
    }
}

/// Writes what comes, and returns its SHA-256 once all of it is on the disk.
fn write(mut file: File, mut pieces: mpsc::Receiver<Bytes>) -> std::io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    while let Some(piece) = pieces.blocking_recv() {
        hasher.update(&piece);
        file.write_all(&piece)?;
    }
    file.sync_all()?;
    Ok(hasher.finalize().into())
}

/// Has work done that waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    // The runtime is on its way out.
    spawn_blocking(work).await.unwrap_or(Err(OpenError::Interrupted))
}
