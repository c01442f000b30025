//! Owns delivery: the requests in flight, what is sent next, when a run is over.
//! Does not own the order of first sends (`schedule`) and of later ones
//! (`retries`), the pace (`pace`) or the connections (`client`).
//!
//! A request carries one message, or with `--bulk` several as lines of their own,
//! of which the service may take some and refuse others.
//!
//! A message that was refused leaves its connection free while it waits, as
//! with the challenge's launcher, so that one refusal does not hold up what the
//! service may be waiting for. Unlike there, nothing that waits is dropped.
//! Everything runs on one thread, so the state is shared without locks and no
//! borrow is held across an await.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::client::{Client, Failure, Form, Rejected};
use crate::clock;
use crate::config::Config;
use crate::message::{Encoder, name};
use crate::pace::Pace;
use crate::progress::Progress;
use crate::retries::{Job, Retries};
use crate::schedule::Schedule;
use crate::tally::{EXAMPLES, Ending, RunTally};

/// A message the server will not have is tried so often: the challenge's
/// launcher would go on for ever.
pub const TRIES_WHEN_REFUSED: u32 = 10;
/// With so many waiting to be sent again, plus the shuffle window, nothing new
/// is sent. The window is added because the message that a service waits for
/// before it takes the others may be that much further on.
const MOST_WAITING: usize = 10_000;
/// And with so many as long as nothing has been acknowledged at all: a service
/// that is not there, or a wrong path, should not be showered.
const MOST_WAITING_AT_FIRST: usize = 100;
const TICK: Duration = Duration::from_millis(100);

/// A finished run.
pub struct Delivered {
    pub ending: Ending,
    pub elapsed: Duration,
    pub tally: RunTally,
    pub schedule: Schedule,
}

enum Step {
    /// What the slot has in flight now; `new` unless it was sent before.
    Send {
        new: bool,
    },
    /// Something may be sent once the pace permits, or a retry is due.
    AwaitPermit(Option<Instant>),
    /// Nothing to send before a retry is due or something changes.
    Await(Option<Instant>),
    Finished,
}

struct State {
    schedule: Schedule,
    pace: Pace,
    encoder: Encoder,
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

impl State {
    /// What a free slot should do. `permitted` tells whether the pace allows a
    /// new request.
    fn step(&mut self, slot: usize, permitted: bool) -> Step {
        let next_retry = self.waiting.next();
        let exhausted = self.schedule.is_exhausted();
        let most_waiting =
            if self.tally.acknowledged == 0 { MOST_WAITING_AT_FIRST } else { self.most_waiting };
        let room = !exhausted && self.waiting.len() < most_waiting;
        // In turns: what is sent again could otherwise take all the time there
        // is, and the message that the service waits for would never be sent.
        let new_first = self.was_retry && room && permitted;
        if !new_first && next_retry.is_some() && self.take_retries(slot) {
            self.was_retry = true;
            return Step::Send { new: false };
        }
        if exhausted && self.waiting.is_empty() && self.flying == 0 {
            return Step::Finished;
        }
        if !room {
            return Step::Await(next_retry);
        }
        if !permitted {
            return Step::AwaitPermit(next_retry);
        }
        self.was_retry = false;
        self.take_new(slot);
        Step::Send { new: true }
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
            && let Some(planned) = self.schedule.next(clock::now())
        {
            self.tally.copies += u64::from(planned.copy);
            self.in_flight[slot].push(Job { planned, due, tries: 0 });
        }
    }

    fn take_off(&mut self, slot: usize, body: &mut BytesMut) {
        if self.flying == 0 && self.waiting.is_empty() {
            // Nothing was outstanding, so nobody was keeping us waiting.
            self.last_progress = Instant::now();
        }
        let jobs = &mut self.in_flight[slot];
        self.flying += jobs.len();
        self.tally.requests += 1;
        for job in jobs {
            job.tries += 1;
            self.encoder.write(&job.planned.message, body);
            if self.bulk > 1 {
                body.put_u8(b'\n');
            }
        }
    }

    /// Returns whether the run should end because the server takes nothing.
    fn land(&mut self, slot: usize, result: Result<Rejected, Failure>) -> bool {
        let mut jobs = std::mem::take(&mut self.in_flight[slot]);
        self.flying -= jobs.len();
        let landed = Instant::now();
        let mut hopeless = false;
        match result {
            Ok(rejected) => {
                for (line, job) in (1..).zip(jobs.drain(..)) {
                    match rejected.failure(line) {
                        None => self.acknowledge(&job, landed),
                        Some(failure) => {
                            self.note(&failure);
                            hopeless |= self.fail(job, failure.is_permanent(), landed);
                        }
                    }
                }
            }
            Err(failure) => {
                self.note(&failure);
                for job in jobs.drain(..) {
                    hopeless |= self.fail(job, failure.is_permanent(), landed);
                }
            }
        }
        // Empty again, and its room is used for the next request.
        self.in_flight[slot] = jobs;
        hopeless
    }

    fn acknowledge(&mut self, job: &Job, landed: Instant) {
        self.last_progress = landed;
        if job.planned.copy {
            self.tally.copies_acknowledged += 1;
        } else {
            self.tally.acknowledged += 1;
        }
        let latency = landed.saturating_duration_since(job.due).as_micros();
        let latency = u64::try_from(latency).unwrap_or(u64::MAX);
        self.tally.latency.saturating_record(latency);
    }

    /// Has a message wait for its next try, or gives it up. Returns whether
    /// nothing has been acknowledged until then.
    fn fail(&mut self, job: Job, permanently: bool, landed: Instant) -> bool {
        if permanently && job.tries >= TRIES_WHEN_REFUSED {
            self.tally.refused += 1;
            self.name(&job);
            return self.tally.acknowledged == 0;
        }
        self.waiting.push(job, landed);
        false
    }

    /// Notes a failure after which the same request is sent again at once.
    fn repeat(&mut self, slot: usize, failure: &Failure) {
        self.note(failure);
        self.tally.retries += self.in_flight[slot].len() as u64;
        self.tally.requests += 1;
    }

    fn note(&mut self, failure: &Failure) {
        tracing::debug!(%failure, "not acknowledged");
        let cause = failure.cause();
        let count = self.tally.failures.entry(cause).or_insert(0);
        *count += 1;
        if *count == 1 {
            tracing::info!(%failure, "first failure of its kind; will be sent again");
        }
        self.tally.last_failure = Some(failure.to_string());
    }

    fn name(&mut self, job: &Job) {
        if self.tally.examples.len() < EXAMPLES {
            let message = &job.planned.message;
            let channel = self.encoder.channels().text(message.rocket);
            self.tally.examples.push(format!(
                "{} #{} {}{}, sent {} times",
                String::from_utf8_lossy(&channel),
                message.number,
                name(&message.event),
                if job.planned.copy { " (copy)" } else { "" },
                job.tries,
            ));
        }
    }

    fn has_stalled(&self, bound: Option<Duration>) -> bool {
        let outstanding = self.flying > 0 || !self.waiting.is_empty();
        outstanding && bound.is_some_and(|bound| self.last_progress.elapsed() >= bound)
    }

    /// Names what is left when a run ends early.
    fn abandon(&mut self) {
        let flying: Vec<Job> = self.in_flight.iter().flatten().copied().collect();
        let waiting: Vec<Job> = self.waiting.iter().take(EXAMPLES).copied().collect();
        for job in flying.iter().chain(&waiting) {
            self.name(job);
        }
    }
}

/// What the connections share.
struct Shared {
    state: RefCell<State>,
    /// Something is waiting to be sent again, or the end is near.
    changed: Notify,
    refused: Notify,
    gate: Option<Arc<Semaphore>>,
}

/// Sends the whole schedule, or as much as the service lets through.
pub async fn deliver(
    config: &Config,
    schedule: Schedule,
    encoder: Encoder,
    progress: &Progress,
    interrupted: impl Future<Output = ()>,
) -> Delivered {
    let started = Instant::now();
    let pace = Pace::start(config.pacing);
    let gate = pace.gate();
    let shared = Rc::new(Shared {
        state: RefCell::new(State {
            schedule,
            pace,
            encoder,
            waiting: Retries::default(),
            most_waiting: MOST_WAITING + config.shuffle as usize,
            was_retry: false,
            in_flight: vec![Vec::new(); config.concurrency],
            flying: 0,
            bulk: config.bulk,
            last_progress: started,
            tally: RunTally::default(),
        }),
        changed: Notify::new(),
        refused: Notify::new(),
        gate,
    });
    let local = LocalSet::new();
    let mut slots = JoinSet::new();
    for slot in 0..config.concurrency {
        let form = if config.bulk > 1 { Form::Lines } else { Form::Message };
        let client = Client::new(config.target.clone(), config.request_timeout, form);
        slots.spawn_local_on(serve(slot, client, Rc::clone(&shared)), &local);
    }
    let ending = local.run_until(watch(config, &shared, &mut slots, progress, interrupted)).await;
    let elapsed = started.elapsed();
    // The slots end here, and with them their hold on the shared state.
    drop(slots);
    drop(local);
    let Ok(shared) = Rc::try_unwrap(shared) else {
        unreachable!("the slots that shared the state have been dropped");
    };
    let mut state = shared.state.into_inner();
    if ending != Ending::Complete {
        state.abandon();
    }
    Delivered { ending, elapsed, tally: state.tally, schedule: state.schedule }
}

async fn watch(
    config: &Config,
    shared: &Shared,
    slots: &mut JoinSet<()>,
    progress: &Progress,
    interrupted: impl Future<Output = ()>,
) -> Ending {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            joined = slots.join_next() => match joined {
                None => return Ending::Complete,
                Some(Ok(())) => {}
                // Nobody cancels a slot while this runs, so it panicked.
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            },
            _ = tick.tick() => {
                let state = shared.state.borrow();
                progress.update(state.tally.acknowledged, state.waiting.len());
                if let Some(bound) = config.give_up_after
                    && state.has_stalled(Some(bound))
                {
                    return Ending::GaveUp(bound);
                }
            }
            () = shared.refused.notified() => return Ending::Refused,
            () = &mut interrupted => return Ending::Interrupted,
        }
    }
}

/// One connection's life: what to send, send it, note what came of it.
async fn serve(slot: usize, mut client: Client, shared: Rc<Shared>) {
    let mut body = BytesMut::with_capacity(4096);
    let mut permitted = false;
    loop {
        // Before looking, so that no change after the look is missed.
        let changed = shared.changed.notified();
        if !permitted {
            permitted = shared.gate.as_ref().is_none_or(|gate| {
                gate.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok()
            });
        }
        let step = shared.state.borrow_mut().step(slot, permitted);
        let new = match step {
            Step::Send { new } => new,
            Step::Finished => {
                shared.changed.notify_waiters();
                return;
            }
            Step::AwaitPermit(until) => {
                // Without a gate everything is permitted.
                let Some(gate) = &shared.gate else { continue };
                tokio::select! {
                    permit = gate.acquire() => {
                        if let Ok(permit) = permit {
                            permit.forget();
                            permitted = true;
                        }
                    }
                    () = until_due(until) => {}
                    () = changed => {}
                }
                continue;
            }
            Step::Await(until) => {
                tokio::select! {
                    () = until_due(until) => {}
                    () = changed => {}
                }
                continue;
            }
        };
        permitted &= !new;
        shared.state.borrow_mut().take_off(slot, &mut body);
        let bytes = body.split().freeze();
        let mut result = client.post(bytes.clone()).await;
        if let Err(failure @ Failure::Closed { reused: true }) = &result {
            // The server closed an idle connection: no reason to wait.
            shared.state.borrow_mut().repeat(slot, failure);
            result = client.post(bytes).await;
        }
        let mut state = shared.state.borrow_mut();
        if state.land(slot, result) {
            shared.refused.notify_one();
        }
        // Those that found nothing to do should look again.
        if !state.waiting.is_empty() || (state.flying == 0 && state.schedule.is_exhausted()) {
            shared.changed.notify_waiters();
        }
    }
}

async fn until_due(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
