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
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
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

    /// Where the original Flask service is, to be measured with the others: started with
    /// `python3 server.py`, on port 8088. Nothing that it acknowledges is kept
    #[arg(long, value_name = "DIRECTORY")]
    flask: Option<PathBuf>,

    #[command(flatten)]
    pace: Pace,
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
enum Peer<'a> {
    Downlink,
    Redis,
    JetStream,
    Postgres,
    /// Of this directory.
    Flask(&'a Path),
}

impl Peer<'_> {
    const fn name(self) -> &'static str {
        match self {
            Self::Downlink => "Downlink",
            Self::Redis => "Redis Streams",
            Self::JetStream => "NATS JetStream",
            Self::Postgres => "PostgreSQL",
            Self::Flask(_) => "the original Flask service",
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
            Self::Flask(_) => "**survive anything**: it keeps all in memory; take many at once",
        }
    }

    fn line(self) -> Result<String> {
        Ok(match self {
            Self::Downlink => "downlink --durability fsync, examples/post, or bulk NDJSON".into(),
            Self::Redis => redis::line()?,
            Self::JetStream => jetstream::line()?,
            Self::Postgres => postgres::line()?,
            Self::Flask(_) => "python3 server.py, with wrk as the client".into(),
        })
    }

    fn start(self, bench: &Bench, data: &Path) -> Result<Server> {
        match self {
            Self::Downlink => {
                Server::service(&bench.programs.service()?, data, &["--durability", "fsync"])
            }
            Self::Redis => redis::start(data),
            Self::JetStream => jetstream::start(data),
            Self::Postgres => postgres::start(data),
            Self::Flask(directory) => {
                std::fs::create_dir_all(data)?;
                let mut command = Command::new("python3");
                command.arg("server.py").current_dir(directory);
                let server = Server::start(command, SocketAddr::from(([127, 0, 0, 1], 8088)))?;
                server.wait_for("Running on")?;
                Ok(server)
            }
        }
    }

    fn takes(self, load: Load) -> bool {
        !matches!((self, load), (Self::Flask(_), Load::Batches))
    }

    /// Messages that were acknowledged, and in which time.
    fn send(
        self,
        bench: &Bench,
        scratch: &Path,
        server: &Server,
        load: Load,
    ) -> Result<(u64, Duration)> {
        let Bench { programs, pace: Pace { seconds, .. }, .. } = *bench;
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
            (Self::Flask(_), Load::Single(senders)) => {
                let output =
                    Client::Wrk.send(programs, scratch, (address, None), senders, seconds)?;
                Tally::parse(&output).map(of_tally)
            }
            (Self::Flask(_), Load::Batches) => Err(Error::other("it takes no batches")),
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

/// How and where they are measured.
struct Bench<'a> {
    programs: &'a Programs,
    directory: &'a Path,
    pace: Pace,
    flask: Option<&'a Path>,
}

pub fn run(programs: &Programs, Arguments { directory, flask, pace }: Arguments) -> Result<()> {
    let bench = Bench { programs, directory: &directory, pace, flask: flask.as_deref() };
    println!("\n{}", bench.measure()?);
    Ok(())
}

/// Measures all of them in turns, and returns the table.
pub fn measure(programs: &Programs, directory: &Path, pace: Pace) -> Result<String> {
    Bench { programs, directory, pace, flask: None }.measure()
}

impl Bench<'_> {
    fn measure(&self) -> Result<String> {
        programs::need(&programs::REDIS)?;
        let mut peers = vec![Peer::Downlink, Peer::Redis, Peer::JetStream, Peer::Postgres];
        if let Some(directory) = self.flask {
            programs::need(&[programs::WRK])?;
            peers.push(Peer::Flask(directory));
        }
        std::fs::create_dir_all(self.directory)?;
        let mut environment = environment::describe()?;
        for peer in &peers {
            writeln!(environment, "{}: {}", peer.name(), peer.line()?).expect("memory takes it");
        }
        std::fs::write(self.directory.join("environment.txt"), environment)?;
        let mut kept = format!("server\tsenders\tround\tmessages/s\t{}\n", Cost::HEADINGS);
        let mut readings = Vec::new();
        for load in LOADS {
            for round in 1..=self.pace.rounds {
                for &peer in peers.iter().filter(|peer| peer.takes(load)) {
                    let name = peer.name();
                    let reading = self
                        .round(peer, load)
                        .map_err(|error| Error::other(format!("{name}: {error}")))?;
                    let Reading { per_second, cost } = &reading;
                    let senders = load.name();
                    eprintln!("{name}, {senders} senders: {per_second:.0}/s");
                    writeln!(kept, "{name}\t{senders}\t{round}\t{per_second:.0}\t{cost}")
                        .expect("memory takes it");
                    readings.push((peer, load, reading));
                }
            }
        }
        std::fs::write(self.directory.join("rounds.tsv"), kept)?;
        let table = table(&peers, &readings);
        std::fs::write(self.directory.join("table.md"), &table)?;
        Ok(table)
    }

    /// One round, with a server that has nothing yet.
    fn round(&self, peer: Peer, load: Load) -> Result<Reading> {
        // Beside the results, so that all have the disk that they say.
        let scratch = tempfile::Builder::new().prefix("data.").tempdir_in(self.directory)?;
        let scratch = scratch.path();
        let data = scratch.join("data");
        let server = peer.start(self, &data)?;
        let empty = cost::kept_in(&data)?;
        let before = cost::Meter::read(&server, self.directory)?;
        let (messages, took) = peer
            .send(self, scratch, &server, load)
            .map_err(|error| server.error(&error.to_string()))?;
        let after = cost::Meter::read(&server, self.directory)?;
        if matches!(peer, Peer::Flask(_)) {
            // It knows no other end.
            server.kill()?;
        } else {
            server.stop()?;
        }
        let kept = cost::kept_in(&data)?.saturating_sub(empty);
        let cost = Cost::of(before, after, kept, messages);
        Ok(Reading { per_second: per_second(messages, took), cost })
    }
}

fn table(peers: &[Peer], readings: &[(Peer, Load, Reading)]) -> String {
    let of = |peer, load, figure: &dyn Fn(&Reading) -> f64| {
        let its = readings.iter().filter(|(p, l, _)| (*p, *l) == (peer, load));
        median(its.map(|(_, _, reading)| figure(reading)).collect())
    };
    let shown = |value: Option<f64>, digits| match value {
        Some(value) if !value.is_nan() => format!("{value:.digits$}"),
        _ => "–".to_owned(),
    };
    let senders: Vec<_> = LOADS.iter().map(|load| load.name()).collect();
    let mut table = format!(
        "| senders | {} | processor, µs a message | written, bytes a message | kept after a \
         stop, bytes a message | what it does not do |\n|---|{}---|---|---|---|\n",
        senders.join(" | "),
        "---|".repeat(LOADS.len()),
    );
    for &peer in peers {
        let rates = LOADS.map(|load| shown(of(peer, load, &|it| it.per_second), 0));
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} |",
            peer.name(),
            rates.join(" | "),
            shown(of(peer, SHOWN, &|it| it.cost.processor_us), 1),
            shown(of(peer, SHOWN, &|it| it.cost.written), 0),
            shown(of(peer, SHOWN, &|it| it.cost.kept), 0),
            peer.lacks(),
        )
        .expect("memory takes it");
    }
    table
}
