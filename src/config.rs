//! What was typed, and what is valid. The only reader of the environment.
//!
//! [`Arguments`] is the command line as clap reads it; [`Config`] is what the
//! rest of the program gets. Everything that can be wrong is found here, before
//! anything is opened or bound.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Parser, ValueEnum};
use tracing_subscriber::filter::EnvFilter;

use crate::fleet::checkpoint::Interval;
use crate::fleet::limits::Limits;
use crate::http::context::HttpConfig;

/// Receives telemetry from a fleet of rockets and serves the fleet's state.
///
/// Messages come in with POST /messages, in any order and more than once; the
/// fleet is read with GET /rockets, /rockets/{id}, /missions and
/// /missions/{mission}. GET /readyz says whether the service can do its work.
#[derive(Debug, Parser)]
#[command(name = "downlink", version)]
pub struct Arguments {
    /// Address and port to serve on
    #[arg(
        long,
        env = "DOWNLINK_LISTEN",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8088"
    )]
    listen: SocketAddr,

    /// Worker tasks; each owns its share of the rockets [default: number of cores]
    #[arg(long, env = "DOWNLINK_WORKERS", value_name = "N")]
    workers: Option<NonZeroUsize>,

    /// Threads that serve connections and run the workers [default: the number of
    /// cores, less one for the journal and the network, but at least one]
    #[arg(long, env = "DOWNLINK_THREADS", value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// Directory for what must survive a restart, created if absent; unused with
    /// --durability memory
    #[arg(long, env = "DOWNLINK_DATA_DIR", value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,

    /// What an acknowledged message survives
    #[arg(long, env = "DOWNLINK_DURABILITY", value_enum, default_value_t = Durability::Fsync)]
    durability: Durability,

    /// Longest time that a commit waits for more senders, so that they share it;
    /// 0 turns that off
    #[arg(long, env = "DOWNLINK_COMMIT_DELAY", value_name = "TIME", default_value = "500us", value_parser = parse_time_or_zero)]
    commit_delay: Duration,

    /// Messages after which the fleet is stored and the journal trimmed; a restart
    /// replays no more than some two times as many
    #[arg(
        long,
        env = "DOWNLINK_CHECKPOINT_MESSAGES",
        value_name = "MESSAGES",
        default_value = "1000000"
    )]
    checkpoint_messages: NonZeroUsize,

    /// Time after which the same happens, if any message came
    #[arg(long, env = "DOWNLINK_CHECKPOINT_INTERVAL", value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    checkpoint_interval: Duration,

    /// Messages that may wait for one worker; beyond it they are refused with 503
    #[arg(long, env = "DOWNLINK_INBOX_CAPACITY", value_name = "MESSAGES", default_value = "65536")]
    inbox_capacity: NonZeroUsize,

    /// Messages of one rocket that may wait for an earlier one; beyond it 429
    #[arg(
        long,
        env = "DOWNLINK_MAX_BUFFERED_PER_ROCKET",
        value_name = "MESSAGES",
        default_value = "10000"
    )]
    max_buffered_per_rocket: NonZeroUsize,

    /// Messages of all rockets that may wait for an earlier one; beyond it 429
    #[arg(
        long,
        env = "DOWNLINK_MAX_BUFFERED",
        value_name = "MESSAGES",
        default_value = "10000000"
    )]
    max_buffered: NonZeroUsize,

    /// Rockets in the fleet; beyond it messages of new ones are refused with 503
    #[arg(long, env = "DOWNLINK_MAX_ROCKETS", value_name = "ROCKETS", default_value = "10000000")]
    max_rockets: NonZeroUsize,

    /// Connections served at once; further ones wait to be accepted
    #[arg(long, env = "DOWNLINK_MAX_CONNECTIONS", value_name = "N", default_value = "16384")]
    max_connections: NonZeroUsize,

    /// Largest body of one message, in bytes or with a unit; beyond it 413
    #[arg(long, env = "DOWNLINK_MAX_BODY", value_name = "SIZE", default_value = "64KiB", value_parser = parse_size)]
    max_body: usize,

    /// Largest body of many messages, one a line; beyond it 413
    #[arg(long, env = "DOWNLINK_MAX_BULK_BODY", value_name = "SIZE", default_value = "16MiB", value_parser = parse_size)]
    max_bulk_body: usize,

    /// Time for a request's body to arrive and its answer to be found; beyond it
    /// 408 or 503
    #[arg(long, env = "DOWNLINK_REQUEST_TIMEOUT", value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    request_timeout: Duration,

    /// Time for a request's head to arrive, a kept-alive connection to be used
    /// again, and a stalled reader to take more; beyond it the connection closes
    #[arg(long, env = "DOWNLINK_IDLE_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    idle_timeout: Duration,

    /// Time to finish what is in flight when told to stop
    #[arg(long, env = "DOWNLINK_SHUTDOWN_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    shutdown_timeout: Duration,

    /// Form of the log lines on standard error
    #[arg(long, env = "DOWNLINK_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,

    /// Which log lines are written: a level, or levels for each target
    #[arg(long, env = "DOWNLINK_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

/// What an acknowledged message survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// A power cut: it is on the device before it is acknowledged
    Fsync,
    /// The end of the process in any way, but not a power cut: the operating
    /// system has it before it is acknowledged
    Os,
    /// Nothing: it is kept in memory, and no file is written
    Memory,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address and port to serve on; port 0 lets the system choose one.
    pub listen: SocketAddr,
    /// At least 1.
    pub workers: usize,
    /// Of the runtime; at least 1.
    pub threads: usize,
    /// For opening the journal, and for what would keep the runtime's threads
    /// busy for long: large bodies and listings.
    pub blocking_threads: usize,
    /// Where the journal is; not touched with [`Durability::Memory`].
    pub data_dir: PathBuf,
    /// What is waited for before a message is acknowledged.
    pub durability: Durability,
    /// The longest that a commit waits for more senders; zero for not at all.
    pub commit_delay: Duration,
    /// When rockets are stored and the journal is trimmed.
    pub checkpoints: Interval,
    /// Messages, for each worker.
    pub inbox_capacity: usize,
    /// What the fleet may hold.
    pub limits: Limits,
    /// What a client may do.
    pub http: HttpConfig,
    /// From being told to stop to ending with what is finished by then.
    pub shutdown_timeout: Duration,
    /// How a log line is written.
    pub log_format: LogFormat,
    /// In the syntax of `tracing_subscriber::EnvFilter`.
    pub log: String,
}

impl Config {
    /// Reads a command line, its first word being the program's name, and the
    /// environment.
    ///
    /// # Errors
    /// As clap has them, `--help` and `--version` among them.
    pub fn parse(
        line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        Arguments::try_parse_from(line)?.validate()
    }
}

impl Arguments {
    fn validate(self) -> Result<Config, clap::Error> {
        EnvFilter::try_new(&self.log).map_err(|error| {
            clap::Error::raw(
                clap::error::ErrorKind::ValueValidation,
                format!("invalid value '{}' for '--log <FILTER>': {error}", self.log),
            )
        })?;
        Ok(Config {
            listen: self.listen,
            workers: self.workers.unwrap_or_else(cores).get(),
            threads: self.threads.unwrap_or_else(default_threads).get(),
            blocking_threads: cores().get(),
            data_dir: self.data_dir,
            durability: self.durability,
            commit_delay: self.commit_delay,
            checkpoints: Interval {
                records: self.checkpoint_messages.get() as u64,
                time: self.checkpoint_interval,
            },
            inbox_capacity: self.inbox_capacity.get(),
            limits: Limits {
                buffered_per_rocket: self.max_buffered_per_rocket.get(),
                buffered: self.max_buffered.get(),
                rockets: self.max_rockets.get(),
            },
            http: HttpConfig {
                max_connections: self.max_connections.get(),
                max_body: self.max_body,
                max_bulk_body: self.max_bulk_body,
                request_timeout: self.request_timeout,
                idle_timeout: self.idle_timeout,
            },
            shutdown_timeout: self.shutdown_timeout,
            log_format: self.log_format,
            log: self.log,
        })
    }
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The threads of the runtime, unless told otherwise. One core is left to the
/// journal's thread and to the network: a runtime that has to share its cores
/// with them was measured to take a third more of the processor for the same.
#[must_use]
pub fn default_threads() -> NonZeroUsize {
    NonZeroUsize::new(cores().get() - 1).unwrap_or(NonZeroUsize::MIN)
}

/// Reads a number of bytes, such as `65536`, `64KiB` or `16MiB`.
fn parse_size(text: &str) -> Result<usize, String> {
    // What is too large for `u64` comes out as its end, and is refused with what
    // no memory can hold.
    let size = text.parse::<ByteSize>().ok().and_then(|size| isize::try_from(size.as_u64()).ok());
    size.and_then(|bytes| usize::try_from(bytes).ok()).filter(|&bytes| bytes > 0).ok_or_else(|| {
        "expected a number of bytes above 0, or one with a unit, such as 64KiB or 16MiB".to_owned()
    })
}

/// Reads a time, such as `500ms`, `10s` or `2m`.
fn parse_time(text: &str) -> Result<Duration, String> {
    time_from(Duration::from_millis(1), text)
        .ok_or_else(|| "expected a time from 1ms to 1day, such as 500ms, 10s or 2m".to_owned())
}

/// As [`parse_time`], of a time that may be none.
fn parse_time_or_zero(text: &str) -> Result<Duration, String> {
    time_from(Duration::ZERO, text)
        .ok_or_else(|| "expected 0 or a time up to 1day, such as 500us or 2ms".to_owned())
}

fn time_from(shortest: Duration, text: &str) -> Option<Duration> {
    // A day is beyond any use, and far from overflowing a deadline.
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    humantime::parse_duration(text).ok().filter(|time| (shortest..=DAY).contains(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
        Config::parse(std::iter::once(&"downlink").chain(arguments))
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8088");
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(config.workers, cores);
        assert_eq!(config.threads, cores.max(2) - 1);
        assert_eq!(config.data_dir, PathBuf::from("./data"));
        assert_eq!(config.durability, Durability::Fsync);
        assert_eq!(config.commit_delay, Duration::from_micros(500));
        assert_eq!(config.limits.buffered_per_rocket, 10_000);
        assert_eq!(config.http.max_body, 64 * 1024);
        assert_eq!(config.shutdown_timeout, Duration::from_secs(10));
    }

    #[test]
    fn sizes_and_times_take_units() {
        assert_eq!(parse_size("65536"), Ok(65_536));
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("16MiB"), Ok(16 << 20));
        assert_eq!(parse_time("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_time("5 s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_time("1m 30s"), Ok(Duration::from_secs(90)));
        for day in ["1440m", "24h", "1day"] {
            assert_eq!(parse_time(day), Ok(Duration::from_secs(86_400)));
        }
        assert_eq!(parse_size("64 KiB"), Ok(65_536));
        assert_eq!(parse_size("1kB"), Ok(1000));
        assert_eq!(parse_size("1.5GiB"), Ok(3 << 29));
        let too_large = ["99999999999GiB", "18446744073709551615", "99999999999999999999999"];
        for bad in ["", "0", "0KiB", "-1", "KiB", "1x", "x"].iter().chain(&too_large) {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        for bad in ["", "5", "-1s", "s", "25h", "86401s", "9999999999999999m"] {
            assert!(parse_time(bad).is_err(), "{bad}");
            assert!(parse_time_or_zero(bad).is_err(), "{bad}");
        }
        for short in ["0", "0s", "999us"] {
            assert!(parse_time(short).is_err(), "{short}");
            assert!(parse_time_or_zero(short).is_ok(), "{short}");
        }
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (arguments, name) in [
            (["--listen", "nowhere"], "--listen"),
            (["--workers", "0"], "--workers"),
            (["--workers", "many"], "--workers"),
            (["--threads", "0"], "--threads"),
            (["--durability", "eternal"], "--durability"),
            (["--max-body", "0"], "--max-body"),
            (["--log-format", "xml"], "--log-format"),
            (["--log", "a=b=c"], "--log"),
            (["--warp-speed", "9"], "--warp-speed"),
        ] {
            let error = parse(&arguments).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
