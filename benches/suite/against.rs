//! This tree's service in turns with that of another commit: what a change did to
//! the throughput. Owns how the other service is found or built.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::client::Client;
use super::compare::{Comparison, Connections, Pace};
use super::contender::Contender;
use super::programs::{self, Programs, output, succeed};
use super::rounds::Rounds;
use super::scale::bulk;
use super::servers::Durability;
use super::table::{self, Figure, Wanted};

#[derive(clap::Args)]
pub struct Arguments {
    /// A commit, branch or tag, or the path of a release binary of the service
    #[arg(value_name = "REV_OR_BINARY")]
    other: String,

    /// Gets the raw data and table.md [default: target/against]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,

    /// What to ask of both services
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "NAME,…",
        default_value = "memory,fsync"
    )]
    durability: Vec<Durability>,

    #[command(flatten)]
    connections: Connections,

    #[command(flatten)]
    pace: Pace,

    /// What sends the messages
    #[arg(long, value_enum, default_value = "post")]
    client: Client,

    /// Send 10,000 messages a request by 4 clients, a million in each round
    #[arg(long, conflicts_with_all = ["connections", "client", "seconds"])]
    bulk: bool,

    /// How bodies of `--bulk` are coded; older services take none
    #[arg(
        long,
        requires = "bulk",
        value_parser = bulk::CODINGS,
        value_delimiter = ',',
        value_name = "NAME,…",
        default_value = "identity,gzip"
    )]
    coding: Vec<String>,

    /// The ratio from which on throughput counts as kept
    #[arg(long, value_name = "RATIO", default_value_t = 0.97)]
    least: f64,
}

pub fn run(programs: &Programs, arguments: Arguments) -> Result<()> {
    let Arguments { other, directory, durability, connections, pace, client, bulk, coding, least } =
        arguments;
    let this = programs.service()?;
    let (other, named) = find(&other)?;
    let directory = match directory {
        Some(directory) => directory,
        None => programs::target()?.join("against"),
    };
    if bulk {
        let services = [(this, "this tree".to_owned()), (other, named)];
        let figures =
            bulk::against(&services, &directory, (&durability, &coding), pace.rounds, least)?;
        return keep(&directory, &figures);
    }
    // Each beside its other: what is compared runs one right after the other.
    let mut contenders = Vec::new();
    for &durability in &durability {
        contenders.push(Contender::service(durability.name(), this.clone(), durability));
        let name = other_name(durability);
        contenders.push(Contender::service(&name, other.clone(), durability));
    }
    let comparison = Comparison { contenders, connections: connections.numbers, client, pace };
    let notes =
        [format!("this: {}", this.display()), format!("other: {} ({named})", other.display())];
    let rounds = comparison.measure(programs, &directory, &notes)?;
    keep(&directory, &figures(&rounds, &durability, least))
}

fn keep(directory: &Path, figures: &[Figure]) -> Result<()> {
    let table = table::wanted(figures);
    std::fs::write(directory.join("table.md"), &table)?;
    println!("\n{table}");
    Ok(())
}

fn other_name(durability: Durability) -> String {
    format!("{}-other", durability.name())
}

/// This against the other, and how far apart single rounds are.
fn figures(rounds: &Rounds, durability: &[Durability], least: f64) -> Vec<Figure> {
    let mut figures = Vec::new();
    for connections in rounds.connections() {
        for &durability in durability {
            let (this, other) = (durability.name(), other_name(durability));
            let Some(value) = rounds.ratio(this, &other, connections) else { continue };
            let mut ratios = rounds.ratios(this, &other, connections);
            ratios.sort_unstable_by(f64::total_cmp);
            // Without the lowest and the highest quarter.
            let half = &ratios[ratios.len() / 4..ratios.len() - ratios.len() / 4];
            let low = half.first().copied().unwrap_or(value);
            let high = half.last().copied().unwrap_or(value);
            figures.push(Figure {
                what: format!("{this}, {connections} connections, this against the other"),
                value,
                unit: "",
                wanted: Wanted::AtLeast(least),
                raw: format!(
                    "half of {} rounds from {low:.2} to {high:.2}; {:.0}/s against {:.0}/s",
                    ratios.len(),
                    rounds.per_second(this, connections).unwrap_or(f64::NAN),
                    rounds.per_second(&other, connections).unwrap_or(f64::NAN),
                ),
            });
        }
    }
    figures
}

/// The other service's binary, and what to call it.
fn find(other: &str) -> Result<(PathBuf, String)> {
    let path = Path::new(other);
    if path.is_file() {
        return Ok((path.canonicalize()?, "ready-built".to_owned()));
    }
    let commit = format!("{other}^{{commit}}");
    let commit =
        output(Command::new("git").args(["rev-parse", "--verify", "--end-of-options"]).arg(commit))
            .map_err(|error| {
                Error::other(format!("{other} is neither a file nor a commit: {error}"))
            })?;
    let commit = commit.trim();
    Ok((build(commit)?, format!("commit {commit}")))
}

/// Builds a commit's service, unless it was built before.
fn build(commit: &str) -> Result<PathBuf> {
    let builds = programs::target()?.join("commits");
    let kept = builds.join(format!("downlink-{commit}"));
    if kept.is_file() {
        return Ok(kept);
    }
    let scratch = tempfile::tempdir()?;
    let tree = scratch.path().join("tree");
    succeed(Command::new("git").args(["worktree", "add", "--detach"]).arg(&tree).arg(commit))?;
    // Of all commits one target directory, so that what both depend on is built once.
    let built = succeed(
        Command::new("cargo")
            .args(["build", "--release", "--bin", "downlink", "--target-dir"])
            .arg(&builds)
            .current_dir(&tree),
    );
    // Gone even if the build failed.
    succeed(Command::new("git").args(["worktree", "remove", "--force"]).arg(&tree))?;
    built?;
    std::fs::copy(builds.join("release/downlink"), &kept)?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_this_against_the_other() {
        let rounds = Rounds::parse(
            "server,connections,round,requests,microseconds,per_second,p50_us,p99_us
memory,64,1,98,1000000,98,10,20
memory-other,64,1,100,1000000,100,10,20
memory-other,64,2,200,1000000,200,10,20
memory,64,2,190,1000000,190,10,20
memory,64,3,300,1000000,300,10,20
memory-other,64,3,100,1000000,100,10,20
memory-other,64,4,100,1000000,100,10,20
memory,64,4,50,1000000,50,10,20
",
        )
        .unwrap();
        let durability = [Durability::Memory, Durability::Fsync];
        let [figure] = &figures(&rounds, &durability, 0.97)[..] else { panic!("one was measured") };
        assert!((figure.value - 0.965).abs() < 1e-9, "{figure:?}");
        assert_eq!(figure.wanted.reached(figure.value), Some(false));
        assert_eq!(figure.raw, "half of 4 rounds from 0.95 to 0.98; 144/s against 100/s");
    }
}
