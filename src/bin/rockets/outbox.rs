//! Owns the messages between the schedule and their acknowledgement: what goes
//! out next, what is in flight, what came of it. Does not own the tasks that send
//! it and wait (`dispatch`), where they come from and in which order (`source`), nor
//! the order of later sends (`retries`).
//!
//! Nothing here waits. A sender asks with [`Outbox::step`] what to do, encodes
//! with [`Outbox::take_off`] what it was given, and reports with [`Outbox::land`].

use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};

use crate::client::Rejected;
use crate::config::{Config, What};
use crate::failure::Failure;
use crate::pace::Pace;
use crate::progress::SoFar;
use crate::retries::{Job, Retries};
use crate::source::Source;
use crate::tally::{EXAMPLES, RunTally};

/// A message the server will not have is tried so often: the challenge's
/// launcher would go on for ever.
const TRIES_WHEN_REFUSED: u32 = 10;
/// With so many waiting to be sent again, plus the shuffle window, nothing new
/// is sent. The window is added because the message that a service waits for
/// before it takes the others may be that much further on.
const MOST_WAITING: usize = 10_000;
/// And with so many as long as nothing has been acknowledged at all: a service
/// that is not there, or a wrong path, should not be flooded.
const MOST_WAITING_AT_FIRST: usize = 100;

/// What a free slot should do.
pub enum Step {
    /// Send what it has been given; `new` unless that was sent before.
    Send { new: bool },
    /// Wait until a retry is due, something changes or, with `permit`, the pace
    /// permits a new request.
    Await { retry: Option<Instant>, permit: bool },
    /// End: there is nothing left.
    Finish,
}

pub struct Outbox {
    source: Source,
    pace: Pace,
    waiting: Retries,
    most_waiting: usize,
    /// Whether the last thing handed out was sent before.
    was_retry: bool,
    /// For each slot, the messages of its request.
    in_flight: Vec<Vec<Job>>,
    /// Messages in all of them.
    flying: usize,
    /// Most messages in a request.
    bulk: usize,
    last_progress: Instant,
    tally: RunTally,
}

impl Outbox {
    /// With a slot for each request that may be in flight.
    pub fn new(config: &Config, source: Source, pace: Pace) -> Self {
        let shuffle = match &config.what {
            What::Fleet(fleet) => fleet.shuffle as usize,
            What::File(_) => 0,
        };
        Self {
            source,
            pace,
            waiting: Retries::default(),
            most_waiting: MOST_WAITING + shuffle,
            was_retry: false,
            in_flight: vec![Vec::new(); config.concurrency],
            flying: 0,
            bulk: config.bulk,
            last_progress: Instant::now(),
            tally: RunTally::new(config.plot.is_some()),
        }
    }

    /// What a free slot should do. `permitted` tells whether the pace allows a
    /// new request.
    pub fn step(&mut self, slot: usize, permitted: bool) -> Step {
        let retry = self.waiting.next();
        let has_next = self.source.has_next();
        let most_waiting =
            if self.tally.acknowledged == 0 { MOST_WAITING_AT_FIRST } else { self.most_waiting };
        let room = has_next && self.waiting.len() < most_waiting;
        // In turns: what is sent again could otherwise take all the time there
        // is, and the message that the service waits for would never be sent.
        let new_first = self.was_retry && room && permitted;
        if !new_first && retry.is_some() && self.take_retries(slot) {
            self.was_retry = true;
            return Step::Send { new: false };
        }
        if room && permitted {
            self.was_retry = false;
            self.take_new(slot);
            return Step::Send { new: true };
        }
        if self.source.is_exhausted() && self.waiting.is_empty() && self.flying == 0 {
            return Step::Finish;
        }
        Step::Await { retry, permit: room }
    }

    /// Fills a slot with messages to be sent again, if it is time for any.
    fn take_retries(&mut self, slot: usize) -> bool {
        let now = Instant::now();
        let retries = std::iter::from_fn(|| self.waiting.pop(now)).take(self.bulk);
        self.in_flight[slot].extend(retries);
        self.tally.retries += self.in_flight[slot].len() as u64;
        !self.in_flight[slot].is_empty()
    }

    /// Fills a slot with messages that were not sent yet, of which there are
    /// some.
    fn take_new(&mut self, slot: usize) {
        let due = self.pace.due();
        while self.in_flight[slot].len() < self.bulk
            && let Some(load) = self.source.next()
        {
            self.tally.copies += u64::from(load.is_copy());
            // The service is not to blame for what came late itself.
            let due = load.since().map_or(due, |since| due.max(since));
            self.in_flight[slot].push(Job { load, due, tries: 0 });
        }
    }

    /// Appends to `body` the request that a slot is about to send.
    pub fn take_off(&mut self, slot: usize, body: &mut BytesMut) {
        let jobs = &mut self.in_flight[slot];
        assert!(!jobs.is_empty(), "a slot sends what it has been given");
        let is_new = jobs.iter().all(|job| job.tries == 0);
        if is_new && self.flying == 0 && self.waiting.is_empty() {
            // Nothing was outstanding, so nobody was keeping us waiting.
            self.last_progress = Instant::now();
        }
        self.flying += jobs.len();
        self.tally.requests += 1;
        for job in jobs {
            job.tries += 1;
            self.source.write(&job.load, body);
            if self.bulk > 1 {
                body.put_u8(b'\n');
            }
        }
    }

    /// Counts a failure after which the same request is sent again at once.
    pub fn repeat(&mut self, slot: usize, failure: &Failure) {
        self.note(failure);
        self.tally.retries += self.in_flight[slot].len() as u64;
        self.tally.requests += 1;
    }

    /// Takes what came of a slot's request; the slot is free again.
    pub fn land(&mut self, slot: usize, result: Result<Rejected, Failure>) {
        let mut jobs = std::mem::take(&mut self.in_flight[slot]);
        self.flying -= jobs.len();
        let landed = Instant::now();
        match result {
            Ok(rejected) => {
                for (line, job) in (1..).zip(jobs.drain(..)) {
                    match rejected.failure(line) {
                        None => self.acknowledge(&job, landed),
                        Some(failure) => {
                            self.note(&failure);
                            self.fail(job, failure.is_permanent(), landed);
                        }
                    }
                }
            }
            Err(failure) => {
                self.note(&failure);
                for job in jobs.drain(..) {
                    self.fail(job, failure.is_permanent(), landed);
                }
            }
        }
        // Empty again, and its room is used for the next request.
        self.in_flight[slot] = jobs;
    }

    fn acknowledge(&mut self, job: &Job, landed: Instant) {
        self.last_progress = landed;
        if job.load.is_copy() {
            self.tally.copies_acknowledged += 1;
        } else {
            self.tally.acknowledged += 1;
        }
        // With a rate, permits come up to a moment before their time.
        self.tally.record(landed.saturating_duration_since(job.due), landed);
    }

    /// Has a message wait for its next try, or gives it up.
    fn fail(&mut self, job: Job, permanently: bool, landed: Instant) {
        if permanently && job.tries >= TRIES_WHEN_REFUSED {
            self.tally.refused += 1;
            self.name_lost(&job);
        } else {
            self.waiting.push(job, landed);
        }
    }

    fn note(&mut self, failure: &Failure) {
        tracing::debug!(%failure, "not acknowledged");
        self.tally.record_failure();
        let cause = failure.cause();
        let count = self.tally.failures.entry(cause).or_insert(0);
        *count += 1;
        if *count == 1 {
            tracing::info!(%failure, "first failure of its kind; will be sent again");
        }
        self.tally.last_failure = Some(failure.to_string());
    }

    fn name_lost(&mut self, job: &Job) {
        if self.tally.examples.len() < EXAMPLES {
            let name = self.source.name(&job.load);
            self.tally.examples.push(format!("{name}, sent {} times", job.tries));
        }
    }

    /// Whether a slot that found nothing to do may find something now: there
    /// are retries, or all is done.
    pub fn concerns_idle_slots(&self) -> bool {
        !self.waiting.is_empty() || (self.flying == 0 && self.source.is_exhausted())
    }

    /// Whether messages have been given up and not one was acknowledged.
    pub fn is_refused(&self) -> bool {
        self.tally.refused > 0 && self.tally.acknowledged == 0
    }

    /// Why the last request that failed did.
    pub fn last_failure(&self) -> Option<&str> {
        self.tally.last_failure.as_deref()
    }

    /// Whether something is outstanding, and nothing was acknowledged for so
    /// long.
    pub fn has_stalled(&self, bound: Duration) -> bool {
        let outstanding = self.flying > 0 || !self.waiting.is_empty();
        outstanding && self.last_progress.elapsed() >= bound
    }

    /// What is shown while it runs.
    pub fn so_far(&self) -> SoFar<'_> {
        SoFar {
            acknowledged: self.tally.acknowledged,
            waiting: self.waiting.len(),
            bytes_read: self.source.bytes_read(),
            latency: &self.tally.latency,
        }
    }

    /// The counts, with the first of what is left named, and the source with what
    /// was not sent.
    pub fn close(mut self) -> (RunTally, Source) {
        let flying = self.in_flight.iter().flatten();
        let left: Vec<Job> = flying.chain(self.waiting.iter()).take(EXAMPLES).cloned().collect();
        for job in &left {
            self.name_lost(job);
        }
        (self.tally, self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Parsed, parse_arguments};
    use crate::generator::Fleet;
    use crate::message::{Channels, Encoder};
    use crate::schedule::Schedule;

    fn outbox(flags: &str) -> Outbox {
        let arguments = format!("rockets launch http://localhost/messages {flags}");
        let Parsed::Run(config) = parse_arguments(arguments.split(' ').map(Into::into)) else {
            panic!("{flags} were refused");
        };
        let What::Fleet(typed) = &config.what else { panic!("a launch makes a fleet up") };
        let fleet = Fleet::new(typed.seed, typed.rockets, typed.max_messages);
        let schedule = Schedule::new(fleet, None, typed.seed, typed.shuffle, typed.duplicates);
        let encoder = Encoder::new(Channels::new(typed.seed), time::UtcOffset::UTC);
        let source = Source::made_up(schedule, encoder);
        Outbox::new(&config, source, Pace::start(config.pacing))
    }

    /// Sends one new request, and returns how many lines it has.
    #[expect(clippy::naive_bytecount, reason = "a few bytes in a test")]
    fn send(outbox: &mut Outbox, slot: usize) -> usize {
        assert!(matches!(outbox.step(slot, true), Step::Send { new: true }));
        let mut body = BytesMut::new();
        outbox.take_off(slot, &mut body);
        body.iter().filter(|&&byte| byte == b'\n').count()
    }

    #[test]
    fn without_a_permit_a_slot_waits_for_one_and_at_the_end_for_the_others() {
        let mut outbox = outbox("--max-messages=3 --bulk=2");
        assert!(matches!(outbox.step(0, false), Step::Await { retry: None, permit: true }));
        assert_eq!(send(&mut outbox, 0), 2);
        assert_eq!(send(&mut outbox, 1), 1);
        assert!(matches!(outbox.step(2, true), Step::Await { retry: None, permit: false }));
        assert!(!outbox.concerns_idle_slots());
        outbox.land(1, Ok(Rejected::default()));
        outbox.land(0, Ok(Rejected::default()));
        assert!(outbox.concerns_idle_slots());
        assert!(matches!(outbox.step(2, true), Step::Finish));
        let (tally, _) = outbox.close();
        assert_eq!((tally.acknowledged, tally.requests), (3, 2));
        assert!(tally.examples.is_empty());
    }

    #[test]
    fn nothing_new_is_sent_to_a_service_that_takes_nothing() {
        let mut outbox = outbox("--max-messages=1000");
        for _ in 0..MOST_WAITING_AT_FIRST {
            send(&mut outbox, 0);
            outbox.land(0, Err(Failure::TimedOut(Duration::ZERO)));
        }
        assert!(matches!(outbox.step(0, true), Step::Await { retry: Some(_), permit: false }));
        assert!(outbox.has_stalled(Duration::ZERO) && !outbox.is_refused());
        let (tally, source) = outbox.close();
        assert_eq!(tally.examples.len(), EXAMPLES);
        assert_eq!(source.unsent(), 900);
    }
}
