//! Owns reading `GET /rockets`: one JSON array, however long, taken element by
//! element as it arrives. Does not own what the elements should be (`verify`).

use std::io::{self, BufReader, Read};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::client::{self, Target};
use crate::failure::Failure;
use crate::verify::{Comparison, VerifyOutcome};

/// The longest wait for the next piece of the listing, and for the first.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);
/// A busy or starting service is asked again for this long.
const RETRIED_FOR: Duration = Duration::from_secs(10);
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Pieces that may wait for the parser.
const PIECES: usize = 64;

/// Why the listing could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    #[error("cannot read {target}: {failure}")]
    Unavailable { target: Target, failure: Failure },
    #[error("{0} is not a JSON array of rockets: {1}")]
    Malformed(Target, serde_json::Error),
    #[error("the listing of {0} broke off: {1}")]
    BrokenOff(Target, io::Error),
}

/// Fetches the listing and gives each element to the comparison.
///
/// # Errors
/// When the listing cannot be had or is not JSON.
pub async fn compare(
    target: &Target,
    comparison: Comparison,
) -> Result<VerifyOutcome, ListingError> {
    let mut body = request(target).await?;
    let (pieces, received) = mpsc::channel(PIECES);
    // serde_json reads from a blocking reader, so it gets a thread.
    let parser = tokio::task::spawn_blocking(move || parse(received, comparison));
    loop {
        let piece = match timeout(PIECE_TIMEOUT, body.frame()).await {
            Ok(None) => break,
            // A frame of trailers has no data.
            Ok(Some(Ok(frame))) => Ok(frame.into_data().unwrap_or_default()),
            Ok(Some(Err(error))) => Err(io::Error::other(error)),
            Err(elapsed) => Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)),
        };
        let failed = piece.is_err();
        // The parser has gone when it found an error, which it returns.
        if pieces.send(piece).await.is_err() || failed {
            break;
        }
    }
    drop(pieces);
    let parsed = parser.await.unwrap_or_else(|panic| {
        // Only a bug gets here; carry it on rather than hide it.
        std::panic::resume_unwind(panic.into_panic())
    });
    parsed.map_err(|error| {
        if error.is_io() {
            ListingError::BrokenOff(target.clone(), error.into())
        } else {
            ListingError::Malformed(target.clone(), error)
        }
    })
}

async fn request(target: &Target) -> Result<hyper::body::Incoming, ListingError> {
    let deadline = Instant::now() + RETRIED_FOR;
    loop {
        match client::get(target, PIECE_TIMEOUT).await {
            Ok(body) => return Ok(body),
            Err(failure) if failure.is_permanent() || Instant::now() > deadline => {
                let target = target.clone();
                return Err(ListingError::Unavailable { target, failure });
            }
            Err(_) => sleep(RETRY_PAUSE).await,
        }
    }
}

type Piece = io::Result<Bytes>;

fn parse(
    received: mpsc::Receiver<Piece>,
    comparison: Comparison,
) -> serde_json::Result<VerifyOutcome> {
    let reader = BufReader::new(Pieces { received, current: Bytes::new() });
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let comparison = deserializer.deserialize_seq(EachRocket(comparison))?;
    deserializer.end()?;
    Ok(comparison.finish())
}

/// The body as a blocking reader.
struct Pieces {
    received: mpsc::Receiver<Piece>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.received.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let count = out.len().min(self.current.len());
        self.current.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}

struct EachRocket(Comparison);

impl<'de> Visitor<'de> for EachRocket {
    type Value = Comparison;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of rockets")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<Comparison, A::Error> {
        while let Some(element) = elements.next_element::<Value>()? {
            self.0.take(&element);
        }
        Ok(self.0)
    }
}
