//! `downlink export`: the fleet of a data directory as lines of JSON. Owns where
//! they go; does not own what stands in them (`lines`).
//!
//! The fleet is read as a start reads it, so it takes as much memory, and then
//! written rocket by rocket.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::{ToolError, to_standard_output};
use super::lines;
use super::progress::Progress;
use crate::fleet::kept::Kept;
use crate::journal::OpenError;
use crate::journal::sqlite::DataDirectory;

/// Rockets between two looks at how many there are.
const EVERY: u64 = 1024;

/// Writes the fleet kept in `from` to a new file `output`, or to standard output.
///
/// # Errors
/// When it cannot be read or written.
pub fn run(from: &Path, output: Option<&Path>) -> Result<(), ToolError> {
    let nothing = || OpenError::Nothing { directory: from.to_owned() };
    let reading = DataDirectory::at(from).read()?.ok_or_else(nothing)?;
    let progress = Progress::of("rockets read");
    let kept = Kept::read(|sink| reading.recover(sink), |read| progress.show(read.rockets, None))?;
    // Whoever serves the directory, or wants to, need not wait for who reads this.
    drop(reading);
    progress.end();
    let Some(path) = output else {
        return write(&kept, io::stdout().lock()).map(drop).map_err(to_standard_output);
    };
    let to_file = || {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        write::<&File>(&kept, &file)?;
        file.sync_all()
    };
    to_file().map_err(|error| ToolError::Output { to: path.display().to_string(), error })
}

fn write<W: Write>(kept: &Kept, to: W) -> io::Result<()> {
    let progress = Progress::of("rockets written");
    let mut lines = lines::Writer::new(BufWriter::with_capacity(1 << 16, to))?;
    for (count, rocket) in (0..).zip(kept.rockets()) {
        lines.write(rocket)?;
        if count % EVERY == 0 {
            progress.show(count, None);
        }
    }
    lines.end()?;
    progress.end();
    Ok(())
}
