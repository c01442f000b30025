//! Owns one run: its parts put together, what ends it early, and its report. Does
//! not own what any of the parts does.

use std::io;

use time::UtcOffset;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock;
use crate::config::Config;
use crate::dispatch::{self, Delivered};
use crate::generator::Fleet;
use crate::listing;
use crate::message::{Channels, Encoder};
use crate::progress::Progress;
use crate::report::RunReport;
use crate::schedule::Schedule;
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

/// Launches the fleet and returns what came of it.
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
    runtime.block_on(launch(config, offset))
}

async fn launch(config: &Config, offset: UtcOffset) -> Result<RunReport, RunError> {
    let mut interrupts = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupted = async || {
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
        }
    };
    let channels = Channels::new(config.seed);
    let fleet = Fleet::new(config.seed, config.rockets, config.max_messages);
    let oracle = config.verify.then(Oracle::default);
    let schedule = Schedule::new(fleet, oracle, config.seed, config.shuffle, config.duplicates);
    let encoder = Encoder::new(channels, offset);
    let progress = Progress::new(config.max_messages);
    let started = clock::now();
    let mut delivered =
        dispatch::deliver(config, schedule, encoder, &progress, interrupted()).await;
    progress.finish();
    let verify = match delivered.schedule.take_oracle() {
        None => None,
        Some(oracle) if is_whole(config, &delivered) => Some(tokio::select! {
            outcome = compare(config, oracle, channels, started) => outcome,
            () = interrupted() => VerifyOutcome::failed("interrupted".to_owned()),
        }),
        Some(_) => Some(VerifyOutcome::failed("not everything was acknowledged".to_owned())),
    };
    Ok(RunReport::new(config, delivered, verify))
}

fn is_whole(config: &Config, delivered: &Delivered) -> bool {
    let tally = &delivered.tally;
    delivered.ending == Ending::Complete && tally.acknowledged == u64::from(config.max_messages)
}

async fn compare(
    config: &Config,
    oracle: Oracle,
    channels: Channels,
    started: i64,
) -> VerifyOutcome {
    let target = config.target.sibling("/rockets").bearing(config.read_token.clone());
    let comparison = oracle.into_comparison(channels, started);
    match listing::compare(&target, comparison).await {
        Ok(outcome) => outcome,
        Err(error) => VerifyOutcome::failed(error.to_string()),
    }
}
