//! Owns the tasks that deliver: one for each connection, and the watch that ends
//! a run. Does not own what is sent next and what came of it (`outbox`), the pace
//! (`pace`) or the connections (`client`).
//!
//! A request carries one message, or with `--bulk` several as lines of their own,
//! of which the service may take some and refuse others.
//!
//! A message that was refused leaves its connection free while it waits, as
//! with the challenge's launcher, so that one refusal does not hold up what the
//! service may be waiting for. Unlike there, nothing that waits is dropped.
//! Everything runs on one thread, so the outbox is shared without locks and no
//! borrow is held across an await.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::client::{Client, Form, Target};
use crate::config::Config;
use crate::failure::Failure;
use crate::outbox::{Outbox, Step};
use crate::pace::{Pace, Permits};
use crate::progress::Progress;
use crate::source::Source;
use crate::tally::{Ending, RunTally};
use crate::turns::Turns;

/// How often the progress is shown and a stall is looked for.
const TICK: Duration = Duration::from_millis(100);

/// After so long without an acknowledgement the user is told why; the run goes
/// on.
const SILENCE: Duration = Duration::from_secs(2);

/// A finished run.
pub struct Delivered {
    pub ending: Ending,
    pub elapsed: Duration,
    pub tally: RunTally,
    pub source: Source,
}

/// What the connections share.
struct Shared {
    outbox: RefCell<Outbox>,
    /// Which of the services is asked.
    turns: RefCell<Turns>,
    /// There is more to be sent, new or again, or the end is near.
    changed: Arc<Notify>,
    refused: Notify,
    permits: Permits,
}

/// Sends all that the source has, or as much as the service lets through.
pub async fn deliver(
    config: &Config,
    source: Source,
    progress: &Progress,
    interrupted: impl Future<Output = ()>,
) -> Delivered {
    let started = Instant::now();
    let pace = Pace::start(config.pacing);
    let permits = pace.permits();
    let shared = Rc::new(Shared {
        changed: source.changed(),
        outbox: RefCell::new(Outbox::new(config, source, pace)),
        turns: RefCell::new(Turns::new(config.targets.len())),
        refused: Notify::new(),
        permits,
    });
    let local = LocalSet::new();
    let mut slots = JoinSet::new();
    for slot in 0..config.concurrency {
        let form = if config.bulk > 1 { Form::Lines } else { Form::Message };
        let client = |target: &Target| Client::new(target.clone(), config.request_timeout, form);
        let clients = config.targets.iter().map(client).collect();
        slots.spawn_local_on(serve(slot, clients, Rc::clone(&shared)), &local);
    }
    let ending = local.run_until(watch(config, &shared, &mut slots, progress, interrupted)).await;
    let elapsed = started.elapsed();
    // The slots end here, and with them their hold on the outbox.
    drop(slots);
    drop(local);
    let Ok(shared) = Rc::try_unwrap(shared) else {
        unreachable!("the slots that shared the outbox have been dropped");
    };
    let (tally, source) = shared.outbox.into_inner().close();
    Delivered { ending, elapsed, tally, source }
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
    let mut told = false;
    loop {
        tokio::select! {
            joined = slots.join_next() => match joined {
                None => return Ending::Complete,
                Some(Ok(())) => {}
                // Nobody cancels a slot while this runs, so it panicked.
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            },
            _ = tick.tick() => {
                let outbox = shared.outbox.borrow();
                progress.update(&outbox.so_far());
                let stalled = outbox.has_stalled(SILENCE);
                if stalled && !told && let Some(failure) = outbox.last_failure() {
                    progress.say(&format!("{}: {failure}; trying again", config.urls()));
                }
                told = stalled;
                if let Some(bound) = config.give_up_after
                    && outbox.has_stalled(bound)
                {
                    return Ending::GaveUp(bound);
                }
            }
            () = shared.refused.notified() => return Ending::Refused,
            () = &mut interrupted => return Ending::Interrupted,
        }
    }
}

/// A slot's life, with a connection to each service: what to send, send it, report what came of it.
async fn serve(slot: usize, mut clients: Vec<Client>, shared: Rc<Shared>) {
    let mut body = BytesMut::with_capacity(4096);
    let mut permitted = false;
    loop {
        // Before looking, so that no change after the look is missed.
        let changed = shared.changed.notified();
        permitted = permitted || shared.permits.try_take();
        let step = shared.outbox.borrow_mut().step(slot, permitted);
        match step {
            Step::Send { new } => {
                permitted &= !new;
                send(slot, &mut clients, &mut body, &shared).await;
            }
            Step::Await { retry, permit } => tokio::select! {
                () = shared.permits.take(), if permit => permitted = true,
                () = until(retry) => {}
                () = changed => {}
            },
            Step::Finish => {
                shared.changed.notify_waiters();
                return;
            }
        }
    }
}

async fn send(slot: usize, clients: &mut [Client], body: &mut BytesMut, shared: &Shared) {
    shared.outbox.borrow_mut().take_off(slot, body);
    let bytes = body.split().freeze();
    let mut left = clients.len();
    let result = loop {
        let service = shared.turns.borrow_mut().next(Instant::now());
        let client = &mut clients[service];
        let mut result = client.post(bytes.clone()).await;
        if let Err(failure @ Failure::Closed { reused: true }) = &result {
            // The server closed an idle connection: no reason to wait.
            shared.outbox.borrow_mut().repeat(slot, failure);
            result = client.post(bytes.clone()).await;
        }
        left -= 1;
        let mut turns = shared.turns.borrow_mut();
        match &result {
            Err(failure) if failure.is_of_the_service() => {
                turns.failed(service, Instant::now());
                if left > 0 {
                    // Another one may take it at once.
                    shared.outbox.borrow_mut().repeat(slot, failure);
                    continue;
                }
            }
            _ => turns.answered(service),
        }
        break result;
    };
    let mut outbox = shared.outbox.borrow_mut();
    outbox.land(slot, result);
    if outbox.is_refused() {
        shared.refused.notify_one();
    }
    if outbox.concerns_idle_slots() {
        shared.changed.notify_waiters();
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
