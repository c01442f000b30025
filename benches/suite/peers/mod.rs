//! Downlink beside what people would take in its place to keep messages: how many a
//! second survive a power cut, what one costs, and what is missing then.
//!
//! * `jetstream`: NATS JetStream, and a client that speaks its protocol
//! * `postgres`: PostgreSQL, with pgbench
//! * `cost`: what a message takes of processor and disk
//!
//! Redis is in `redis`. Owns which loads there are and the table.

mod cost;
mod jetstream;
mod postgres;

use std::fmt::Write as _;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::cost::Cost;
use super::client::{Client, Tally};
use super::compare::Pace;
use super::programs::{self, Programs};
use super::rounds::median;
use super::scale::load::{bodies, post_bulk};
use super::scale::parts::per_second;
use super::servers::Server;
use super::{environment, redis};

/// Messages of a batch, and senders of batches.
pub const BATCH: usize = 1000;
const BATCHERS: usize = 4;

/// Messages that those send in a round, for each of its seconds.
const PER_SECOND: f64 = 500_000.0;

#[derive(clap::Args)]
pub struct Arguments {
    /// Gets environment.txt, rounds.tsv and table.md
    directory: PathBuf,

    #[command(flatten)]
    pub pace: Pace,
}

/// What is sent in a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Load {
    /// One message at a time by each of so many senders.
    Single(usize),
    /// A thousand at a time, by four senders.
    Batches,
}

const LOADS: [Load; 6] = [
    Load::Single(1),
    Load::Single(3),
    Load::Single(16),
    Load::Single(64),
    Load::Single(256),
    Load::Batches,
];

/// With which what a message costs is shown.
const SHOWN: Load = Load::Single(64);

impl Load {
    fn name(self) -> String {
        match self {
            Self::Single(senders) => senders.to_string(),
            Self::Batches => format!("{BATCHERS}, {BATCH} at once"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Peer {
    Downlink,
    Redis,
    JetStream,
    Postgres,
}

const PEERS: [Peer; 4] = [Peer::Downlink, Peer::Redis, Peer::JetStream, Peer::Postgres];

impl Peer {
    const fn name(self) -> &'static str {
        match self {
            Self::Downlink => "Downlink",
            Self::Redis => "Redis Streams",
            Self::JetStream => "NATS JetStream",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// What somebody who takes it has to do himself.
    const fn lacks(self) -> &'static str {
        match self {
            Self::Downlink => "keep the messages: it keeps the rockets that they make",
            Self::Redis => "put in order by number, fold each once, answer queries on rockets",
            Self::JetStream => {
                "put in order by number, fold each once (it knows repeats by ID for two minutes), \
                 answer queries on rockets"
            }
            Self::Postgres => {
                "put in order by number, fold; it would refuse repeats with a unique index, and \
                 answer queries with a schema and indexes, none of which is there"
            }
        }
    }

    fn line(self) -> Result<String> {
        Ok(match self {
            Self::Downlink => "downlink --durability fsync, examples/post, or bulk NDJSON".into(),
            Self::Redis => redis::line()?,
            Self::JetStream => jetstream::line()?,
            Self::Postgres => postgres::line()?,
        })
    }

    fn start(self, programs: &Programs, data: &Path) -> Result<Server> {
        match self {
            Self::Downlink => {
                Server::service(&programs.service()?, data, &["--durability", "fsync"])
            }
            Self::Redis => redis::start(data),
            Self::JetStream => jetstream::start(data),
            Self::Postgres => postgres::start(data),
        }
    }

    /// Messages that were acknowledged, and in which time.
    fn send(
        self,
        programs: &Programs,
        scratch: &Path,
        server: &Server,
        load: Load,
        seconds: f64,
    ) -> Result<(u64, Duration)> {
        let of_tally = |tally: Tally| (tally.requests, Duration::from_micros(tally.micros));
        let address = server.address;
        match (self, load) {
            (Self::Downlink, Load::Single(senders)) => {
                let output =
                    Client::Post.send(programs, scratch, (address, None), senders, seconds)?;
                Tally::parse(&output).map(of_tally)
            }
            (Self::Downlink, Load::Batches) => {
                let numbers = per_batcher(seconds) / BATCH as u64;
                let clients: Vec<_> = (0..BATCHERS as u64)
                    .map(|at| bodies(at * 1000..(at + 1) * 1000, 1..=numbers, BATCH))
                    .collect();
                let messages = numbers * (BATCH * BATCHERS) as u64;
                post_bulk(address, &clients).map(|took| (messages, took))
            }
            (Self::Redis, Load::Single(senders)) => {
                redis::round(address, senders, seconds).map(|(_, tally)| of_tally(tally))
            }
            (Self::Redis, Load::Batches) => {
                let messages = per_batcher(seconds) * BATCHERS as u64 / 2;
                redis::batches(address, BATCHERS, BATCH, messages).map(of_tally)
            }
            (Self::JetStream, Load::Single(senders)) => {
                jetstream::single(address, senders, seconds)
            }
            (Self::JetStream, Load::Batches) => jetstream::batches(address, BATCHERS, seconds),
            (Self::Postgres, load) => postgres::send(scratch, address, load, seconds),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is positive and small"
)]
fn per_batcher(seconds: f64) -> u64 {
    (PER_SECOND * seconds) as u64 / BATCHERS as u64
}

/// What came of a round.
struct Reading {
    per_second: f64,
    cost: Cost,
}

pub fn run(programs: &Programs, Arguments { directory, pace }: Arguments) -> Result<()> {
    let table = measure(programs, &directory, pace)?;
    println!("\n{table}");
    Ok(())
}

/// Measures all of them in turns, and returns the table.
pub fn measure(programs: &Programs, directory: &Path, pace: Pace) -> Result<String> {
    programs::need(&programs::REDIS)?;
    std::fs::create_dir_all(directory)?;
    let mut environment = environment::describe()?;
    for peer in PEERS {
        writeln!(environment, "{}: {}", peer.name(), peer.line()?).expect("memory takes it");
    }
    std::fs::write(directory.join("environment.txt"), environment)?;
    let mut kept = format!("server\tsenders\tround\tmessages/s\t{}\n", Cost::HEADINGS);
    let mut readings = Vec::new();
    for load in LOADS {
        for round in 1..=pace.rounds {
            for peer in PEERS {
                let reading = afresh(programs, directory, peer, load, pace.seconds)
                    .map_err(|error| Error::other(format!("{}: {error}", peer.name())))?;
                let Reading { per_second, cost } = &reading;
                eprintln!("{}, {} senders: {per_second:.0}/s", peer.name(), load.name());
                let (name, senders) = (peer.name(), load.name());
                writeln!(kept, "{name}\t{senders}\t{round}\t{per_second:.0}\t{cost}")
                    .expect("memory takes it");
                readings.push((peer, load, reading));
            }
        }
    }
    std::fs::write(directory.join("rounds.tsv"), kept)?;
    let table = table(&readings);
    std::fs::write(directory.join("table.md"), &table)?;
    Ok(table)
}

/// One round, with a server that has nothing yet.
fn afresh(
    programs: &Programs,
    directory: &Path,
    peer: Peer,
    load: Load,
    seconds: f64,
) -> Result<Reading> {
    // Beside the results, so that all have the disk that they say.
    let scratch = tempfile::Builder::new().prefix("data.").tempdir_in(directory)?;
    let scratch = scratch.path();
    let data = scratch.join("data");
    let server = peer.start(programs, &data)?;
    let empty = cost::kept_in(&data)?;
    let before = cost::Meter::read(&server, directory)?;
    let (messages, took) = peer
        .send(programs, scratch, &server, load, seconds)
        .map_err(|error| server.error(&error.to_string()))?;
    let after = cost::Meter::read(&server, directory)?;
    server.stop()?;
    let kept = cost::kept_in(&data)?.saturating_sub(empty);
    let cost = Cost::of(before, after, kept, messages);
    Ok(Reading { per_second: per_second(messages, took), cost })
}

fn table(readings: &[(Peer, Load, Reading)]) -> String {
    let of = |peer, load, figure: &dyn Fn(&Reading) -> f64| {
        let its = readings.iter().filter(|(p, l, _)| (*p, *l) == (peer, load));
        median(its.map(|(_, _, reading)| figure(reading)).collect()).unwrap_or(f64::NAN)
    };
    let senders: Vec<_> = LOADS.iter().map(|load| load.name()).collect();
    let mut table = format!(
        "| senders | {} | processor, µs a message | written, bytes a message | kept after a \
         stop, bytes a message | what it does not do |\n|---|{}---|---|---|---|\n",
        senders.join(" | "),
        "---|".repeat(LOADS.len()),
    );
    for peer in PEERS {
        let rates = LOADS.map(|load| format!("{:.0}", of(peer, load, &|it| it.per_second)));
        writeln!(
            table,
            "| {} | {} | {:.1} | {:.0} | {:.0} | {} |",
            peer.name(),
            rates.join(" | "),
            of(peer, SHOWN, &|it| it.cost.processor_us),
            of(peer, SHOWN, &|it| it.cost.written),
            of(peer, SHOWN, &|it| it.cost.kept),
            peer.lacks(),
        )
        .expect("memory takes it");
    }
    table
}
