//! `downlink import`: a new data directory of what `export` wrote. Owns that all of
//! it is there or nothing; does not own what stands in the lines (`format`), nor
//! what a rocket may be that is stored.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::error::{ToolError, print};
use super::lines::{Found, Reader};
use super::progress::Progress;
use super::words::counted;
use crate::journal::OpenError;
use crate::journal::sqlite::DataDirectory;

/// Makes the data directory `to` of the file `input`, or of standard input.
///
/// # Errors
/// When the directory is not empty, a line is not as it should be, or something
/// cannot be read or written.
pub fn run(input: Option<PathBuf>, to: &Path) -> Result<(), ToolError> {
    let (from, input): (_, Box<dyn Read>) = match input {
        None => ("standard input".to_owned(), Box::new(io::stdin().lock())),
        Some(path) => {
            let opened = File::open(&path);
            let file = opened
                .map_err(|error| OpenError::Open { file: path.clone(), error: error.into() })?;
            (path.display().to_string(), Box::new(file))
        }
    };
    let mut lines = Reader::new(BufReader::with_capacity(1 << 16, input));
    let read = fill(&mut lines, to);
    read.map_err(|error| match error {
        Failed::Line(problem) => ToolError::Input { from, line: lines.line(), problem },
        Failed::Storage(error) => ToolError::Open(error),
    })
    .and_then(|(rockets, messages)| {
        let (rockets, messages) = (counted(rockets, "rocket"), counted(messages, "message"));
        print(&format!("imported {rockets}, with {messages} that wait for an earlier one\n"))
    })
}

enum Failed {
    Line(String),
    Storage(OpenError),
}

impl From<OpenError> for Failed {
    fn from(error: OpenError) -> Self {
        Self::Storage(error)
    }
}

/// How many rockets and buffered messages were stored.
fn fill(lines: &mut Reader<impl io::BufRead>, to: &Path) -> Result<(u64, u64), Failed> {
    lines.header().map_err(Failed::Line)?;
    let mut filling = DataDirectory::at(to).fill()?;
    let progress = Progress::of("rockets imported");
    loop {
        match lines.read().map_err(Failed::Line)? {
            Found::Rocket(rocket) => filling.add(*rocket)?.map_err(Failed::Line)?,
            Found::End { rockets, messages } => {
                filling.complete()?;
                progress.end();
                return Ok((rockets, messages));
            }
        }
        progress.show(lines.line() - 1, None);
    }
}
