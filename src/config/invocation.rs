//! The subcommands of the one tool, and what each of them takes. Owns how they are
//! typed; does not own what they do (`app` for the service, `top` and `tool` for the rest).
//!
//! Without a subcommand it is the service, as it always was. The first word
//! decides: all that follows it is the subcommand's own. Subcommands about a data
//! directory find it as the service does, in the same file and the same variable.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, FromArgMatches, Parser};

use super::cluster::{self, EngineArguments, EngineConfig};
use super::file::FileArguments;
use super::sources::{self, Sources};
use super::{Arguments, Config, help, listing};

/// What was asked for.
#[derive(Debug)]
pub enum Invocation {
    /// The service.
    Serve(Box<Config>),
    /// To show a service on a terminal: these words, of which the first is `top`.
    Top(Vec<OsString>),
    /// Anything else.
    Tool(Tool),
}

/// What is not the service, and ends by itself.
#[derive(Debug)]
pub enum Tool {
    /// To look at all that a start would use, and to change nothing.
    Check(Box<Config>, Sources),
    /// To print this, which is the configuration.
    Config(String),
    /// To write a data directory's fleet down.
    Export {
        /// The data directory.
        from: PathBuf,
        /// The file to be made; standard output without.
        output: Option<PathBuf>,
    },
    /// To make a data directory of what was written down.
    Import {
        /// The file; standard input without.
        input: Option<PathBuf>,
        /// The data directory.
        to: PathBuf,
    },
    /// To show how the nodes of a cluster are.
    ClusterStatus {
        /// Where its log is.
        engine: EngineConfig,
        /// Whether it is for programs.
        json: bool,
    },
    /// To have a node of a cluster count no more.
    ClusterRemove {
        /// Where its log is.
        engine: EngineConfig,
        /// The node.
        node: String,
    },
    /// To copy a data directory that is in use.
    Backup {
        /// The data directory.
        from: PathBuf,
        /// The copy.
        to: PathBuf,
    },
}

/// Which data directory.
#[derive(Args, Debug)]
struct Place {
    #[command(flatten)]
    file: FileArguments,

    /// The data directory, as the service has it
    #[arg(long, env = "DOWNLINK_DATA_DIR", value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
}

/// Writes the fleet of a data directory down, one rocket a line
///
/// The lines are JSON: a header, each rocket with the messages that wait, and how
/// many there were. Of a directory that a service has open it is one moment.
/// Nothing in the directory is changed.
#[derive(Debug, Parser)]
#[command(name = "export")]
struct ExportArguments {
    #[command(flatten)]
    place: Place,

    /// File to be made, which must not be there yet
    ///
    /// [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Makes a new data directory of what `export` wrote
///
/// The directory must not be there, or be empty. It is usable once all lines were
/// read and stored: what an import that was cut off leaves is refused by a start,
/// and taken away by the next import.
#[derive(Debug, Parser)]
#[command(name = "import")]
struct ImportArguments {
    /// What `export` wrote; - for standard input
    #[arg(value_name = "FILE")]
    input: PathBuf,

    #[command(flatten)]
    place: Place,
}

/// Copies the data directory of a service that runs
///
/// The copy is a data directory of its own, with all that was acknowledged before
/// the backup began, on the disk for certain. Ingestion goes on meanwhile. DIR must
/// not be there, or be empty.
#[derive(Debug, Parser)]
#[command(name = "backup")]
struct BackupArguments {
    /// Where the copy goes
    #[arg(value_name = "DIR")]
    to: PathBuf,

    #[command(flatten)]
    place: Place,
}

/// Shows the nodes of a cluster and its log
///
/// It reads what they say in the log, for as long as it takes to see who says
/// anything new: up to four seconds, if one does not.
#[derive(Debug, Parser)]
#[command(name = "status")]
struct StatusArguments {
    #[command(flatten)]
    file: FileArguments,

    #[command(flatten)]
    engine: EngineArguments,

    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// Has a node of a cluster that is gone for good count no more
///
/// What it said last is deleted from the log. Until then it counts as one of
/// --copies, and holds back a newer format of records. The others need not be
/// restarted. Stop it first: a node that lives is refused, which takes a second to
/// see, and would say it all again; one that is dead, up to four. Its data directory
/// stays as it is. A node that is started with it joins again, and counts again.
#[derive(Debug, Parser)]
#[command(name = "remove")]
struct RemoveArguments {
    /// The node, as `downlink cluster status` shows it
    #[arg(value_name = "NODE", value_parser = cluster::node)]
    node: String,

    #[command(flatten)]
    file: FileArguments,

    #[command(flatten)]
    engine: EngineArguments,
}

const CLUSTER: &str = "Shows how a cluster is, and removes nodes: see cluster status --help";

const SERVE: &str = "Serves: what is done without a subcommand";

const CHECK: &str = "Checks the configuration and the data directory, and changes nothing\n\n\
    It reads what a start would read, files of certificates and tokens and all of the data \
    directory, and serves nothing. The exit code is 0 if a start would succeed as far as that \
    tells, 1 if the data directory is not as it should be, and 2 if the configuration is not.";

const TOP: &str = "Shows what a service does on a terminal, or prints it for scripts";

const CONFIG: &str = "Prints the configuration, and where each value comes from\n\n\
    It is printed as a file for --config, with the source of each value as a comment.";

/// The flags of the service, with the subcommands.
fn whole() -> Command {
    let service = |name: &'static str, about: &'static str| {
        let short = about.lines().next().unwrap_or_default();
        Arguments::command().name(name).version(None).about(short).long_about(about)
    };
    let command = Arguments::command()
        .args_conflicts_with_subcommands(true)
        .subcommand(service("serve", SERVE))
        .subcommand(service("check", CHECK))
        .subcommand(service("config", CONFIG))
        .subcommand(ExportArguments::command())
        .subcommand(ImportArguments::command())
        .subcommand(BackupArguments::command())
        .subcommand(
            Command::new("cluster")
                .about(CLUSTER)
                .subcommand_required(true)
                .subcommand(StatusArguments::command())
                .subcommand(RemoveArguments::command()),
        )
        // Its words are its own: see `top`.
        .subcommand(Command::new("top").about(TOP));
    help::in_order(command)
}

impl Invocation {
    /// Reads a command line, its first word being the program's name, the
    /// environment and the file that they name.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn parse(
        line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let mut line: Vec<OsString> = line.into_iter().map(Into::into).collect();
        let whole = whole();
        let command = line.get(1).and_then(|word| whole.find_subcommand(word)).cloned();
        let Some(command) = command else {
            return Config::read(&whole, &line).map(|(config, ..)| Self::Serve(Box::new(config)));
        };
        let program = line.remove(0);
        if command.get_name() == "top" {
            return Ok(Self::Top(line));
        }
        if command.get_name() == "cluster" {
            return Self::of_cluster(&command, program, line);
        }
        line[0] = program;
        let command = command.clone().bin_name(format!("downlink {}", command.get_name()));
        let tool = match command.get_name() {
            "serve" => {
                let (config, ..) = Config::read(&command, &line)?;
                return Ok(Self::Serve(Box::new(config)));
            }
            "check" => {
                let (config, _, sources) = Config::read(&command, &line)?;
                Tool::Check(Box::new(config), sources)
            }
            "config" => {
                let (config, matches, sources) = Config::read(&command, &line)?;
                Tool::Config(listing::of(&command, &config, &matches, &sources))
            }
            "export" => {
                let ExportArguments { place, output } = typed(&command, &line)?;
                Tool::Export { from: place.data_dir, output }
            }
            "import" => {
                let ImportArguments { place, input } = typed(&command, &line)?;
                let input = (input.as_os_str() != "-").then_some(input);
                Tool::Import { input, to: place.data_dir }
            }
            "backup" => {
                let BackupArguments { place, to } = typed(&command, &line)?;
                Tool::Backup { from: place.data_dir, to }
            }
            other => unreachable!("{other} is a subcommand, and all of them are above"),
        };
        Ok(Self::Tool(tool))
    }

    /// The line without its first word, which the `program` is, begins with `cluster`.
    fn of_cluster(
        of: &Command,
        program: OsString,
        mut line: Vec<OsString>,
    ) -> Result<Self, clap::Error> {
        let word = line.get(1).and_then(|word| of.find_subcommand(word));
        let Some(command) = word.cloned() else {
            // Says what is wrong, or how it is used.
            let named = of.clone().bin_name("downlink cluster");
            let error = named.try_get_matches_from(line).expect_err("it needs a subcommand");
            return Err(error);
        };
        line.remove(0);
        line[0] = program;
        let name = format!("downlink cluster {}", command.get_name());
        let command = command.bin_name(name);
        let engine =
            |arguments: EngineArguments| arguments.validate()?.ok_or_else(cluster::no_cluster);
        Ok(Self::Tool(if command.get_name() == "remove" {
            let RemoveArguments { node, engine: arguments, .. } = typed(&command, &line)?;
            Tool::ClusterRemove { engine: engine(arguments)?, node }
        } else {
            let StatusArguments { engine: arguments, json, .. } = typed(&command, &line)?;
            Tool::ClusterStatus { engine: engine(arguments)?, json }
        }))
    }
}

/// The arguments of a subcommand that has not those of the service.
fn typed<T: FromArgMatches>(command: &Command, line: &[OsString]) -> Result<T, clap::Error> {
    let (matches, _) = sources::read(command, &Arguments::command(), line)?;
    T::from_arg_matches(&matches)
}
