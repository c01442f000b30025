//! `rockets`: the load generator and checker. Owns arguments in, exit code out.
//! It reaches the service over HTTP and shares no code with it.
//!
//! # Layout
//!
//! A message's way, file by file:
//!
//! * [`config`] - the command line, typed and then valid; [`values`] - how times
//!   and shares are typed
//! * [`run`] - one run, from its parts to its report
//! * [`generator`] - what the fleet says, in true order, from the seed
//! * [`verify`] - the fold of that, and its comparison with the service's
//! * [`schedule`] - shuffling and second copies
//! * [`lines`] - what is in a file, in place of these three
//! * [`source`] - one or the other
//! * [`clock`] - the wall clock that stamps messages
//! * [`pace`] - when a request may be sent
//! * [`dispatch`] - a task for each connection, and the end of a run
//! * [`outbox`] - what is sent next, what is in flight, what came of it
//! * [`retries`] - which of the failed requests goes next
//! * [`message`] - the bytes on the wire
//! * [`turns`] - which of several services is asked
//! * [`client`] - connections; [`failure`] - why they bring no acknowledgement
//! * [`tls`] - connections that are encrypted
//! * [`token`] - what requests show
//! * [`listing`] - reading `GET /rockets`, for [`verify`]
//! * [`tally`] - what is counted on the way; [`timeline`] - when
//! * [`progress`] - the bar while it runs
//! * [`report`] - the report at the end, the exit code
//! * [`plot`] - the picture of latency over time

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what a user sees goes there")]

mod client;
mod clock;
mod config;
mod dispatch;
mod failure;
mod generator;
mod lines;
mod listing;
mod message;
mod outbox;
mod pace;
mod plot;
mod progress;
mod report;
mod retries;
mod run;
mod schedule;
mod source;
mod tally;
mod timeline;
mod tls;
mod token;
mod turns;
mod values;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use config::Parsed;

fn main() -> ExitCode {
    let config = match config::parse_arguments(std::env::args_os()) {
        Parsed::Run(config) => config,
        Parsed::Done => return ExitCode::SUCCESS,
        Parsed::Usage => return ExitCode::from(2),
    };
    tracing_subscriber::fmt()
        .with_max_level(config.log_level)
        .with_writer(std::io::stderr)
        // Would panic when standard error is closed.
        .log_internal_errors(false)
        .init();
    match run::run(&config) {
        Ok(report) => report.finish(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "rockets: {error}");
            ExitCode::FAILURE
        }
    }
}
