//! The archive: what was known of rockets that are forgotten, a line of JSON each, in
//! one file for each day (UTC) below the data directory.
//!
//! ```text
//! archive/forgotten-2026-11-28.ndjson
//! {"forgotten_at":"…","reason":"retention","id":"…",…}
//! ```
//!
//! A line is the JSON object of the HTTP contract with the time, by the service's
//! clock, and the reason. It is synced before the rocket is forgotten: a kill in
//! between leaves a rocket that is archived and not forgotten, so a line may come
//! twice, and none is lost. A line that was cut short by a crash stands alone.
//!
//! One batch of lines is written at a time, on a thread that may block. Does not own
//! who is forgotten, nor what becomes of it when this fails.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::clock::Clock;
use super::outcome::Cause;
use super::view::{Lookup, RocketView};
use crate::telemetry::tally::Count;
use crate::telemetry::{Channel, Timestamp};

/// Below the data directory.
const DIRECTORY: &str = "archive";

/// See the module.
#[derive(Debug)]
pub struct Archive {
    directory: Arc<Path>,
    clock: Clock,
    /// One permit: whoever has it writes.
    turn: Arc<Semaphore>,
    /// Written by whoever has the turn.
    failures: Count,
}

/// Lines that are to be kept.
#[derive(Debug)]
pub struct Lines {
    forgotten_at: Timestamp,
    cause: Cause,
    text: Vec<u8>,
}

#[derive(Serialize)]
struct Line<T> {
    forgotten_at: Timestamp,
    reason: &'static str,
    #[serde(flatten)]
    rocket: T,
}

/// What there is of a rocket that was not launched.
#[derive(Serialize)]
struct NotLaunched<'a> {
    id: &'a Channel,
    status: &'static str,
    buffered_messages: usize,
    lost_messages: u64,
}

impl Lines {
    /// Adds a launched rocket.
    pub fn add(&mut self, rocket: &RocketView) {
        self.push(rocket);
    }

    /// Adds whatever is known on a channel, if anything is.
    pub fn add_found(&mut self, channel: &Channel, found: &Lookup) {
        match *found {
            Lookup::Found(ref rocket) => self.push(&**rocket),
            Lookup::NotLaunched { buffered_messages, lost_messages } => {
                let status = "NotLaunched";
                self.push(NotLaunched { id: channel, status, buffered_messages, lost_messages });
            }
            Lookup::Unknown => {}
        }
    }

    fn push(&mut self, rocket: impl Serialize) {
        let line = Line { forgotten_at: self.forgotten_at, reason: self.cause.name(), rocket };
        serde_json::to_writer(&mut self.text, &line).expect("texts and numbers always serialise");
        self.text.push(b'\n');
    }
}

impl Archive {
    /// Below `data_directory`. Nothing is made before there is something to keep.
    #[must_use]
    pub fn below(data_directory: &Path) -> Self {
        Self {
            directory: data_directory.join(DIRECTORY).into(),
            clock: Clock::new(),
            turn: Arc::new(Semaphore::new(1)),
            failures: Count::default(),
        }
    }

    /// No lines yet, for rockets that are forgotten now.
    #[must_use]
    pub fn lines(&self, cause: Cause) -> Lines {
        Lines { forgotten_at: self.clock.now(), cause, text: Vec::new() }
    }

    /// Keeps lines: they are on the device when this returns. Given up meanwhile, it
    /// goes on by itself.
    ///
    /// # Errors
    /// Says why they may not be kept; nothing is to be forgotten then.
    pub async fn keep(&self, lines: Lines) -> Result<(), String> {
        let directory = self.directory.clone();
        let turn = self.turn.clone().acquire_owned().await;
        let kept = spawn_blocking(move || {
            let _turn = turn.map_err(|error| error.to_string())?;
            let file = directory.join(file_name(lines.forgotten_at));
            append(&directory, &file, &lines.text)
                .map_err(|error| format!("{}: {error}", file.display()))
        });
        let kept = kept.await.unwrap_or_else(|error| Err(error.to_string()));
        kept.inspect_err(|_| self.failures.add(1))
    }

    /// How often lines could not be kept.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.get()
    }
}

/// That of the day.
fn file_name(time: Timestamp) -> PathBuf {
    let time = time.to_string();
    let day = time.split('T').next().expect("a text has a part before anything");
    format!("forgotten-{day}.ndjson").into()
}

fn append(directory: &Path, path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    if let Err(error) = builder.mode(0o700).create(directory)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    let is_new = !fs::exists(path)?;
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
    let before = file.metadata()?.len();
    let written = write_lines(&mut file, before, lines);
    if written.is_err() {
        // What is left of it, if that fails too, stands alone: see `write_lines`.
        let _ = file.set_len(before);
    } else if is_new {
        for directory in [Some(directory), directory.parent()].into_iter().flatten() {
            File::open(directory)?.sync_all()?;
        }
    }
    written
}

fn write_lines(file: &mut File, length: u64, lines: &[u8]) -> io::Result<()> {
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    file.write_all(lines)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(archive: &Archive, id: &str) -> Result<(), String> {
        let mut lines = archive.lines(Cause::Deleted);
        let found = Lookup::NotLaunched { buffered_messages: 1, lost_messages: 0 };
        lines.add_found(&Channel::parse(id).unwrap(), &found);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(archive.keep(lines))
    }

    #[test]
    fn a_line_that_was_cut_short_stands_alone_and_what_fails_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::below(directory.path());
        keep(&archive, "a").unwrap();
        let below = directory.path().join(DIRECTORY);
        let file = fs::read_dir(&below).unwrap().next().unwrap().unwrap().path();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("forgotten-20") && name.ends_with(".ndjson"), "{name}");
        OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"id\"").unwrap();
        keep(&archive, "b").unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let ids: Vec<_> = text
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .map(|line| line["id"].clone())
            .collect();
        assert_eq!((text.lines().count(), ids), (3, vec!["a".into(), "b".into()]));
        fs::remove_dir_all(&below).unwrap();
        fs::write(&below, "in the way").unwrap();
        let error = keep(&archive, "c").unwrap_err();
        assert!(error.contains("archive"), "{error}");
        assert_eq!(archive.failures(), 1);
    }
}
