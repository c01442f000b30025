//! `POST /messages` with many messages, one a line (NDJSON).
//!
//! Lines are independent of each other. The body is read line by line as it
//! comes in and is never held as a whole: what a request holds is at most a
//! chunk of messages for each partition that is being filled, and one that is
//! on its way. A request within a chunk is one hand-over for each partition.

use std::collections::BinaryHeap;

use bytes::Buf;
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use tokio::task::{JoinError, JoinHandle, yield_now};
use tokio::time::{Instant, timeout_at};
use warp::http::HeaderMap;
use warp::reply::Response;

use super::body::{announced_length, discard_unless_asked};
use super::problem::Problem;
use super::routes::{Context, json};
use crate::fleet::handle::SubmitError;
use crate::fleet::inbox::Outcome;
use crate::telemetry::{Message, wire};

/// Most errors shown in an answer: those of the first lines.
const MAX_ERRORS: usize = 100;

/// Most messages handed over to a partition at a time: some 1 ms of its work.
const CHUNK: usize = 4096;

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

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
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
pub async fn post(
    context: Context,
    headers: HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Result<Response, Problem> {
    let deadline = Instant::now() + context.config.request_timeout;
    // Else every line would be refused for the same reason.
    context.fleet.health().can_write()?;
    let mut body = std::pin::pin!(body);
    let limit = context.config.max_bulk_body;
    if announced_length(&headers) > limit as u64 {
        discard_unless_asked(&headers, &mut body).await;
        return Err(Problem::body_too_large(limit));
    }
    let mut intake = Intake::new(context, deadline);
    let mut length = 0;
    loop {
        let piece = match timeout_at(deadline, body.next()).await {
            Ok(Some(piece)) => piece.map_err(Problem::body_broken)?,
            Ok(None) => break,
            Err(_) => return Err(Problem::body_too_slow()),
        };
        length += piece.remaining();
        if length > limit {
            discard_unless_asked(&headers, &mut body).await;
            return Err(Problem::body_too_large(limit));
        }
        intake.read(piece).await;
        // A piece is some 0.2 ms of parsing; others get their turn.
        yield_now().await;
    }
    let tally = intake.finish().await;
    answer(tally)
}

fn answer(mut tally: Tally) -> Result<Response, Problem> {
    tally.errors = std::mem::take(&mut tally.first_errors).into_sorted_vec();
    let accepted = tally.applied + tally.buffered + tally.duplicate;
    if tally.rejected == 0 || accepted > 0 {
        let status = if tally.rejected == 0 { "success" } else { "partial" };
        return Ok(json(&Answer { status, tally }));
    }
    let retry = tally.retryable == tally.rejected;
    Err(Problem::every_line_rejected(retry, &tally))
}

/// What a request has in hand.
struct Intake {
    context: Context,
    deadline: Instant,
    /// The line that the last piece of the body broke off.
    partial: Vec<u8>,
    /// Whether `partial` was given up for its length.
    too_long: bool,
    line: u64,
    filling: Vec<Chunk>,
    under_way: Vec<Option<JoinHandle<Verdicts>>>,
    tally: Tally,
}

/// Messages of one partition, and the lines that they stood in.
#[derive(Default)]
struct Chunk {
    messages: Vec<Message>,
    lines: Vec<u64>,
}

type Verdicts = (Vec<u64>, Vec<Result<Outcome, SubmitError>>);

impl Intake {
    fn new(context: Context, deadline: Instant) -> Self {
        let partitions = context.fleet.partitions();
        Self {
            context,
            deadline,
            partial: Vec::new(),
            too_long: false,
            line: 0,
            filling: (0..partitions).map(|_| Chunk::default()).collect(),
            under_way: (0..partitions).map(|_| None).collect(),
            tally: Tally::default(),
        }
    }

    /// Takes in all lines that end in this piece of the body.
    async fn read(&mut self, mut piece: impl Buf) {
        let bytes = piece.copy_to_bytes(piece.remaining());
        let mut rest = &bytes[..];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.end_line(&rest[..end]).await;
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    /// Keeps the start of a line that goes on in the next piece, up to the size
    /// of a message.
    fn keep(&mut self, part: &[u8]) {
        self.too_long |= self.partial.len() + part.len() > self.context.config.max_body;
        if self.too_long {
            self.partial.clear();
        } else {
            self.partial.extend_from_slice(part);
        }
    }

    /// Takes in the line that ends with `end` and began with what was kept.
    async fn end_line(&mut self, end: &[u8]) {
        self.line += 1;
        let limit = self.context.config.max_body;
        let message = if self.too_long || self.partial.len() + end.len() > limit {
            Err(format!("the line is larger than {limit} bytes"))
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
            Ok(Some(message)) => self.take(message).await,
            Err(error) => self.tally.reject(self.line, error, false),
        }
    }

    async fn take(&mut self, message: Message) {
        let partition = self.context.fleet.partition_of(&message);
        let chunk = &mut self.filling[partition];
        chunk.messages.push(message);
        chunk.lines.push(self.line);
        if chunk.messages.len() == CHUNK {
            self.hand_over(partition).await;
        }
    }

    /// Hands a partition's chunk over, once the one before is answered.
    async fn hand_over(&mut self, partition: usize) {
        let Chunk { messages, lines } = std::mem::take(&mut self.filling[partition]);
        if messages.is_empty() {
            return;
        }
        if let Some(before) = self.under_way[partition].take() {
            self.tally.count(before.await);
        }
        let (fleet, deadline) = (self.context.fleet.clone(), self.deadline);
        // A task, so that the partition works while the next lines are read.
        self.under_way[partition] = Some(tokio::spawn(async move {
            (lines, fleet.submit_many(partition, messages, deadline).await)
        }));
    }

    /// Takes in the last line and waits for all verdicts.
    async fn finish(mut self) -> Tally {
        if self.too_long || !self.partial.is_empty() {
            self.end_line(&[]).await;
        }
        for partition in 0..self.filling.len() {
            self.hand_over(partition).await;
        }
        for under_way in self.under_way.into_iter().flatten() {
            self.tally.count(under_way.await);
        }
        self.tally
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
    fn count(&mut self, answered: Result<Verdicts, JoinError>) {
        // Cannot fail: the task is never aborted, and does not panic.
        let Ok((lines, verdicts)) = answered else { return };
        for (line, verdict) in lines.into_iter().zip(verdicts) {
            match verdict {
                Ok(Outcome::Applied) => self.applied += 1,
                Ok(Outcome::Buffered) => self.buffered += 1,
                Ok(Outcome::Duplicate) => self.duplicate += 1,
                Err(error) => self.reject(line, error.to_string(), true),
            }
        }
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
