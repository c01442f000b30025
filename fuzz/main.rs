//! Fuzzes what reads bytes that come from elsewhere: what clients send, and what
//! a disk gives back.
//!
//! A loop over a kept corpus (`corpus/TARGET/`) with mutations, on stable Rust.
//! It sees no coverage; what it has in its place are corpora of the real formats
//! and the odd cases, mutations that know tokens, numbers and lengths, and
//! targets that say in which way an input went, so that inputs which go a new
//! way are built upon. bolero was looked at: without nightly its engine replays
//! a corpus and makes random bytes, but does not mutate.
//!
//! * [`targets`]: what is fuzzed, and what must hold for every input
//! * [`mutate`]: new inputs from old ones
//! * [`corpus`]: the files; [`panics`]: who panicked; [`runner`]: the loop
//!
//! `cargo test` runs each target for ten seconds, `just fuzz 1h` all of them for
//! as long as it is told. Owns the command line.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "for people at a terminal")]
#![expect(clippy::unwrap_used, reason = "a harness that cannot go on ends the run")]

mod corpus;
mod mutate;
#[path = "../tests/it/support/oracle.rs"]
mod oracle;
mod panics;
mod runner;
mod targets;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use peak_alloc::PeakAlloc;

use runner::{Run, replay};
use targets::{ALL, Kind};

/// Counts what inputs make the code take.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Fuzz what reads bytes from elsewhere: messages, bulk bodies, records, rows,
/// queries, cursors, requests, compressed bodies, the order of messages,
/// configuration files, and lines of an import
///
/// All targets run at the same time, each on a thread of its own, and share the
/// cores. A line every 15 seconds says how many inputs each has tried. An input
/// that panics, hangs, takes too much memory, or after which something does not
/// hold that must, is made smaller and written to fuzz/crashes/TARGET/; the run
/// ends with code 1, and says how to repeat it. Once it is mended, move the file
/// to fuzz/corpus/TARGET/ under a name that says what it is: every later run,
/// and `cargo test`, begins with it.
#[derive(Parser)]
#[command(name = "fuzz")]
struct Arguments {
    /// How long, as in 30s, 10m, 1h
    #[arg(default_value = "1m", value_parser = humantime::parse_duration)]
    time: Duration,

    /// Only these targets [default: all]; `--list` says which there are
    #[arg(long, value_delimiter = ',', value_name = "TARGET,…", value_parser = kind)]
    targets: Vec<&'static Kind>,

    /// Makes the same inputs as an earlier run [default: a random one]
    #[arg(long)]
    seed: Option<u64>,

    /// Try these files, with the one target that `--targets` names, and nothing else
    #[arg(long, value_name = "FILE", num_args = 1..)]
    replay: Vec<PathBuf>,

    /// Say which targets there are
    #[arg(long)]
    list: bool,
}

fn kind(name: &str) -> Result<&'static Kind, String> {
    let names = || ALL.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    ALL.iter().find(|kind| kind.name == name).ok_or_else(|| format!("expected one of {}", names()))
}

fn main() -> ExitCode {
    let Arguments { time, targets, seed, replay: files, list } = Arguments::parse();
    panics::watch();
    if list {
        for kind in &ALL {
            println!("{:<12}{}", kind.name, kind.about);
        }
        return ExitCode::SUCCESS;
    }
    if !files.is_empty() {
        let [kind] = targets[..] else {
            eprintln!("error: --replay needs one target: --targets NAME");
            return ExitCode::from(2);
        };
        return if replay(kind, &files) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let kinds = if targets.is_empty() { ALL.iter().collect() } else { targets };
    let seed = seed.unwrap_or_else(rand::random);
    match (Run { kinds, seed, time, quiet: false }).go() {
        Ok(()) => ExitCode::SUCCESS,
        Err(found) => {
            eprintln!("{found}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten seconds, or `DOWNLINK_FUZZ_SECONDS`.
    #[expect(clippy::disallowed_methods, reason = "it is the tests' own, and no flag")]
    fn time() -> Duration {
        let seconds = std::env::var("DOWNLINK_FUZZ_SECONDS");
        let seconds = seconds.map(|text| text.parse().expect("it is a number of seconds"));
        Duration::from_secs_f64(seconds.unwrap_or(10.0))
    }

    #[track_caller]
    fn fuzz(name: &str) {
        panics::watch();
        let run = Run {
            kinds: vec![kind(name).unwrap()],
            seed: rand::random(),
            time: time(),
            quiet: true,
        };
        if let Err(found) = run.go() {
            panic!("{found}");
        }
    }

    #[test]
    fn messages() {
        fuzz("messages");
    }

    #[test]
    fn bulk() {
        fuzz("bulk");
    }

    #[test]
    fn records() {
        fuzz("records");
    }

    #[test]
    fn rows() {
        fuzz("rows");
    }

    #[test]
    fn queries() {
        fuzz("queries");
    }

    #[test]
    fn cursors() {
        fuzz("cursors");
    }

    #[test]
    fn requests() {
        fuzz("requests");
    }

    #[test]
    fn compressed() {
        fuzz("compressed");
    }

    #[test]
    fn folding() {
        fuzz("folding");
    }

    #[test]
    fn config() {
        fuzz("config");
    }

    #[test]
    fn lines() {
        fuzz("lines");
    }

    #[test]
    fn every_target_is_tested_and_has_a_corpus() {
        let source = include_str!("main.rs");
        for kind in &ALL {
            assert!(source.contains(&format!("fuzz(\"{}\")", kind.name)), "{}", kind.name);
            assert!(corpus::load(kind.name).len() > 2, "{}", kind.name);
        }
    }
}
