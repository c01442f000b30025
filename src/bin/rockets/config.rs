//! Owns the command line: what may be typed, and what of it is valid. Does not
//! own what the values do.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;

use crate::client::Target;
use crate::lines::{BadLines, Input};
use crate::pace::Pacing;
use crate::token::Token;
use crate::values::{Bound, bound, duration, percentage, rate, some_time};

/// What the command line asked for.
pub enum Parsed {
    Run(Box<Config>),
    /// Help or the version was asked for, and printed.
    Done,
    /// Something is wrong; one line on standard error says what.
    Usage,
}

/// A valid run.
#[derive(Debug)]
pub struct Config {
    /// At least one.
    pub targets: Vec<Target>,
    pub what: What,
    pub pacing: Pacing,
    /// Requests in flight, each on a connection of its own; at least 1.
    pub concurrency: usize,
    /// Most messages in a request; at least 1.
    pub bulk: usize,
    pub json: bool,
    /// Where latency is drawn over time, if it is.
    pub plot: Option<PathBuf>,
    /// After so long a request counts as failed.
    pub request_timeout: Duration,
    /// The longest time without an acknowledgement; none for ever.
    pub give_up_after: Option<Duration>,
    pub log_level: LevelFilter,
}

impl Config {
    /// Where messages go, for people.
    pub fn urls(&self) -> String {
        self.targets.iter().map(Target::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// What is sent.
#[derive(Debug)]
pub enum What {
    Fleet(FleetConfig),
    File(FileConfig),
}

/// What a fleet says that is made up.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// In total, second copies not counted; at least 1.
    pub max_messages: u32,
    pub seed: u64,
    /// At least 1.
    pub rockets: u32,
    /// The share of messages sent twice, from 0 to 1.
    pub duplicates: f64,
    /// How many places early or late a message may be sent.
    pub shuffle: u32,
    pub verify: bool,
    /// Shown where the fleet is read.
    pub read_token: Option<Token>,
}

/// What is in a file.
#[derive(Debug)]
pub struct FileConfig {
    pub input: Input,
    pub bad_lines: BadLines,
}

#[derive(Parser)]
#[command(name = "rockets", version, about = "Launches rockets that report to a service over HTTP")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Launch a fleet that posts its telemetry to URL
    Launch(Box<LaunchArgs>),
    /// Send the messages in FILE, one a line, to URL
    Replay(Box<ReplayArgs>),
    /// Print the version
    Version,
}

#[derive(Args)]
struct LaunchArgs {
    /// Where messages are posted, e.g. <http://localhost:8088/messages>; several of one
    /// fleet take turns, and the others take over from one that fails
    #[arg(value_parser = Target::parse, required = true, value_delimiter = ',')]
    url: Vec<Target>,

    #[command(flatten)]
    sending: SendingArgs,

    /// The same for reading, with --verify [default: that of --token-file]
    #[arg(long, value_name = "FILE", value_parser = Token::read)]
    read_token_file: Option<Token>,

    /// Messages in total, over all rockets
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_messages: u32,

    /// The same seed gives the same fleet and messages, apart from times
    #[arg(long, value_name = "N", default_value_t = 444)]
    seed: u64,

    /// Rockets to launch (as many as there are messages, if those are fewer)
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    rockets: u32,

    /// Share of messages to send twice, the second time somewhat later
    #[arg(long, value_name = "PERCENT", default_value = "0%", value_parser = percentage)]
    duplicates: f64,

    /// Send messages up to N places early or late, on top of what concurrency does
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=10_000_000))]
    shuffle: u32,

    /// At the end, compare every rocket in GET /rockets with what was sent
    #[arg(long)]
    verify: bool,
}

#[derive(Args)]
struct ReplayArgs {
    /// Messages in JSON, one a line, plain or gzipped; `-` for standard input
    #[arg(value_parser = Input::open)]
    file: Input,

    /// Where they are posted
    #[arg(
        value_parser = Target::parse,
        default_value = "http://localhost:8088/messages",
        value_delimiter = ','
    )]
    url: Vec<Target>,

    #[command(flatten)]
    sending: SendingArgs,

    /// What to do with lines that are not JSON or name no channel
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = BadLines::Fail)]
    bad_lines: BadLines,
}

/// How messages are sent, wherever they are from.
#[derive(Args)]
struct SendingArgs {
    /// Whom to trust at an https:// URL: certificates of authorities, or the
    /// service's own, in PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// File with the token that requests carry, behind a name or not; of several
    /// lines the first counts [default: none]
    #[arg(long, value_name = "FILE", value_parser = Token::read)]
    token_file: Option<Token>,

    /// Pause between one request and the next, e.g. 500ms, 1s, 1m 30s
    /// [default: none]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "rate")]
    message_delay: Option<Duration>,

    /// Requests a second, sent on schedule whatever the service does; latency
    /// then counts from when a request was due [default: as fast as answers come]
    #[arg(long, value_name = "N/s", value_parser = rate)]
    rate: Option<f64>,

    /// Requests in flight at a time, each on its own connection
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency_level: u32,

    /// Send up to N messages in a request, one a line (application/x-ndjson)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    bulk: u32,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,

    /// Draw latency and throughput over time into FILE, an SVG picture
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Take a request for failed after so long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = some_time)]
    request_timeout: Duration,

    /// End the run after so long without an acknowledgement, or `never`
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = bound)]
    give_up_after: Bound,

    /// What to log on standard error
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = LogLevel::Warn, ignore_case = true)]
    log_level: LogLevel,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Reads the command line, program name first. Prints help, the version or the
/// one line that says what is wrong.
pub fn parse_arguments(arguments: impl IntoIterator<Item = OsString>) -> Parsed {
    let config = match Cli::try_parse_from(arguments) {
        Ok(Cli { command: Command::Launch(typed) }) => launch(*typed),
        Ok(Cli { command: Command::Replay(typed) }) => replay(*typed),
        Ok(Cli { command: Command::Version }) => {
            print!("{}", Cli::command().render_version());
            return Parsed::Done;
        }
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                print!("{error}");
                return Parsed::Done;
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                eprint!("{error}");
                return Parsed::Usage;
            }
            _ => Err(one_line(&error.to_string())),
        },
    };
    match config {
        Ok(config) => Parsed::Run(Box::new(config)),
        Err(mistake) => {
            eprintln!("rockets: {mistake}");
            Parsed::Usage
        }
    }
}

fn launch(typed: LaunchArgs) -> Result<Config, String> {
    let fleet = FleetConfig {
        read_token: typed.read_token_file.or_else(|| typed.sending.token_file.clone()),
        max_messages: typed.max_messages,
        seed: typed.seed,
        rockets: typed.rockets,
        duplicates: typed.duplicates,
        shuffle: typed.shuffle,
        verify: typed.verify,
    };
    validated(typed.url, What::Fleet(fleet), typed.sending)
}

fn replay(typed: ReplayArgs) -> Result<Config, String> {
    let file = FileConfig { input: typed.file, bad_lines: typed.bad_lines };
    validated(typed.url, What::File(file), typed.sending)
}

/// The parsers and ranges above have checked each value; what is left is to
/// give the values their meaning, to read whom to trust, and to see whether what
/// is written at the end can be.
fn validated(urls: Vec<Target>, what: What, typed: SendingArgs) -> Result<Config, String> {
    let pacing = match (typed.rate, typed.message_delay) {
        (Some(rate), _) => Pacing::Rate(rate),
        (None, Some(delay)) if !delay.is_zero() => Pacing::Delay(delay),
        (None, _) => Pacing::Unpaced,
    };
    let (ca_file, token) = (typed.ca_file.as_deref(), typed.token_file);
    let target = |url: Target| Ok(url.trusting(ca_file)?.bearing(token.clone()));
    let targets = urls.into_iter().map(target).collect::<Result<_, String>>()?;
    if let Some(plot) = &typed.plot {
        let opened = OpenOptions::new().create(true).append(true).open(plot);
        opened.map_err(|error| format!("--plot {}: {error}", plot.display()))?;
    }
    Ok(Config {
        targets,
        what,
        pacing,
        concurrency: typed.concurrency_level as usize,
        bulk: typed.bulk as usize,
        json: typed.json,
        plot: typed.plot,
        request_timeout: typed.request_timeout,
        give_up_after: typed.give_up_after.0,
        log_level: match typed.log_level {
            LogLevel::Off => LevelFilter::OFF,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        },
    })
}

/// clap explains at length; its first paragraph is the mistake itself.
fn one_line(explanation: &str) -> String {
    let paragraph =
        explanation.split("\n\n").next().expect("there is a first part, if an empty one");
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    let line = words.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_challenge() {
        let arguments = ["rockets", "launch", "http://localhost:8088/messages"];
        let Parsed::Run(config) = parse_arguments(arguments.map(OsString::from)) else {
            panic!("valid arguments were refused");
        };
        assert_eq!(config.pacing, Pacing::Unpaced);
        assert_eq!(config.concurrency, 3);
        assert_eq!(config.bulk, 1);
        let What::Fleet(fleet) = &config.what else { panic!("a launch makes a fleet up") };
        assert_eq!(fleet.max_messages, 100_000);
        assert_eq!(fleet.seed, 444);
        assert_eq!(fleet.rockets, 20);
        assert_eq!(config.request_timeout, Duration::from_secs(10));
        assert_eq!(config.give_up_after, Some(Duration::from_secs(60)));
    }
}
