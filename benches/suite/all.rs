//! Everything, into one directory with one table of what was wanted and what was
//! measured. Owns the bounds on servers side by side and on criterion's figures;
//! those of `scale` are beside what they bound.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use super::client::Client;
use super::compare::{Comparison, DURABLE, Pace};
use super::contender::{Contender, Name};
use super::programs::{self, Programs};
use super::rounds::Rounds;
use super::table::{self, Figure, Wanted};
use super::{environment, peers, plot, scale, tls};

/// With wrk as well, since others know it.
const WRK_CONNECTIONS: [usize; 3] = [3, 64, 256];

#[derive(clap::Args)]
pub struct Arguments {
    /// Gets the table, the plot and all raw data [default: docs/bench/DATE]
    directory: Option<PathBuf>,

    /// What to measure [default: everything]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART,…")]
    parts: Vec<Part>,

    /// Numbers of connections, each with one message on its way
    #[arg(long, value_delimiter = ',', value_name = "N,…", default_value = "1,3,16,64,256,1024")]
    connections: Vec<usize>,

    #[command(flatten)]
    pace: Pace,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Part {
    /// Servers against each other, with this repository's client
    Connections,
    /// The same with wrk, at 3, 64 and 256 connections
    ConnectionsWrk,
    /// The service with TLS and without, at 64 connections
    Tls,
    /// The durable service beside Redis, NATS JetStream and PostgreSQL
    Peers,
    /// Bulk, a million rockets, idle connections, checkpoints, restarts
    Scale,
    /// Criterion's figures for one message
    HotPath,
}

pub fn run(programs: &Programs, arguments: Arguments) -> Result<()> {
    let Arguments { directory, parts, connections, pace } = arguments;
    let directory = match directory {
        Some(directory) => directory,
        None => Path::new("docs/bench").join(environment::date()?),
    };
    let wants = |part| parts.is_empty() || parts.contains(&part);
    programs::install()?;
    std::fs::create_dir_all(&directory)?;

    let side_by_side = |names: &[Name], client, connections, part: &str| {
        let contenders = names.iter().map(|&name| Contender::new(programs, name));
        let contenders = contenders.collect::<Result<_>>()?;
        let comparison = Comparison { contenders, connections, client, pace };
        comparison.measure(programs, &directory.join(part), &[])
    };
    let mut by_client = Vec::new();
    if wants(Part::Connections) {
        let rounds = side_by_side(&DURABLE, Client::Post, connections, "connections")?;
        plot::draw(&rounds, &directory.join("connections.svg"))?;
        by_client.push((Client::Post, rounds));
    }
    if wants(Part::ConnectionsWrk) {
        let rounds =
            side_by_side(&DURABLE, Client::Wrk, WRK_CONNECTIONS.to_vec(), "connections-wrk")?;
        by_client.push((Client::Wrk, rounds));
    }
    if wants(Part::Tls) {
        let rounds = side_by_side(&tls::SERVERS, Client::Post, vec![64], "tls")?;
        by_client.push((Client::Post, rounds));
    }
    let beside = if wants(Part::Peers) {
        let table = peers::measure(programs, &directory.join("peers"), pace)?;
        format!("{PEERS}{table}\n")
    } else {
        String::new()
    };
    let mut figures = ratios(&by_client);
    if wants(Part::Scale) {
        figures.extend(scale::measure(programs, &directory.join("scale"), &[])?);
    }
    if wants(Part::HotPath) {
        let mut criterion = Command::new("cargo");
        criterion.args(["bench", "--bench", "hot_path", "--", "--noplot"]);
        let text = programs::output(&mut criterion)?;
        std::fs::write(directory.join("hot_path.txt"), text)?;
        figures.extend(one_message(&programs::target()?.join("criterion"))?);
    }
    let table = table::wanted(&figures);
    std::fs::write(directory.join("README.md"), format!("{INTRODUCTION}{beside}{table}"))?;
    println!("\n{table}");
    Ok(())
}

const INTRODUCTION: &str = "\
# Everything, side by side

Made by `just bench-all`; hardware and command lines are in [connections/environment.txt](connections/environment.txt). Client and server share the machine. Rates are medians and ratios medians of the ratios of single rounds, from [connections/rounds.csv](connections/rounds.csv) and [connections-wrk/rounds.csv](connections-wrk/rounds.csv), one message a request: with the client of this repository, `post` (benches/post.rs), and with wrk, which takes more of the machine from the servers.

![throughput and p99 against the number of connections](connections.svg)

";

const PEERS: &str = "\
Messages a second that survive a power cut, by the number of senders; medians of [rounds](peers/rounds.tsv), [on this machine](peers/environment.txt). What a message costs is with 64 senders: processor time of all processes of the server, and bytes written to the device. Downlink keeps rockets and not messages; the others keep all that was sent.

";

/// What is bounded, the least ratio, the server, the one that it is held against,
/// and at how many connections.
type Bound = (&'static str, f64, &'static str, &'static str, usize);

const BOUNDS: [Bound; 9] = [
    (
        "in memory, 64 connections, against the bare handler (further goal: 0.95)",
        0.85,
        "memory",
        "floor",
        64,
    ),
    ("fsync, 64 connections, against the bare handler", 0.65, "fsync", "floor", 64),
    ("fsync, 64 connections, against in memory", 0.65, "fsync", "memory", 64),
    ("fsync, 256 connections, against in memory", 0.80, "fsync", "memory", 256),
    ("fsync, 64 connections, against Redis (further goal: 1.4)", 1.25, "fsync", "redis", 64),
    ("fsync, 256 connections, against Redis (further goal: 1.4)", 1.25, "fsync", "redis", 256),
    ("fsync, 3 connections, against Redis (further goal: 1.2)", 1.0, "fsync", "redis", 3),
    ("in memory with TLS, 64 connections, against without", 0.7, "memory-tls", "memory", 64),
    ("fsync with TLS, 64 connections, against without", 0.7, "fsync-tls", "fsync", 64),
];

/// With each client, where it was measured.
pub fn ratios(by_client: &[(Client, Rounds)]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (what, bound, server, other, connections) in BOUNDS {
        for (client, rounds) in by_client {
            let rate = |server| rounds.per_second(server, connections);
            let (Some(value), Some(mine), Some(theirs)) =
                (rounds.ratio(server, other, connections), rate(server), rate(other))
            else {
                continue;
            };
            figures.push(Figure {
                what: format!("{what}, by {}", client.name()),
                value,
                unit: "",
                wanted: Wanted::AtLeast(bound),
                raw: format!("{mine:.0}/s against {theirs:.0}/s"),
            });
        }
    }
    figures
}

/// What one message costs, among many and among few.
fn one_message(criterion: &Path) -> Result<Vec<Figure>> {
    let compare = |what: &str, wanted, many: &str, few: &str| -> Result<Figure> {
        let (many, few) = (median_ns(criterion, many)?, median_ns(criterion, few)?);
        let raw = format!("{many:.0} ns against {few:.0} ns");
        Ok(Figure { what: what.to_owned(), value: many / few, unit: "", wanted, raw })
    };
    Ok(vec![
        compare(
            "a message with 10,000 buffered, against 10 buffered",
            Wanted::AtMost(2.0),
            "admit_and_apply/buffered/10000",
            "admit_and_apply/buffered/10",
        )?,
        compare(
            "a message, parsed, ordered and folded, among 1,000,000 rockets, against among 1,000",
            Wanted::AtMost(3.0),
            "parse_route_admit_and_apply/in_order_rockets/1000000",
            "parse_route_admit_and_apply/in_order_rockets/1000",
        )?,
        compare(
            "of that, ordering and folding alone, since caches are smaller than a million rockets",
            Wanted::Note("no bound"),
            "admit_and_apply/in_order_rockets/1000000",
            "admit_and_apply/in_order_rockets/1000",
        )?,
    ])
}

/// Criterion's median of one step.
fn median_ns(criterion: &Path, benchmark: &str) -> Result<f64> {
    let path = criterion.join(benchmark).join("new/estimates.json");
    let text = std::fs::read(&path)
        .map_err(|error| Error::other(format!("{}: {error}", path.display())))?;
    let estimates: serde_json::Value = serde_json::from_slice(&text)?;
    estimates["median"]["point_estimate"]
        .as_f64()
        .ok_or_else(|| Error::other(format!("no median in {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_held_against_each_client_that_measured_them() {
        let csv = |memory: u64| {
            Rounds::parse(&format!(
                "server,connections,round,requests,microseconds,per_second,p50_us,p99_us
floor,64,1,100,1000000,100,10,20
memory,64,1,{memory},1000000,{memory},11,21
"
            ))
            .unwrap()
        };
        let figures = ratios(&[(Client::Post, csv(90)), (Client::Wrk, csv(80))]);
        let reached: Vec<_> = figures
            .iter()
            .map(|figure| (figure.value, figure.wanted.reached(figure.value)))
            .collect();
        assert_eq!(reached, [(0.9, Some(true)), (0.8, Some(false))]);
        assert!(figures[1].what.ends_with("0.95), by wrk"), "{figures:?}");
        assert_eq!(figures[0].raw, "90/s against 100/s");
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "it is read, and not calculated")]
    fn criterions_median_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let new = directory.path().join("step/10/new");
        std::fs::create_dir_all(&new).unwrap();
        let estimates = r#"{"mean":{"point_estimate":1.0},"median":{"point_estimate":168.5}}"#;
        std::fs::write(new.join("estimates.json"), estimates).unwrap();
        assert_eq!(median_ns(directory.path(), "step/10").unwrap(), 168.5);
        median_ns(directory.path(), "step/20").unwrap_err();
    }
}
