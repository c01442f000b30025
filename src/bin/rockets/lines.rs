//! Owns reading the lines of a file, on a thread of its own: plain or gzipped,
//! which of them are messages, and how far it reads ahead. Does not own when they
//! are sent (`outbox`).
//!
//! At most [`BATCHES`] batches wait, of [`BATCH_BYTES`] or one line each, so that
//! a file of any size takes some megabytes at most. A batch ends early where no
//! more is there to be read, so that what comes through a pipe goes on at once.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use clap::ValueEnum;
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Batches that may wait to be sent.
const BATCHES: usize = 4;
const BATCH_BYTES: usize = 256 * 1024;
/// A longer line is bad, whatever is in it, and is not held.
const LONGEST_LINE: usize = 1 << 20;
/// Read at a time, of what may be compressed.
const READ_BYTES: usize = 256 * 1024;

/// What becomes of lines that are not JSON or name no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BadLines {
    /// They are skipped, and the run counts as failed in the end
    Fail,
    /// They are skipped, and that is fine
    Skip,
    /// They are sent like all others
    Send,
}

/// A file that was opened, or standard input.
#[derive(Clone, Debug)]
pub struct Input {
    /// As it was typed.
    pub name: String,
    /// None for standard input.
    file: Option<Arc<File>>,
    /// In bytes, if that is known.
    pub size: Option<u64>,
}

impl Input {
    /// Opens a file, or takes standard input for `-`.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn open(typed: &str) -> Result<Self, String> {
        let name = typed.to_owned();
        if typed == "-" {
            return Ok(Self { name, file: None, size: None });
        }
        let file = File::open(Path::new(typed)).map_err(|error| error.to_string())?;
        let kind = file.metadata().map_err(|error| error.to_string())?;
        if kind.is_dir() {
            return Err("expected a file, found a directory".to_owned());
        }
        // A pipe says that it holds nothing.
        let size = kind.is_file().then_some(kind.len());
        Ok(Self { name, file: Some(Arc::new(file)), size })
    }
}

/// A line to send, byte by byte as it stands in the file, without its end.
#[derive(Clone, Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    pub bytes: Bytes,
    /// When it was there to be sent.
    pub read: Instant,
}

/// What the reading thread found.
#[derive(Debug)]
pub enum Found {
    Line(Line),
    /// This line is bad, and why.
    Bad(u64, String),
    /// Nothing further can be read behind this line.
    Broken(u64, io::Error),
}

/// The end of the lines' way that they come out of.
pub struct Lines {
    pub batches: Receiver<Vec<Found>>,
    /// Told whenever there is something new, and at the end.
    pub changed: Arc<Notify>,
    /// Bytes that were read of the file, as it is on the disk.
    pub read: Arc<AtomicU64>,
}

/// Starts reading.
pub fn read(input: &Input, bad_lines: BadLines) -> Lines {
    let (sender, batches) = mpsc::channel(BATCHES);
    let changed = Arc::new(Notify::new());
    let read = Arc::new(AtomicU64::new(0));
    let lines = Lines { batches, changed: Arc::clone(&changed), read: Arc::clone(&read) };
    let file: Box<dyn Read + Send> = match &input.file {
        Some(file) => Box::new(Arc::clone(file)),
        None => Box::new(io::stdin()),
    };
    let mut reading =
        Reading { sender: Some(sender), changed, batch: Vec::new(), held: 0, number: 0, bad_lines };
    thread::spawn(move || {
        let result = unpacked(Counted { inner: file, read }).and_then(|file| reading.all(file));
        if let Err(error) = result {
            let broken = Found::Broken(reading.number, error);
            reading.batch.push(broken);
        }
        reading.hand_over();
        reading.sender = None;
        reading.changed.notify_waiters();
    });
    lines
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// What is in a file: told by how it begins, whatever it is called. Of several
/// that were gzipped and put together it is all.
fn unpacked(file: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::with_capacity(READ_BYTES, file);
    // One byte would do for what is no message in any case, and a pipe may give
    // just one.
    Ok(if file.fill_buf()?.first() == Some(&0x1f) {
        Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    })
}

/// The reading thread's state.
struct Reading {
    /// None once all is read.
    sender: Option<Sender<Vec<Found>>>,
    changed: Arc<Notify>,
    batch: Vec<Found>,
    /// Bytes in the batch.
    held: usize,
    /// Lines that were begun.
    number: u64,
    bad_lines: BadLines,
}

impl Reading {
    fn all(&mut self, mut file: Box<dyn BufRead>) -> io::Result<()> {
        // The beginning of a line whose end was not read yet; none of a line that
        // is too long.
        let mut begun: Option<Vec<u8>> = Some(Vec::new());
        loop {
            let some = match file.fill_buf() {
                Ok(some) => some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if some.is_empty() {
                if !begun.as_ref().is_some_and(Vec::is_empty) {
                    self.take(begun);
                }
                return Ok(());
            }
            let mut rest = some;
            while let Some(end) = memchr::memchr(b'\n', rest) {
                let line = join(begun, &rest[..end]);
                self.take(line);
                begun = Some(Vec::new());
                rest = &rest[end + 1..];
            }
            begun = join(begun, rest);
            let count = some.len();
            file.consume(count);
            if !self.hand_over() {
                // Nobody wants any more.
                return Ok(());
            }
        }
    }

    /// Takes a line, or what there is in place of one that is too long.
    fn take(&mut self, line: Option<Vec<u8>>) {
        self.number += 1;
        let number = self.number;
        let Some(mut line) = line else {
            let why = format!("expected at most {LONGEST_LINE} bytes in a line, found more");
            self.batch.push(Found::Bad(number, why));
            return;
        };
        if number == 1 && line.starts_with("\u{feff}".as_bytes()) {
            // The mark is the file's, and not the message's.
            line.drain(..3);
        }
        if line.trim_ascii().is_empty() {
            return;
        }
        if let Err(why) = check(&line) {
            self.batch.push(Found::Bad(number, why));
            if self.bad_lines != BadLines::Send {
                return;
            }
        }
        self.held += line.len();
        let bytes = Bytes::from(line);
        self.batch.push(Found::Line(Line { number, bytes, read: Instant::now() }));
        if self.held >= BATCH_BYTES {
            self.hand_over();
        }
    }

    /// Waits until the batch may wait to be sent; tells whether anybody wants it.
    fn hand_over(&mut self) -> bool {
        let batch = std::mem::take(&mut self.batch);
        self.held = 0;
        let Some(sender) = &self.sender else { return false };
        if batch.is_empty() {
            return !sender.is_closed();
        }
        let is_wanted = sender.blocking_send(batch).is_ok();
        self.changed.notify_waiters();
        is_wanted
    }
}

/// A line's beginning and more of it; none once it is too long.
fn join(begun: Option<Vec<u8>>, more: &[u8]) -> Option<Vec<u8>> {
    let mut line = begun?;
    (line.len() + more.len() <= LONGEST_LINE).then(|| {
        line.extend_from_slice(more);
        line
    })
}

/// As much of a message as tells whether it is one.
#[derive(Deserialize)]
struct Peek {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "channel")]
    _channel: Channel,
}

/// Any text.
struct Channel;

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Self)
    }
}

impl serde::de::Visitor<'_> for Channel {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

/// Whether a line is JSON and names a channel, which is all that is asked of it:
/// the rest is for the service to judge.
fn check(line: &[u8]) -> Result<(), String> {
    // A list would do for an object otherwise.
    if line.trim_ascii_start().first() != Some(&b'{') {
        return match serde_json::from_slice::<serde::de::IgnoredAny>(line) {
            Ok(_) => Err("expected a message, found JSON of another kind".to_owned()),
            Err(error) => Err(not_json(&error)),
        };
    }
    match serde_json::from_slice::<Peek>(line) {
        Ok(Peek { metadata: Metadata { .. } }) => Ok(()),
        Err(error) if error.is_data() => {
            Err("expected a text at metadata.channel, found none".to_owned())
        }
        Err(error) => Err(not_json(&error)),
    }
}

fn not_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // It counts lines of its own.
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!("not JSON: {what} at column {}", error.column())
}
