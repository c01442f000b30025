//! Owns one run: its parts put together, what ends it early, and its report. Does
//! not own what any of the parts does.

use std::io;

use time::UtcOffset;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock;
use crate::config::{Config, FleetConfig, What};
use crate::dispatch::{self, Delivered};
use crate::generator::Fleet;
use crate::lines;
use crate::listing;
use crate::message::{Channels, Encoder};
use crate::progress::{Progress, Total};
use crate::report::RunReport;
use crate::schedule::Schedule;
use crate::source::{Replayed, Source};
use crate::tally::Ending;
use crate::verify::{Oracle, VerifyOutcome};

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
    #[error("cannot watch for signals: {0}")]
    Signals(io::Error),
}

/// Sends what there is to send and returns what came of it.
///
/// # Errors
/// When the run cannot begin. A run that goes wrong is a [`RunReport`] that says
/// so.
pub fn run(config: &Config) -> Result<RunReport, RunError> {
    // Only safe to ask for while there is one thread; a service must cope with
    // any offset, so UTC does where it cannot be had.
    let offset = UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC);
    // One thread: the load should come from one core and leave the others to
    // the service.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    runtime.block_on(send(config, offset))
}

async fn send(config: &Config, offset: UtcOffset) -> Result<RunReport, RunError> {
    let mut interrupts = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupted = async || {
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
        }
    };
    let (source, total) = match &config.what {
        What::Fleet(fleet) => (made_up(fleet, offset), Total::Messages(fleet.max_messages)),
        What::File(file) => {
            let lines = lines::read(&file.input, file.bad_lines);
            (Source::File(Replayed::new(lines)), Total::Bytes(file.input.size))
        }
    };
    let progress = Progress::new(total);
    let started = clock::now();
    let mut delivered = dispatch::deliver(config, source, &progress, interrupted()).await;
    progress.finish();
    if let Source::File(file) = &delivered.source
        && file.broken.is_some()
        && delivered.ending == Ending::Complete
    {
        delivered.ending = Ending::BrokeOff;
    }
    let verify = match (&config.what, delivered.source.take_oracle()) {
        (What::Fleet(fleet), Some(oracle)) => Some(if is_whole(fleet, &delivered) {
            tokio::select! {
                outcome = compare(config, fleet, &oracle, started) => outcome,
                () = interrupted() => VerifyOutcome::failed("interrupted".to_owned()),
            }
        } else {
            VerifyOutcome::failed("not everything was acknowledged".to_owned())
        }),
        _ => None,
    };
    Ok(RunReport::new(config, delivered, verify))
}

fn made_up(typed: &FleetConfig, offset: UtcOffset) -> Source {
    let fleet = Fleet::new(typed.seed, typed.rockets, typed.max_messages);
    let oracle = typed.verify.then(Oracle::default);
    let schedule = Schedule::new(fleet, oracle, typed.seed, typed.shuffle, typed.duplicates);
    Source::made_up(schedule, Encoder::new(Channels::new(typed.seed), offset))
}

fn is_whole(fleet: &FleetConfig, delivered: &Delivered) -> bool {
    let tally = &delivered.tally;
    delivered.ending == Ending::Complete && tally.acknowledged == u64::from(fleet.max_messages)
}

async fn compare(
    config: &Config,
    fleet: &FleetConfig,
    oracle: &Oracle,
    started: i64,
) -> VerifyOutcome {
    let mut all = VerifyOutcome::default();
    for target in &config.targets {
        let target = target.sibling("/rockets").bearing(fleet.read_token.clone());
        let oracle = oracle.clone();
        let comparison = oracle.into_comparison(Channels::new(fleet.seed), started);
        let outcome = match listing::compare(&target, comparison).await {
            Ok(outcome) => outcome,
            Err(error) => VerifyOutcome::failed(error.to_string()),
        };
        let is_one_of_several = config.targets.len() > 1;
        let name = if is_one_of_several { format!("{target}: ") } else { String::new() };
        all = all.and(&name, outcome);
    }
    all
}
