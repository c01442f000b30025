//! Owns where messages come from: a fleet that is made up, or a file. Does not own
//! either of them (`schedule`, `lines`), nor what becomes of what they give
//! (`outbox`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::BytesMut;
use tokio::sync::Notify;
use tokio::sync::mpsc::error::TryRecvError;

use crate::clock;
use crate::lines::{Found, Line, Lines};
use crate::message::{Encoder, type_name};
use crate::schedule::{Planned, Schedule};
use crate::tally::EXAMPLES;
use crate::verify::Oracle;

/// What is sent: small, because thousands may wait to be sent again.
#[derive(Clone, Debug)]
pub enum Load {
    Planned(Planned),
    Line(Line),
}

impl Load {
    /// Whether it is a second copy that was planned.
    pub fn is_copy(&self) -> bool {
        matches!(self, Self::Planned(Planned { copy: true, .. }))
    }

    /// Smaller for what is meant to go earlier, of the same source.
    pub fn age(&self) -> (i64, bool) {
        match self {
            Self::Planned(planned) => (planned.message.at, planned.copy),
            Self::Line(line) => {
                (i64::try_from(line.number).expect("no file has so many lines"), false)
            }
        }
    }

    /// When it was there to be sent, where that is not up to the schedule.
    pub fn since(&self) -> Option<Instant> {
        match self {
            Self::Planned(_) => None,
            Self::Line(line) => Some(line.read),
        }
    }
}

pub enum Source {
    Fleet(Box<(Schedule, Encoder)>),
    File(Replayed),
}

impl Source {
    pub fn made_up(schedule: Schedule, encoder: Encoder) -> Self {
        Self::Fleet(Box::new((schedule, encoder)))
    }

    /// What is told when there is more, for those who wait for it.
    pub fn changed(&self) -> Arc<Notify> {
        match self {
            Self::Fleet(_) => Arc::default(),
            Self::File(file) => Arc::clone(&file.lines.changed),
        }
    }

    /// Whether there is something to send now.
    pub fn has_next(&mut self) -> bool {
        match self {
            Self::Fleet(fleet) => !fleet.0.is_exhausted(),
            Self::File(file) => file.look(),
        }
    }

    /// The next to be sent, if there is one now.
    pub fn next(&mut self) -> Option<Load> {
        match self {
            Self::Fleet(fleet) => fleet.0.next(clock::now()).map(Load::Planned),
            Self::File(file) => file.next().map(Load::Line),
        }
    }

    /// Whether nothing comes any more.
    pub fn is_exhausted(&self) -> bool {
        match self {
            Self::Fleet(fleet) => fleet.0.is_exhausted(),
            Self::File(file) => file.has_ended && file.waiting.is_empty(),
        }
    }

    /// First copies that were there to be sent and were not.
    pub fn unsent(&self) -> u64 {
        match self {
            Self::Fleet(fleet) => fleet.0.unsent(),
            Self::File(file) => file.waiting.len() as u64,
        }
    }

    /// Appends what is sent to `out`.
    pub fn write(&mut self, load: &Load, out: &mut BytesMut) {
        match (self, load) {
            (Self::Fleet(fleet), Load::Planned(planned)) => fleet.1.write(&planned.message, out),
            (_, Load::Line(line)) => out.extend_from_slice(&line.bytes),
            (Self::File(_), Load::Planned(_)) => unreachable!("a file plans nothing"),
        }
    }

    /// What a user finds it by.
    pub fn name(&self, load: &Load) -> String {
        match (self, load) {
            (Self::Fleet(fleet), Load::Planned(planned)) => {
                let Planned { message, copy } = planned;
                format!(
                    "{} #{} {}{}",
                    fleet.1.channels().id(message.rocket),
                    message.number,
                    type_name(&message.event),
                    if *copy { " (copy)" } else { "" },
                )
            }
            (_, Load::Line(line)) => format!("line {}", line.number),
            (Self::File(_), Load::Planned(_)) => unreachable!("a file plans nothing"),
        }
    }

    /// Bytes of the file that were read.
    pub fn bytes_read(&self) -> Option<u64> {
        match self {
            Self::Fleet(_) => None,
            Self::File(file) => Some(file.lines.read.load(Ordering::Relaxed)),
        }
    }

    /// Gives up the oracle, with the fold of all that was made up.
    pub fn take_oracle(&mut self) -> Option<Oracle> {
        match self {
            Self::Fleet(fleet) => fleet.0.take_oracle(),
            Self::File(_) => None,
        }
    }
}

/// What was read of a file, and what was wrong with it.
pub struct Replayed {
    lines: Lines,
    waiting: VecDeque<Line>,
    has_ended: bool,
    /// Lines taken to be sent, waiting ones included.
    pub taken: u64,
    /// Lines that are not JSON or name no channel, sent or not.
    pub bad: u64,
    /// The first of them, described.
    pub first_bad: Vec<String>,
    /// Why the file was not read to its end, if it was not.
    pub broken: Option<String>,
}

impl Replayed {
    pub fn new(lines: Lines) -> Self {
        Self {
            lines,
            waiting: VecDeque::new(),
            has_ended: false,
            taken: 0,
            bad: 0,
            first_bad: Vec::new(),
            broken: None,
        }
    }

    /// Whether all was read, to the end or to where it breaks off.
    pub fn was_read(&self) -> bool {
        self.has_ended
    }

    /// Takes what was read, up to the next line.
    fn look(&mut self) -> bool {
        while self.waiting.is_empty() && !self.has_ended {
            match self.lines.batches.try_recv() {
                Ok(batch) => batch.into_iter().for_each(|found| self.take(found)),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => self.has_ended = true,
            }
        }
        !self.waiting.is_empty()
    }

    fn next(&mut self) -> Option<Line> {
        self.look();
        self.waiting.pop_front()
    }

    fn take(&mut self, found: Found) {
        match found {
            Found::Line(line) => {
                self.taken += 1;
                self.waiting.push_back(line);
            }
            Found::Bad(number, why) => {
                self.bad += 1;
                if self.first_bad.len() < EXAMPLES {
                    self.first_bad.push(format!("line {number}: {why}"));
                }
            }
            Found::Broken(number, error) => {
                self.broken = Some(format!("behind line {number}: {error}"));
            }
        }
    }
}
