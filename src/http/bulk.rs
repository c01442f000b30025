//! `POST /messages` with many messages, one a line (NDJSON).
//!
//! Owns the lines and the tally of what became of them. Does not own how their
//! messages get to the fleet, nor how many of them are held on the way
//! ([`crate::fleet::intake`]).
//!
//! Lines are independent of each other. The body is read line by line as it
//! comes in and is never held as a whole.

use std::collections::BinaryHeap;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use warp::reply::Response;

use super::body::discard_unless_asked;
use super::context::Context;
use super::post_headers::PostHeaders;
use super::problem::Problem;
use super::respond::json;
use crate::fleet::intake::Intake;
use crate::fleet::outcome::{Outcome, SubmitError, Submitted};
use crate::telemetry::{Message, wire};

/// Most errors shown in an answer: those of the first lines.
const MAX_ERRORS: usize = 100;

/// Bytes from which on a piece of a body is taken apart on a thread of its own,
/// so that the runtime's threads are there for others: some 20 µs of work.
const WORTH_A_THREAD: usize = 16 * 1024;

/// Counts of what became of the lines, and what was wrong with the first ones.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    applied: u64,
    buffered: u64,
    duplicate: u64,
    rejected: u64,
    errors: Vec<LineError>,
    #[serde(skip)]
    first_errors: BinaryHeap<LineError>,
    /// How many of the rejected lines may go well later.
    #[serde(skip)]
    retryable: u64,
}

/// What was wrong with one line.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct LineError {
    /// Counted from 1, blank lines too.
    line: u64,
    error: String,
    /// Whether the line may go well when it is sent again.
    #[serde(skip_serializing_if = "is_false")]
    retry: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Serialize)]
struct Answer {
    status: &'static str,
    #[serde(flatten)]
    tally: Tally,
}

/// Takes many messages in.
///
/// # Errors
/// When the body cannot be read, no line was accepted, or not all lines were
/// taken in time; what was accepted stays so.
pub async fn post(
    context: Arc<Context>,
    headers: PostHeaders,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Result<Response, Problem> {
    let mut body = std::pin::pin!(body);
    let answer = take_in(context, headers, &mut body).await;
    if answer.is_err() {
        discard_unless_asked(headers, &mut body).await;
    }
    answer
}

async fn take_in(
    context: Arc<Context>,
    headers: PostHeaders,
    body: &mut (impl Stream<Item = Result<impl Buf, warp::Error>> + Unpin),
) -> Result<Response, Problem> {
    let deadline = Instant::now() + context.config.request_timeout;
    // Else every line would be refused for the same reason.
    context.fleet.health().can_write()?;
    let limit = context.config.max_bulk_body;
    if headers.announced_length > limit as u64 {
        return Err(Problem::body_too_large(limit));
    }
    // Half of the time, so that the other half is left for the body.
    let permit = context.bulk_requests.acquire();
    let permit = timeout_at(deadline - context.config.request_timeout / 2, permit).await;
    let _permit = permit
        .map_err(|_| Problem::too_many_bulk_requests())?
        .expect("the semaphore is never closed");
    let intake = Intake::new(context.fleet.clone(), deadline);
    let mut reading = Reading::new(Lines::new(context.config.max_body, intake));
    let mut length = 0;
    while let Some(piece) = next_piece(body, deadline).await? {
        length += piece.len();
        if length > limit {
            return Err(Problem::body_too_large(limit));
        }
        reading = reading.read(piece).await?;
        if Instant::now() >= deadline {
            // Not for the client's sake: it is the lines so far that took so long.
            return Err(Problem::lines_left(&reading.break_off().await.shown()));
        }
    }
    answer(reading.finish().await)
}

async fn next_piece(
    body: &mut (impl Stream<Item = Result<impl Buf, warp::Error>> + Unpin),
    deadline: Instant,
) -> Result<Option<Bytes>, Problem> {
    match timeout_at(deadline, body.next()).await {
        Ok(Some(piece)) => {
            let mut piece = piece.map_err(Problem::body_broken)?;
            Ok(Some(piece.copy_to_bytes(piece.remaining())))
        }
        Ok(None) => Ok(None),
        Err(_) => Err(Problem::body_too_slow()),
    }
}

fn answer(tally: Tally) -> Result<Response, Problem> {
    let tally = tally.shown();
    let accepted = tally.applied + tally.buffered + tally.duplicate;
    if tally.rejected == 0 || accepted > 0 {
        let status = if tally.rejected == 0 { "success" } else { "partial" };
        return Ok(json(&Answer { status, tally }));
    }
    let retry = tally.retryable == tally.rejected;
    Err(Problem::every_line_rejected(retry, &tally))
}

/// What a request has in hand.
struct Reading {
    lines: Lines,
    tally: Tally,
}

/// Takes a body apart. Synchronous, so that it can be done elsewhere.
struct Lines {
    /// Most bytes in a line.
    limit: usize,
    /// The line that the last piece of the body broke off.
    partial: Vec<u8>,
    /// Whether `partial` was given up for its length.
    too_long: bool,
    line: u64,
    /// Messages on their way to the fleet, by the lines that they stood in.
    intake: Intake<u64>,
    /// Lines that are no message, and why not.
    rejected: Vec<(u64, String)>,
}

impl Lines {
    fn new(limit: usize, intake: Intake<u64>) -> Self {
        Self { limit, partial: Vec::new(), too_long: false, line: 0, intake, rejected: Vec::new() }
    }

    /// Takes in all lines that end in this piece of the body.
    fn read(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.end_line(&rest[..end]);
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    /// Keeps the start of a line that goes on in the next piece, up to the size
    /// of a message.
    fn keep(&mut self, part: &[u8]) {
        self.too_long |= self.partial.len() + part.len() > self.limit;
        if self.too_long {
            self.partial.clear();
        } else {
            self.partial.extend_from_slice(part);
        }
    }

    /// Takes in the line that ends with `end` and began with what was kept.
    fn end_line(&mut self, end: &[u8]) {
        self.line += 1;
        let message = if self.too_long || self.partial.len() + end.len() > self.limit {
            Err(format!("the line is larger than {} bytes", self.limit))
        } else if self.partial.is_empty() {
            parse(end)
        } else {
            self.partial.extend_from_slice(end);
            parse(&self.partial)
        };
        self.partial.clear();
        self.too_long = false;
        match message {
            Ok(None) => {}
            Ok(Some(message)) => self.intake.push(self.line, message),
            Err(error) => self.rejected.push((self.line, error)),
        }
    }

    /// Takes in the last line if it has no end.
    fn finish(&mut self) {
        if self.too_long || !self.partial.is_empty() {
            self.end_line(&[]);
        }
    }
}

impl Reading {
    fn new(lines: Lines) -> Self {
        Self { lines, tally: Tally::default() }
    }

    /// Takes in all lines that end in this piece of the body, and hands over
    /// what there is enough of.
    async fn read(mut self, piece: Bytes) -> Result<Self, SubmitError> {
        if piece.len() < WORTH_A_THREAD {
            self.lines.read(&piece);
        } else {
            let mut lines = self.lines;
            let read = spawn_blocking(move || {
                lines.read(&piece);
                lines
            });
            // Fails when the runtime is on its way out.
            self.lines = read.await.map_err(|_| SubmitError::Lost)?;
        }
        self.count_rejected();
        self.lines.intake.hand_over_full(&mut |line, told| self.tally.count(line, told)).await;
        Ok(self)
    }

    fn count_rejected(&mut self) {
        for (line, error) in self.lines.rejected.drain(..) {
            self.tally.reject(line, error, false);
        }
    }

    /// Takes in the last line, and waits for what became of all of them.
    async fn finish(mut self) -> Tally {
        self.lines.finish();
        self.count_rejected();
        let Self { lines, mut tally } = self;
        lines.intake.finish(&mut |line, told| tally.count(line, told)).await;
        tally
    }

    /// Takes in no more, and waits for what became of the lines so far.
    async fn break_off(self) -> Tally {
        let Self { lines, mut tally } = self;
        lines.intake.break_off(&mut |line, told| tally.count(line, told)).await;
        tally
    }
}

/// Reads the message in a line; `None` if the line is blank.
fn parse(line: &[u8]) -> Result<Option<Message>, String> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    wire::parse(line).map(Some).map_err(|error| error.to_string())
}

impl Tally {
    fn count(&mut self, line: u64, told: Submitted) {
        match told {
            Ok(Outcome::Applied) => self.applied += 1,
            Ok(Outcome::Buffered) => self.buffered += 1,
            Ok(Outcome::Duplicate) => self.duplicate += 1,
            Err(error) => self.reject(line, error.to_string(), error.may_pass()),
        }
    }

    /// As it is shown: with the first errors in order.
    fn shown(mut self) -> Self {
        self.errors = std::mem::take(&mut self.first_errors).into_sorted_vec();
        self
    }

    fn reject(&mut self, line: u64, error: String, retry: bool) {
        self.rejected += 1;
        self.retryable += u64::from(retry);
        self.first_errors.push(LineError { line, error, retry });
        if self.first_errors.len() > MAX_ERRORS {
            self.first_errors.pop();
        }
    }
}
