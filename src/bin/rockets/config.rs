//! Owns the command line: what may be typed, and what of it is valid. Does not
//! own what the values do.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;

use crate::client::Target;
use crate::pace::Pacing;
use crate::token::Token;

/// What the command line asked for.
pub enum Parsed {
    Launch(Box<Config>),
    /// Help or the version was asked for, and printed.
    Done,
    /// Something is wrong; one line on standard error says what.
    Usage,
}

/// A valid run.
#[derive(Debug)]
pub struct Config {
    pub target: Target,
    /// Shown where the fleet is read.
    pub read_token: Option<Token>,
    pub pacing: Pacing,
    /// Requests in flight, each on a connection of its own; at least 1.
    pub concurrency: usize,
    /// Most messages in a request; at least 1.
    pub bulk: usize,
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
    pub json: bool,
    /// After so long a request counts as failed.
    pub request_timeout: Duration,
    /// The longest time without an acknowledgement; none for ever.
    pub give_up_after: Option<Duration>,
    pub log_level: LevelFilter,
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
    /// Print the version
    Version,
}

#[derive(Args)]
struct LaunchArgs {
    /// Where messages are posted, e.g. <http://localhost:8088/messages>
    #[arg(value_parser = Target::parse)]
    url: Target,

    /// Whom to trust at an https:// URL: certificates of authorities, or the
    /// service's own, in PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// File with the token that requests carry, behind a name or not; of several
    /// lines the first counts [default: none]
    #[arg(long, value_name = "FILE", value_parser = Token::read)]
    token_file: Option<Token>,

    /// The same for reading, with --verify [default: that of --token-file]
    #[arg(long, value_name = "FILE", value_parser = Token::read)]
    read_token_file: Option<Token>,

    /// Pause between one request and the next, e.g. 500ms, 1s, 1m 30s
    /// [default: none]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "rate")]
    message_delay: Option<Duration>,

    /// Requests in flight at a time, each on its own connection
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency_level: u32,

    /// Send up to N messages in a request, one a line (application/x-ndjson)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    bulk: u32,

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

    /// Requests a second, sent on schedule whatever the service does; latency
    /// then counts from when a request was due [default: as fast as answers come]
    #[arg(long, value_name = "N/s", value_parser = rate)]
    rate: Option<f64>,

    /// At the end, compare every rocket in GET /rockets with what was sent
    #[arg(long)]
    verify: bool,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,

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

#[derive(Clone, Copy, Debug)]
struct Bound(Option<Duration>);

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
    match Cli::try_parse_from(arguments) {
        Ok(Cli { command: Command::Launch(typed) }) => match validated(*typed) {
            Ok(config) => Parsed::Launch(Box::new(config)),
            Err(mistake) => {
                eprintln!("rockets: {mistake}");
                Parsed::Usage
            }
        },
        Ok(Cli { command: Command::Version }) => {
            print!("{}", Cli::command().render_version());
            Parsed::Done
        }
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                print!("{error}");
                Parsed::Done
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                eprint!("{error}");
                Parsed::Usage
            }
            _ => {
                eprintln!("rockets: {}", one_line(&error.to_string()));
                Parsed::Usage
            }
        },
    }
}

/// The parsers and ranges above have checked each value; what is left is to
/// give the values their meaning, and to read whom to trust.
fn validated(typed: LaunchArgs) -> Result<Config, String> {
    let pacing = match (typed.rate, typed.message_delay) {
        (Some(rate), _) => Pacing::Rate(rate),
        (None, Some(delay)) if !delay.is_zero() => Pacing::Delay(delay),
        (None, _) => Pacing::Unpaced,
    };
    Ok(Config {
        read_token: typed.read_token_file.or_else(|| typed.token_file.clone()),
        target: typed.url.trusting(typed.ca_file.as_deref())?.bearing(typed.token_file),
        pacing,
        concurrency: typed.concurrency_level as usize,
        bulk: typed.bulk as usize,
        max_messages: typed.max_messages,
        seed: typed.seed,
        rockets: typed.rockets,
        duplicates: typed.duplicates,
        shuffle: typed.shuffle,
        verify: typed.verify,
        json: typed.json,
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

/// Longer is a slip of the hand, and sums of such overflow.
const LONGEST_DURATION: Duration = Duration::from_secs(366 * 86_400);

/// As humantime has it; a bare 0 is none.
fn duration(typed: &str) -> Result<Duration, String> {
    // One number with its unit at a time: humantime panics where a sum overflows.
    let mut sum = Some(Duration::ZERO);
    let mut rest = typed;
    while !rest.is_empty() {
        let unit = rest.find(char::is_alphabetic).unwrap_or(rest.len());
        let next = rest[unit..].find(|c: char| c.is_ascii_digit());
        let (term, after) = rest.split_at(next.map_or(rest.len(), |next| unit + next));
        let time = humantime::parse_duration(term).ok();
        sum = sum.zip(time).and_then(|(sum, time)| sum.checked_add(time));
        rest = after;
    }
    sum.filter(|&sum| !typed.is_empty() && sum <= LONGEST_DURATION)
        .ok_or_else(|| "expected a duration such as 500ms, 1s or 2m".to_owned())
}

fn bound(typed: &str) -> Result<Bound, String> {
    if typed == "never" {
        return Ok(Bound(None));
    }
    match some_time(typed) {
        Ok(time) => Ok(Bound(Some(time))),
        Err(hint) => Err(format!("{hint}, or never")),
    }
}

fn some_time(typed: &str) -> Result<Duration, String> {
    match duration(typed)? {
        Duration::ZERO => Err("expected more than no time".into()),
        time => Ok(time),
    }
}

/// `5%` or `5`, from 0 to 100, as a share.
fn percentage(typed: &str) -> Result<f64, String> {
    let number = typed.strip_suffix('%').unwrap_or(typed);
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("expected a percentage from 0% to 100%, such as 5%".into()),
    }
}

/// `5000/s` or `5000`.
fn rate(typed: &str) -> Result<f64, String> {
    let number = typed.strip_suffix("/s").unwrap_or(typed);
    match number.parse::<f64>() {
        // Below, the time between two requests is over a day; above, the
        // clock is too coarse.
        Ok(rate) if (1e-5..=1e7).contains(&rate) => Ok(rate),
        _ => Err("expected requests a second, such as 5000/s".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let good = [
            ("500ms", 0.5),
            ("1s", 1.0),
            ("2m", 120.0),
            ("1.5s", 1.5),
            ("1m30s", 90.0),
            ("1h", 3600.0),
            ("1.5h", 5400.0),
            ("250us", 0.000_25),
            ("1h 30m", 5400.0),
            ("2 minutes", 120.0),
            ("1day", 86_400.0),
            ("366d", 31_622_400.0),
            ("0", 0.0),
            ("0s", 0.0),
        ];
        for (typed, seconds) in good {
            assert_eq!(duration(typed), Ok(Duration::from_secs_f64(seconds)), "{typed}");
        }
        let overflowing = "18446744073709551615s 1000ms";
        let bad = ["", "5", "s", "-1s", "1x", "1.2.3s", "367d", "99999999999h", "ms5", overflowing];
        for typed in bad {
            assert!(duration(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn percentages_and_rates() {
        assert_eq!(percentage("5%"), Ok(0.05));
        assert_eq!(percentage("100"), Ok(1.0));
        for typed in ["", "%", "-1%", "101%", "NaN", "x"] {
            assert!(percentage(typed).is_err(), "{typed}");
        }
        assert_eq!(rate("5000/s"), Ok(5000.0));
        assert_eq!(rate("0.5"), Ok(0.5));
        for typed in ["", "0", "-1/s", "inf", "NaN", "5/m"] {
            assert!(rate(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn bounds() {
        assert_eq!(bound("2m").unwrap().0, Some(Duration::from_secs(120)));
        assert_eq!(bound("never").unwrap().0, None);
        assert!(bound("0s").is_err() && bound("x").is_err());
        assert!(some_time("0").is_err() && some_time("never").is_err());
    }

    #[test]
    fn the_defaults_are_those_of_the_challenge() {
        let arguments = ["rockets", "launch", "http://localhost:8088/messages"];
        let Parsed::Launch(config) = parse_arguments(arguments.map(OsString::from)) else {
            panic!("valid arguments were refused");
        };
        assert_eq!(config.pacing, Pacing::Unpaced);
        assert_eq!(config.concurrency, 3);
        assert_eq!(config.bulk, 1);
        assert_eq!(config.max_messages, 100_000);
        assert_eq!(config.seed, 444);
        assert_eq!(config.rockets, 20);
        assert_eq!(config.request_timeout, Duration::from_secs(10));
        assert_eq!(config.give_up_after, Some(Duration::from_secs(60)));
    }
}
