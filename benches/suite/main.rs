//! Measures Downlink beside other servers, as `suite --help` says.
//!
//! * `compare`: rounds of several servers in turns, with [`client`] or [`wrk`],
//!   on [`servers`] and [`redis`]; kept as [`rounds`], shown as [`table`] and [`plot`]
//! * `against`: the same for this tree's service and that of another commit
//! * `cluster`: a node of a cluster and the same program alone
//! * `peers`: beside Redis, NATS JetStream and PostgreSQL, at the same promise
//! * `tls`: the service with TLS and without
//! * `load`: a verified run of the launcher
//! * `scale`: bulk requests, a million rockets, checkpoints, restarts
//! * `soak`: a long life with all that happens in one, and whether anything grows
//! * `all`: everything, into one table
//!
//! Owns the command line. What is measured with criterion is in `hot_path`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "for people at a terminal")]
#![expect(clippy::disallowed_methods, reason = "its threads are its own, and may sleep")]

mod against;
mod all;
mod client;
mod cluster;
mod compare;
mod contender;
mod environment;
mod http;
mod load;
#[path = "../message.rs"]
mod message;
mod peers;
mod plot;
mod programs;
mod redis;
mod rounds;
mod scale;
mod servers;
mod soak;
mod table;
mod tls;
#[path = "../trust.rs"]
mod trust;
mod wrk;

use std::io::Result;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use programs::Programs;
use rounds::Rounds;

/// Measure Downlink's release build beside other servers
///
/// Client and server share the machine, so a rate is that of both together, and
/// only what ran in turns within one run can be compared. The figure to look at
/// is a ratio: of two servers' rates in the same round, and of those the median
/// of all rounds. Single rounds are often 10% apart.
#[derive(Parser)]
#[command(name = "suite")]
struct Arguments {
    /// Where downlink, rockets and examples/ are [default: release/ beside this
    /// program's profile, that is target/release]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    binaries: Option<PathBuf>,

    #[command(subcommand)]
    measure: Measure,
}

#[derive(Subcommand)]
enum Measure {
    /// Measure servers in turns, by default the bare handler and the service in memory
    Compare(compare::Arguments),
    /// The same with the durable service and Redis (needs redis-server)
    CompareDurable(compare::Arguments),
    /// Measure this tree's service in turns with that of another commit
    ///
    /// Prints the median ratio of their rates, in memory and with fsync. With a
    /// commit, its tree is put into a temporary directory and built there, which
    /// takes minutes; the binary is kept for the next time.
    Against(against::Arguments),
    /// Measure a node of a cluster in turns with the same program alone, and bulk to three
    ///
    /// Needs etcd, and a release build with `--features etcd`.
    Cluster(cluster::Arguments),
    /// Measure the durable service in turns with Redis, NATS JetStream and PostgreSQL
    ///
    /// Messages a second that survive a power cut, by how many senders, and what one of
    /// them costs. Needs redis-server, postgresql and python3-venv.
    Peers(peers::Arguments),
    /// Measure the service with TLS in turns with the same without
    Tls(tls::Arguments),
    /// Send a verified run of the launcher to the service, with a report
    Load(load::Arguments),
    /// Measure bulk requests, a million rockets, idle connections, checkpoints, restarts
    Scale(scale::Arguments),
    /// Let the service live through everything for a while, and see that nothing grows
    ///
    /// Single, bulk and compressed posts, reads, whole listings, bad input, clients that
    /// are cut off, clean stops, kill -9, reloads. At the end the fleet must be the fold
    /// of all that was sent, also after one more kill; and memory, descriptors and the
    /// p99 of posts must be flat over the last half, in which the service is not
    /// restarted. Exit code 1 otherwise.
    Soak(soak::Arguments),
    /// Measure everything, into one table of what was wanted and what was measured
    ///
    /// Takes some 45 minutes; the machine should have nothing else to do. Installs
    /// wrk, redis-server and postgresql from Debian's packages where they are missing.
    All(all::Arguments),
    /// Draw a rounds.csv that was kept
    Plot {
        /// Rounds of a comparison
        rounds: PathBuf,
        /// Where the plot goes
        svg: PathBuf,
    },
}

fn run(Arguments { binaries, measure }: Arguments) -> Result<()> {
    let programs = Programs::find(binaries)?;
    match measure {
        Measure::Compare(arguments) => compare::run(&programs, arguments, &compare::USUAL),
        Measure::CompareDurable(arguments) => compare::run(&programs, arguments, &compare::DURABLE),
        Measure::Against(arguments) => against::run(&programs, arguments),
        Measure::Cluster(arguments) => cluster::run(&programs, arguments),
        Measure::Peers(arguments) => peers::run(&programs, arguments),
        Measure::Tls(arguments) => tls::run(&programs, arguments),
        Measure::Load(arguments) => load::run(&programs, &arguments),
        Measure::Scale(arguments) => scale::run(&programs, arguments),
        Measure::Soak(arguments) => soak::run(&programs, &arguments),
        Measure::All(arguments) => all::run(&programs, arguments),
        Measure::Plot { rounds, svg } => {
            plot::draw(&Rounds::parse(&std::fs::read_to_string(rounds)?)?, &svg)
        }
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
