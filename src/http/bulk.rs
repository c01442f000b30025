//! `POST /messages` with many messages: one a line (NDJSON), or in an array.
//!
//! Owns the lines, the elements and the tally of what became of them. Does not
//! own how their messages get to the fleet, nor how many of them are held on the
//! way ([`crate::fleet::intake`]).
//!
//! Lines are independent of each other, and so are elements. They are read one by
//! one as the body comes in, which is never held as a whole.

use std::collections::BinaryHeap;

use bytes::{Buf, Bytes};
use futures_util::Stream;
use serde::Serialize;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;
use warp::reply::Response;

use super::body::next_piece;
use super::bulk_turn::TurnAtLines;
use super::client;
use super::context::Context;
use super::elements::{Elements, Step};
use super::held::Held;
use super::pace::Pace;
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

/// How the messages stand in a body.
#[derive(Debug)]
pub enum Form {
    /// One a line.
    Lines,
    /// As the elements of a JSON array.
    Array(Elements),
}

impl Form {
    /// An array of which nothing was read.
    #[must_use]
    pub fn array() -> Self {
        Self::Array(Elements::default())
    }
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Place {
    /// Counted from 1, blank lines too.
    Line(u64),
    /// In an array, counted from 0.
    Index(u64),
}

/// Counts of what became of the lines, and what was wrong with the first ones.
#[derive(Debug, Default, Serialize, ToSchema)]
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
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
struct LineError {
    #[serde(flatten)]
    place: Place,
    error: String,
    /// Whether the line may go well when it is sent again.
    #[serde(skip_serializing_if = "is_false")]
    retry: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Whether all of them were accepted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ManyStatus)]
enum Status {
    Success,
    Partial,
}

/// What became of many messages.
#[derive(Serialize, ToSchema)]
#[schema(as = ManyTaken)]
pub(super) struct Answer {
    status: Status,
    #[serde(flatten)]
    tally: Tally,
}

/// Takes many messages in, of a body that comes at this pace or faster.
///
/// # Errors
/// When the body cannot be read, no line was accepted, or not all lines were
/// taken in time; what was accepted stays so.
pub async fn post(
    context: &Context,
    headers: PostHeaders,
    form: Form,
    mut pace: Pace,
    body: impl Stream<Item = Result<impl Buf, impl Into<Problem>>>,
) -> Result<Response, Problem> {
    let mut body = std::pin::pin!(body);
    // Else every line would be refused for the same reason.
    context.fleet.health().can_write()?;
    let limit = context.config.max_bulk_body;
    if headers.announced_length > limit as u64 {
        return Err(Problem::body_too_large(limit));
    }
    let time = context.config.request_timeout;
    let intake = Intake::new(context.fleet.clone(), Instant::now() + time);
    let held = Held::new(context.bodies_held.clone(), context.config.max_body);
    let mut reading = Reading::new(Lines::new(form, context.config.max_body, held, intake));
    let mut length = 0;
    // Who waits for bytes holds no turn, and no more than the start of a line: so
    // there may be any number of them.
    let mut turn: Option<TurnAtLines> = None;
    loop {
        let piece = if let Some(turn) = &turn {
            turn.next_piece(&mut body, &mut pace).await?
        } else {
            Some(next_piece(&mut body, &mut pace).await?)
        };
        let Some(piece) = piece else {
            reading = reading.flush().await;
            turn = None;
            continue;
        };
        let Some(piece) = piece else { break };
        let mut piece = piece.map_err(Into::into)?;
        let piece = piece.copy_to_bytes(piece.remaining());
        pace.receive(piece.len());
        length += piece.len();
        if length > limit {
            return Err(Problem::body_too_large(limit));
        }
        if turn.is_none() && reading.lines.may_end_in(&piece) {
            turn = Some(TurnAtLines::take(context).await?);
        }
        let deadline = Instant::now() + time;
        reading.lines.intake.wait_until(deadline);
        let lines_before = reading.lines.count;
        reading = reading.read(piece, deadline).await?;
        client::tell_current(|client| client.charge(reading.lines.count - lines_before));
        if std::mem::take(&mut reading.lines.no_room) {
            return Err(Problem::too_many_bytes_held());
        }
        if Instant::now() >= deadline {
            // Not for the client's sake: it is the lines so far that took so long.
            return Err(Problem::lines_left(&reading.break_off().await.shown()));
        }
    }
    reading.lines.intake.wait_until(Instant::now() + time);
    answer(reading.finish().await)
}

fn answer(tally: Tally) -> Result<Response, Problem> {
    let tally = tally.shown();
    let accepted = tally.applied + tally.buffered + tally.duplicate;
    if tally.rejected == 0 && accepted == 0 {
        return Err(Problem::no_message());
    }
    if accepted > 0 {
        let status = if tally.rejected == 0 { Status::Success } else { Status::Partial };
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

/// Takes a body apart. Synchronous, so that it can be done elsewhere. An
/// element of an array is a line here, too.
struct Lines {
    form: Form,
    /// Most bytes in a line.
    limit: usize,
    /// The line that the last piece of the body broke off.
    partial: Held,
    /// All bodies together would hold too much with it.
    no_room: bool,
    /// Whether `partial` was given up for its length.
    too_long: bool,
    /// Lines that ended.
    count: u64,
    /// Messages on their way to the fleet, by where they stood.
    intake: Intake<Place>,
    /// Lines that are no message, and why not.
    rejected: Vec<(Place, String)>,
    /// Whether something was found behind the array.
    stray: bool,
}

impl Lines {
    fn new(form: Form, limit: usize, partial: Held, intake: Intake<Place>) -> Self {
        let (no_room, too_long, stray, rejected) = (false, false, false, Vec::new());
        Self { form, limit, partial, no_room, too_long, count: 0, intake, rejected, stray }
    }

    /// Whether a line may end in this piece of the body, at a quick look.
    fn may_end_in(&self, piece: &[u8]) -> bool {
        match self.form {
            Form::Lines => memchr::memchr(b'\n', piece).is_some(),
            Form::Array(_) => memchr::memchr2(b',', b']', piece).is_some(),
        }
    }

    /// Takes in all lines that end in this piece of the body.
    fn read(&mut self, piece: &[u8]) {
        let mut rest = piece;
        if let Form::Array(_) = self.form {
            return self.read_elements(rest);
        }
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.end_line(&rest[..end], true);
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    fn read_elements(&mut self, mut rest: &[u8]) {
        while !rest.is_empty() {
            let Form::Array(elements) = &mut self.form else { return };
            let is_first = elements.is_first();
            let (end, may_be_blank) = match elements.step(rest) {
                Step::Skip(length) => {
                    rest = &rest[length..];
                    continue;
                }
                Step::Element(end) => (end, false),
                // An empty array has no element.
                Step::Last(end) => (end, is_first),
                Step::Unfinished => return self.keep(rest),
                Step::Stray => {
                    if !std::mem::replace(&mut self.stray, true) {
                        self.reject("there is something behind the array".to_owned());
                    }
                    return;
                }
            };
            self.end_line(&rest[..end], may_be_blank);
            rest = &rest[end + 1..];
        }
    }

    /// Keeps the start of a line that goes on in the next piece, up to the size
    /// of a message.
    fn keep(&mut self, part: &[u8]) {
        let part = self.without_blanks(part);
        self.too_long |= self.partial.bytes().len() + part.len() > self.limit;
        if self.too_long {
            self.partial.clear();
        } else {
            self.no_room |= self.partial.push(part).is_err();
        }
    }

    /// White space in front of an element, which may stand far in, is no part of
    /// it.
    fn without_blanks<'a>(&self, part: &'a [u8]) -> &'a [u8] {
        let is_start = self.partial.bytes().is_empty() && !self.too_long;
        if is_start && matches!(self.form, Form::Array(_)) { part.trim_ascii_start() } else { part }
    }

    /// Takes in the line that ends with `end` and began with what was kept.
    fn end_line(&mut self, end: &[u8], may_be_blank: bool) {
        let end = self.without_blanks(end);
        let message = if self.too_long || self.partial.bytes().len() + end.len() > self.limit {
            let what = if let Form::Lines = self.form { "line" } else { "element" };
            Err(format!("the {what} is larger than {} bytes", self.limit))
        } else if self.partial.bytes().is_empty() {
            parse(end)
        } else if self.partial.push(end).is_ok() {
            parse(self.partial.bytes())
        } else {
            self.no_room = true;
            Ok(None)
        };
        self.partial.clear();
        self.too_long = false;
        match message {
            Ok(None) if may_be_blank => self.count += 1,
            Ok(None) => self.reject("expected a message, found nothing".to_owned()),
            Ok(Some(message)) => self.push(message),
            Err(error) => self.reject(error),
        }
    }

    fn push(&mut self, message: Message) {
        let place = self.next_place();
        self.intake.push(place, message);
    }

    fn reject(&mut self, error: String) {
        let place = self.next_place();
        self.intake.tell_invalid();
        self.rejected.push((place, error));
    }

    /// Where the line stands that ends now.
    fn next_place(&mut self) -> Place {
        let index = self.count;
        self.count += 1;
        if let Form::Lines = self.form { Place::Line(index + 1) } else { Place::Index(index) }
    }

    /// Takes in the last line if it has no end.
    fn finish(&mut self) {
        match &self.form {
            Form::Lines if self.too_long || !self.partial.bytes().is_empty() => {
                self.end_line(&[], true);
            }
            Form::Array(elements) if elements.is_open() => {
                // It may be whole, for all that is missing.
                if let Ok(Some(message)) = parse(self.partial.bytes()) {
                    self.push(message);
                }
                self.reject("the array is cut off here".to_owned());
            }
            _ => {}
        }
    }
}

impl Reading {
    fn new(lines: Lines) -> Self {
        Self { lines, tally: Tally::default() }
    }

    /// Takes in all lines that end in this piece of the body, and hands over
    /// what there is enough of.
    async fn read(mut self, piece: Bytes, deadline: Instant) -> Result<Self, SubmitError> {
        if piece.len() < WORTH_A_THREAD {
            self.lines.read(&piece);
        } else {
            let mut lines = self.lines;
            let read = spawn_blocking(move || {
                lines.read(&piece);
                lines
            });
            // Too late where no thread was free; else the runtime is on its way out.
            let read = timeout_at(deadline, read).await.map_err(|_| SubmitError::TimedOut)?;
            self.lines = read.map_err(|_| SubmitError::Lost)?;
        }
        self.count_rejected();
        self.lines.intake.hand_over_full(&mut |place, told| self.tally.count(place, told)).await;
        Ok(self)
    }

    fn count_rejected(&mut self) {
        for (place, error) in self.lines.rejected.drain(..) {
            self.tally.reject(place, error, false);
        }
    }

    /// Waits for what became of all lines so far.
    async fn flush(mut self) -> Self {
        self.lines.intake.flush(&mut |place, told| self.tally.count(place, told)).await;
        self
    }

    /// Takes in the last line, and waits for what became of all of them.
    async fn finish(mut self) -> Tally {
        self.lines.finish();
        self.count_rejected();
        let Self { lines, mut tally } = self;
        lines.intake.finish(&mut |place, told| tally.count(place, told)).await;
        tally
    }

    /// Takes in no more, and waits for what became of the lines so far.
    async fn break_off(self) -> Tally {
        let Self { lines, mut tally } = self;
        lines.intake.break_off(&mut |place, told| tally.count(place, told)).await;
        tally
    }
}

/// Reads the message in a line; `None` if the line is blank.
fn parse(line: &[u8]) -> Result<Option<Message>, String> {
    let is_blank = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii().is_empty();
    if is_blank {
        return Ok(None);
    }
    wire::parse(line).map(Some).map_err(|error| error.to_string())
}

impl Tally {
    fn count(&mut self, place: Place, told: Submitted) {
        match told {
            Ok(Outcome::Applied) => self.applied += 1,
            Ok(Outcome::Buffered) => self.buffered += 1,
            Ok(Outcome::Duplicate) => self.duplicate += 1,
            Err(error) => self.reject(place, error.to_string(), error.may_pass()),
        }
    }

    /// As it is shown: with the first errors in order.
    fn shown(mut self) -> Self {
        self.errors = std::mem::take(&mut self.first_errors).into_sorted_vec();
        self
    }

    fn reject(&mut self, place: Place, error: String, retry: bool) {
        self.rejected += 1;
        self.retryable += u64::from(retry);
        self.first_errors.push(LineError { place, error, retry });
        if self.first_errors.len() > MAX_ERRORS {
            self.first_errors.pop();
        }
    }
}
