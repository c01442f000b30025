//! Lines of an export, one after the other: written, and read back with the number
//! of the line that is wrong. Owns that a whole export is told from a part of one;
//! does not own what stands in a line (`format`).

use std::io::{self, BufRead, Read, Write};

use serde::Serialize;

use super::format::{AnyHeader, EndV1, FORMAT, HeaderV1, RocketV1, VERSION};
use crate::journal::RocketSnapshot;
use crate::telemetry::shown::Quoted;

/// More than a rocket takes with as many early messages as it may have, each as
/// long as it can be.
const LONGEST_LINE: u64 = 256 << 20;

/// Characters of what is wrong with a line: the names of all fields that there are,
/// and some more.
const MOST_SHOWN: usize = 300;

/// Writes a header, rockets and the end.
pub struct Writer<W> {
    to: W,
    end: EndV1,
}

impl<W: Write> Writer<W> {
    /// Begins with the header.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(to: W) -> io::Result<Self> {
        let mut writer = Self { to, end: EndV1 { rockets: 0, buffered_messages: 0 } };
        let release = env!("CARGO_PKG_VERSION").to_owned();
        line(&mut writer.to, &HeaderV1 { format: FORMAT.to_owned(), version: VERSION, release })?;
        Ok(writer)
    }

    /// Writes a rocket.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, rocket: RocketSnapshot) -> io::Result<()> {
        self.end.rockets += 1;
        self.end.buffered_messages += rocket.buffered.len() as u64;
        line(&mut self.to, &RocketV1::from(rocket))
    }

    /// Ends with how many there were.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(mut self) -> io::Result<()> {
        let Self { to, end } = &mut self;
        line(to, end)?;
        to.flush()
    }
}

fn line(to: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// What a line is.
#[derive(Debug)]
pub enum Found {
    /// A rocket, without a row ID.
    Rocket(Box<RocketSnapshot>),
    /// The last line, which was right about all of them.
    End {
        /// How many there were.
        rockets: u64,
        /// How many of their messages wait.
        messages: u64,
    },
}

/// Reads what a [`Writer`] wrote. What is wrong is told as a text, about the line
/// that [`Reader::line`] is the number of.
pub struct Reader<R> {
    from: R,
    text: Vec<u8>,
    longest: u64,
    line: u64,
    rockets: u64,
    messages: u64,
}

impl<R: BufRead> Reader<R> {
    /// A reader at the first line.
    pub fn new(from: R) -> Self {
        Self { from, text: Vec::new(), longest: LONGEST_LINE, line: 0, rockets: 0, messages: 0 }
    }

    /// The line that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Reads the header.
    ///
    /// # Errors
    /// When it is not there, or of an unknown version.
    pub fn header(&mut self) -> Result<(), String> {
        let expected = || format!("expected the header of a {FORMAT:?}");
        if !self.advance()? {
            return Err(format!("{}, found nothing", expected()));
        }
        let header: AnyHeader = serde_json::from_slice(&self.text)
            .map_err(|error| format!("{}: {}", expected(), in_line(&error)))?;
        if header.format != FORMAT {
            return Err(format!("{}, found {}", expected(), Quoted(&header.format)));
        }
        if header.version != VERSION {
            let found = header.version;
            return Err(format!(
                "it has format version {found}, and only version {VERSION} is known"
            ));
        }
        let header: Result<HeaderV1, _> = serde_json::from_slice(&self.text);
        header.map(drop).map_err(|error| in_line(&error))
    }

    /// Reads the next line.
    ///
    /// # Errors
    /// When it is no rocket and not the end, or the end is not right.
    pub fn read(&mut self) -> Result<Found, String> {
        if !self.advance()? {
            return Err("it is cut off: the last line, with the counts, is missing".to_owned());
        }
        let rocket: Result<RocketV1, _> = serde_json::from_slice(&self.text);
        let rocket = match rocket {
            Ok(rocket) => RocketSnapshot::try_from(rocket)?,
            Err(error) => {
                let end: Result<EndV1, _> = serde_json::from_slice(&self.text);
                return self.end(&end.map_err(|_| in_line(&error))?);
            }
        };
        self.rockets += 1;
        self.messages += rocket.buffered.len() as u64;
        Ok(Found::Rocket(Box::new(rocket)))
    }

    fn end(&mut self, end: &EndV1) -> Result<Found, String> {
        let Self { rockets, messages, .. } = *self;
        if (end.rockets, end.buffered_messages) != (rockets, messages) {
            return Err(format!(
                "expected {} rockets and {} messages that wait, found {rockets} and {messages}",
                end.rockets, end.buffered_messages
            ));
        }
        if self.advance()? {
            return Err("expected nothing after the counts".to_owned());
        }
        Ok(Found::End { rockets, messages })
    }

    /// Reads a line; `false` at the end. Empty ones do not count.
    fn advance(&mut self) -> Result<bool, String> {
        loop {
            self.text.clear();
            self.line += 1;
            let mut limited = self.from.by_ref().take(self.longest + 1);
            let read = limited.read_until(b'\n', &mut self.text);
            if read.map_err(|error| error.to_string())? == 0 {
                return Ok(false);
            }
            if self.text.len() as u64 > self.longest {
                return Err(format!("the line is longer than {} bytes", self.longest));
            }
            if !self.text.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }
}

/// What serde has to say of one line, which it takes for the first, without most of
/// what it repeats of a long one.
fn in_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let (problem, column) = text.rsplit_once(" at line 1 column ").unwrap_or((&text, ""));
    let mut shown: String = problem.chars().take(MOST_SHOWN).collect();
    if shown.len() < problem.len() {
        shown.push('…');
    }
    if column.is_empty() { shown } else { format!("{shown} at column {column}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_does_not_end_is_not_read_for_ever() {
        let mut reader = Reader::new(io::BufReader::new(io::repeat(b'x')));
        reader.longest = 1000;
        assert_eq!(reader.header(), Err("the line is longer than 1000 bytes".to_owned()));
        assert_eq!((reader.line(), reader.text.len()), (1, 1001));
    }
}
