//! Rounds of several servers in turns, and what is kept of them: the client's
//! output in a file for each server, rounds.csv, table.md and environment.txt.
//! Does not own how a round is measured (`contender`).

use std::fs::OpenOptions;
use std::io::{Result, Write};
use std::path::{Path, PathBuf};

use super::client::Client;
use super::contender::{Contender, Name};
use super::programs::Programs;
use super::rounds::{HEADER, Round, Rounds};
use super::{environment, plot, table};

/// Where the table of results is.
pub const WANTED: &str = "table.md";

pub const USUAL: [Name; 2] = [Name::Floor, Name::Memory];
pub const DURABLE: [Name; 4] = [Name::Floor, Name::Memory, Name::Fsync, Name::Redis];

#[derive(clap::Args)]
pub struct Arguments {
    /// Gets environment.txt, rounds.csv, table.md, plot.svg and the client's output
    directory: PathBuf,

    /// Servers that take turns
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,…")]
    servers: Vec<Name>,

    #[command(flatten)]
    connections: Connections,

    /// What sends the messages
    #[arg(long, value_enum, default_value = "post")]
    client: Client,

    #[command(flatten)]
    pace: Pace,
}

#[derive(Clone, clap::Args)]
pub struct Connections {
    /// Numbers of connections, each with one message on its way
    #[arg(
        long = "connections",
        value_delimiter = ',',
        value_name = "N,…",
        default_value = "3,64,256"
    )]
    pub numbers: Vec<usize>,
}

/// How long to measure.
#[derive(Clone, Copy, clap::Args)]
pub struct Pace {
    /// Rounds of each server at each number of connections
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub rounds: u32,

    /// Seconds of each round; wrk takes whole ones
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    pub seconds: f64,
}

pub fn run(programs: &Programs, arguments: Arguments, usual: &[Name]) -> Result<()> {
    let Arguments { directory, servers, connections, client, pace } = arguments;
    let names = if servers.is_empty() { usual } else { &servers };
    let contenders =
        names.iter().map(|&name| Contender::new(programs, name)).collect::<Result<Vec<_>>>()?;
    let comparison = Comparison { contenders, connections: connections.numbers, client, pace };
    let rounds = comparison.measure(programs, &directory, &[])?;
    println!("\n{}", table::side_by_side(&rounds));
    plot::draw(&rounds, &directory.join("plot.svg"))
}

pub struct Comparison {
    pub contenders: Vec<Contender>,
    pub connections: Vec<usize>,
    pub client: Client,
    pub pace: Pace,
}

impl Comparison {
    /// Runs all rounds and keeps everything in `directory`; `notes` are more lines
    /// for environment.txt.
    pub fn measure(
        &self,
        programs: &Programs,
        directory: &Path,
        notes: &[String],
    ) -> Result<Rounds> {
        let Self { contenders, connections, client, pace } = self;
        client.need()?;
        std::fs::create_dir_all(directory)?;
        let mut environment = environment::describe()?;
        let mut lines = vec![format!("client: {}", client.line(pace.seconds))];
        for contender in contenders {
            lines.push(format!("{}: {}", contender.name, contender.line()?));
        }
        lines.extend_from_slice(notes);
        environment += &lines.join("\n");
        environment.push('\n');
        eprint!("{environment}");
        std::fs::write(directory.join("environment.txt"), environment)?;
        for contender in contenders {
            std::fs::write(output_of(directory, contender), "")?;
        }
        let csv = directory.join("rounds.csv");
        std::fs::write(&csv, HEADER)?;

        // Beside the results, so that fsync has the disk that they say.
        let scratch = tempfile::Builder::new().prefix("data.").tempdir_in(directory)?;
        let mut rounds = Rounds::default();
        for &connections in connections {
            for number in 1..=pace.rounds {
                for contender in contenders_in_turn(contenders, number) {
                    let scratch = scratch.path();
                    let (output, tally) =
                        contender.round(programs, *client, scratch, connections, pace.seconds)?;
                    let round =
                        Round { server: contender.name.clone(), connections, number, tally };
                    let heading = format!("== {connections} connections, round {number}\n");
                    append(&output_of(directory, contender), &(heading + &output))?;
                    append(&csv, &format!("{round}\n"))?;
                    eprintln!("{}", table::round(&round));
                    rounds.add(round);
                }
            }
        }
        std::fs::write(directory.join(WANTED), table::side_by_side(&rounds))?;
        Ok(rounds)
    }
}

/// Every second round goes the other way, so that none always runs after the same
/// one.
fn contenders_in_turn(
    contenders: &[Contender],
    round: u32,
) -> Box<dyn Iterator<Item = &Contender> + '_> {
    if round.is_multiple_of(2) {
        Box::new(contenders.iter().rev())
    } else {
        Box::new(contenders.iter())
    }
}

fn output_of(directory: &Path, contender: &Contender) -> PathBuf {
    directory.join(format!("{}.txt", contender.name))
}

fn append(path: &Path, text: &str) -> Result<()> {
    OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())
}
