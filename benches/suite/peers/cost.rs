//! What a message takes: of processors in all processes of the server, and of the disk.

use std::fmt;
use std::io::{Error, Result};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor};

use crate::servers::Server;

/// What has been used until now.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// Of processors, in milliseconds.
    processor: u64,
    /// Bytes that were written to the device, by whoever; `None` if it does not say.
    written: Option<u64>,
}

impl Meter {
    /// Of a server, and of the device that `directory` is on.
    pub fn read(server: &Server, directory: &Path) -> Result<Self> {
        let written = written_to_device_of(directory)?;
        Ok(Self { processor: server.processor_of_all()?, written })
    }
}

/// What a message cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub processor_us: f64,
    /// Bytes written to the device, what the file system adds among them.
    pub written: f64,
    /// Bytes that the data directory took after a clean stop, above those of an empty one.
    pub kept: f64,
}

impl Cost {
    pub const HEADINGS: &str = "processor, µs a message\twritten, bytes a message\tkept";

    pub fn of(before: Meter, after: Meter, kept: u64, messages: u64) -> Self {
        let each = |amount: u64| amount as f64 / messages as f64;
        let written = before.written.zip(after.written);
        Self {
            processor_us: each((after.processor - before.processor) * 1000),
            written: written.map_or(f64::NAN, |(before, after)| each(after - before)),
            kept: each(kept),
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor_us, written, kept } = self;
        write!(formatter, "{processor_us:.2}\t{written:.0}\t{kept:.0}")
    }
}

/// Counted in sectors of 512 bytes, whatever the device has.
fn written_to_device_of(directory: &Path) -> Result<Option<u64>> {
    let device = std::fs::metadata(directory)?.dev();
    let stat = format!("/sys/dev/block/{}:{}/stat", major(device), minor(device));
    let Ok(stat) = std::fs::read_to_string(stat) else { return Ok(None) };
    let sectors = stat.split_whitespace().nth(6).and_then(|text| text.parse::<u64>().ok());
    sectors.map(|it| Some(it * 512)).ok_or_else(|| Error::other("no sectors written"))
}

/// Bytes that everything in a directory takes.
pub fn kept_in(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { kept_in(&entry.path())? } else { about.blocks() * 512 };
    }
    Ok(bytes)
}
