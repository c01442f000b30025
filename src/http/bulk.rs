//! `POST /messages` with many messages, one a line (NDJSON).
//!
//! Lines are independent of each other. The body is read line by line as it
//! comes in and is never held as a whole: what a request holds is a bounded
//! number of messages that were not handed over yet, and as many that are on
//! their way. A request within that is one hand-over for each partition.

use std::collections::BinaryHeap;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use warp::reply::Response;

use super::body::discard_unless_asked;
use super::head::Head;
use super::problem::Problem;
use super::routes::{Context, json};
use crate::fleet::Fleet;
use crate::fleet::handle::{HandedOver, SubmitError};
use crate::fleet::outcome::Outcome;
use crate::telemetry::{Message, wire};

/// Most errors shown in an answer: those of the first lines.
const MAX_ERRORS: usize = 100;

/// Messages of a partition from which on they are handed over: some 1 ms of its
/// work. What a piece of the body holds comes on top.
const CHUNK: usize = 4096;

/// Messages of all partitions from which on all of them are handed over.
const MAX_HELD: usize = 2 * CHUNK;

/// Requests of many messages that are read at a time; beyond it they wait. Each
/// holds some 3 MB at most.
pub const MAX_READ: usize = 64;

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
    head: Head,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Result<Response, Problem> {
    let mut body = std::pin::pin!(body);
    let answer = take_in(context, head, &mut body).await;
    if answer.is_err() {
        discard_unless_asked(head, &mut body).await;
    }
    answer
}

async fn take_in(
    context: Context,
    head: Head,
    body: &mut (impl Stream<Item = Result<impl Buf, warp::Error>> + Unpin),
) -> Result<Response, Problem> {
    let deadline = Instant::now() + context.config.request_timeout;
    // Else every line would be refused for the same reason.
    context.fleet.health().can_write()?;
    let limit = context.config.max_bulk_body;
    if head.announced_length > limit as u64 {
        return Err(Problem::body_too_large(limit));
    }
    // Half of the time, so that the other half is left for the body. The
    // semaphore is never closed.
    let turn = context.bulk_turns.clone().acquire_owned();
    let turn = timeout_at(deadline - context.config.request_timeout / 2, turn).await;
    let _turn = turn.map_err(|_| Problem::too_many_bulk_requests())?.ok();
    let mut intake = Intake::new(context, deadline);
    let mut length = 0;
    while let Some(piece) = next_piece(body, deadline).await? {
        length += piece.len();
        if length > limit {
            return Err(Problem::body_too_large(limit));
        }
        intake = intake.read(piece).await?;
        if Instant::now() >= deadline {
            // Not for the client's sake: it is the lines so far that took so long.
            return Err(Problem::lines_left(&intake.settled().await.shown()));
        }
    }
    answer(intake.finish().await)
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
struct Intake {
    context: Context,
    deadline: Instant,
    lines: Lines,
    /// What was handed over last to each partition, and the lines of it.
    under_way: Vec<Option<(Vec<u64>, HandedOver)>>,
    tally: Tally,
}

/// Takes a body apart. Synchronous, so that it can be done elsewhere.
struct Lines {
    fleet: Fleet,
    /// Most bytes in a line.
    limit: usize,
    /// The line that the last piece of the body broke off.
    partial: Vec<u8>,
    /// Whether `partial` was given up for its length.
    too_long: bool,
    line: u64,
    /// What was read and not handed over yet, for each partition.
    filling: Vec<Chunk>,
    /// Lines that are no message, and why not.
    rejected: Vec<(u64, String)>,
}

/// Messages of one partition, and the lines that they stood in.
#[derive(Default)]
struct Chunk {
    messages: Vec<Message>,
    lines: Vec<u64>,
}

impl Lines {
    fn new(context: &Context) -> Self {
        Self {
            fleet: context.fleet.clone(),
            limit: context.config.max_body,
            partial: Vec::new(),
            too_long: false,
            line: 0,
            filling: (0..context.fleet.partitions()).map(|_| Chunk::default()).collect(),
            rejected: Vec::new(),
        }
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
            Ok(Some(message)) => {
                let chunk = &mut self.filling[self.fleet.partition_of(&message)];
                chunk.messages.push(message);
                chunk.lines.push(self.line);
            }
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

impl Intake {
    fn new(context: Context, deadline: Instant) -> Self {
        let lines = Lines::new(&context);
        let under_way = lines.filling.iter().map(|_| None).collect();
        Self { context, deadline, lines, under_way, tally: Tally::default() }
    }

    /// Takes in all lines that end in this piece of the body, and hands over
    /// the chunks that are full.
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
        self.note_rejected();
        let held: usize = self.lines.filling.iter().map(|chunk| chunk.messages.len()).sum();
        for partition in 0..self.lines.filling.len() {
            if held >= MAX_HELD || self.lines.filling[partition].messages.len() >= CHUNK {
                self.hand_over(partition).await;
            }
        }
        Ok(self)
    }

    fn note_rejected(&mut self) {
        for (line, error) in self.lines.rejected.drain(..) {
            self.tally.reject(line, error, false);
        }
    }

    /// Hands a partition's chunk over, once the one before is answered: the
    /// partition works while the next lines are read.
    async fn hand_over(&mut self, partition: usize) {
        let Chunk { messages, lines } = std::mem::take(&mut self.lines.filling[partition]);
        if messages.is_empty() {
            return;
        }
        self.settle(partition).await;
        if Instant::now() >= self.deadline {
            // Nobody would wait for it, and so nothing would hold the next back.
            let verdicts = vec![Err(SubmitError::Busy); lines.len()];
            self.tally.count(lines, verdicts);
            return;
        }
        self.under_way[partition] =
            Some((lines, self.context.fleet.hand_over(partition, messages)));
    }

    /// Waits for what a partition was handed last.
    async fn settle(&mut self, partition: usize) {
        if let Some((lines, handed_over)) = self.under_way[partition].take() {
            self.tally.count(lines, handed_over.settled(self.deadline).await);
        }
    }

    /// Takes in the last line and waits for all verdicts.
    async fn finish(mut self) -> Tally {
        self.lines.finish();
        self.note_rejected();
        for partition in 0..self.lines.filling.len() {
            self.hand_over(partition).await;
        }
        self.settled().await
    }

    /// Waits for all verdicts on what was handed over.
    async fn settled(mut self) -> Tally {
        for partition in 0..self.under_way.len() {
            self.settle(partition).await;
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
    fn count(&mut self, lines: Vec<u64>, verdicts: Vec<Result<Outcome, SubmitError>>) {
        for (line, verdict) in lines.into_iter().zip(verdicts) {
            match verdict {
                Ok(Outcome::Applied) => self.applied += 1,
                Ok(Outcome::Buffered) => self.buffered += 1,
                Ok(Outcome::Duplicate) => self.duplicate += 1,
                Err(error) => self.reject(line, error.to_string(), true),
            }
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
