//! What was typed, and what is valid. The only reader of the environment.
//!
//! [`Arguments`] is the command line as clap reads it; [`Config`] is what the
//! rest of the program gets. Everything that can be wrong is found here, before
//! anything is bound, and so is what is larger than makes sense. Of files only
//! those with tokens are opened, which are a part of it.
//!
//! * `access`: who may ask for what.
//! * `admin`: the flags of the operators' own address.
//! * [`cluster`]: the flags of a node of a cluster.
//! * `choices`: the values of flags that are one of a few.
//! * `parse`: how single values are written.
//! * `memory`: what follows from `--memory-limit`.
//! * `drain`: the flag about serving on when told to stop.
//! * `events`: the flags of the change feed.
//! * `environment`, `file`: flags that are given in the environment, and in a file.
//! * `sources`: where values come from, and which one counts.
//! * [`invocation`]: the subcommands, and what each of them takes.
//! * `listing`: what is valid, for `downlink config` to print.
//! * `fairness`: flags about what one client may take.
//! * `gaps`: the flag about messages that do not come.
//! * `history`: the flags about the recent past of rockets.
//! * [`manager`]: what a service manager put into the environment.
//! * `retention`: the flags about rockets that are not wanted any more.
//! * `tls`: the flags of TLS.

mod access;
mod admin;
mod choices;
pub mod cluster;
mod drain;
mod environment;
mod events;
mod fairness;
mod file;
mod gaps;
mod history;
pub mod invocation;
mod listing;
pub mod manager;
mod memory;
mod parse;
mod retention;
pub mod sources;
mod tls;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, Parser};

pub use self::choices::{Durability, LogFormat};

use self::access::AccessArguments;
use self::admin::AdminArguments;
use self::cluster::{ClusterArguments, ClusterConfig};
use self::drain::DrainArguments;
use self::events::EventArguments;
use self::fairness::{FairnessArguments, MOST_CONNECTIONS};
use self::file::FileArguments;
use self::gaps::GapArguments;
use self::history::HistoryArguments;
use self::manager::Manager;
use self::memory::{Bounds, MOST_BUFFERED, MOST_HELD, MOST_ROCKETS};
use self::parse::{address, count, log_filter, memory, mode, size, time, time_or_zero};
use self::sources::Sources;
use self::tls::TlsArguments;
use crate::fleet::checkpoint::Interval;
use crate::fleet::limits::{self, Limits};
use crate::fleet::retention::Policy;
use crate::fleet::threading::Threading;
use crate::http::access::Access;
use crate::http::context::HttpConfig;
use crate::http::listener::Address;
use crate::http::tls::files::TlsFiles;

/// Each has a thread that builds its rockets at a start, and an inbox; more than
/// some ten times the cores of any machine only cost.
const MOST_WORKERS: u64 = 1024;

/// As for workers.
const MOST_THREADS: u64 = 1024;

/// Each takes some 250 bytes, so that these are 4 GiB for a single worker.
const MOST_IN_AN_INBOX: u64 = 1 << 24;

/// What waits for a rocket is stored in one commit.
const MOST_BUFFERED_PER_ROCKET: u64 = limits::MOST_BUFFERED_PER_ROCKET as u64;

/// More than any disk holds, and far from any overflow.
const MOST_IN_THE_JOURNAL: u64 = 1_000_000_000_000;

/// A body of one message is held whole: 1 GiB.
const LARGEST_BODY: u64 = 1 << 30;

/// A body of many is not, and ends all the same: 1 TiB.
const LARGEST_BULK_BODY: u64 = 1 << 40;

/// Bytes a second, which no network carries: 1 TiB.
const FASTEST: u64 = 1 << 40;

/// Receives telemetry from a fleet of rockets and serves the fleet's state.
///
/// Messages come in with POST /messages, in any order and more than once; the
/// fleet is read with GET /rockets, /rockets/{id}, /missions and
/// /missions/{mission}. GET /readyz says whether the service can do its work, and
/// GET /livez whether its process moves.
#[derive(Debug, Parser)]
#[command(name = "downlink", version)]
pub struct Arguments {
    #[command(flatten)]
    file: FileArguments,

    /// Addresses to serve on, separated by commas or given one by one: ADDR:PORT,
    /// NAME:PORT, :PORT for all of the machine's, or unix:PATH
    #[arg(
        long,
        env = "DOWNLINK_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8088",
        value_delimiter = ',',
        value_parser = address
    )]
    listen: Vec<Address>,

    #[command(flatten)]
    admin: AdminArguments,

    /// Who may connect to the sockets of unix:PATH addresses, as the octal mode of
    /// their files
    #[arg(long, env = "DOWNLINK_UNIX_MODE", value_name = "MODE", default_value = "660", value_parser = mode)]
    unix_mode: u32,

    #[command(flatten)]
    access: AccessArguments,

    #[command(flatten)]
    tls: TlsArguments,

    /// Worker tasks; each owns its share of the rockets [default: number of cores]
    #[arg(long, env = "DOWNLINK_WORKERS", value_name = "N", value_parser = count::<MOST_WORKERS>)]
    workers: Option<NonZeroUsize>,

    /// Threads that serve connections and run the workers [default: the number of
    /// cores, less one for the journal and the network, but at least one]
    #[arg(long, env = "DOWNLINK_THREADS", value_name = "N", value_parser = count::<MOST_THREADS>)]
    threads: Option<NonZeroUsize>,

    /// Directory for what must survive a restart, created if absent; unused with
    /// --durability memory
    #[arg(long, env = "DOWNLINK_DATA_DIR", value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,

    /// What an acknowledged message survives
    #[arg(long, env = "DOWNLINK_DURABILITY", value_enum, ignore_case = true, default_value_t = Durability::Fsync)]
    durability: Durability,

    /// Longest time that a commit waits for more senders, so that they share it;
    /// 0 turns that off
    #[arg(long, env = "DOWNLINK_COMMIT_DELAY", value_name = "TIME", default_value = "500us", value_parser = time_or_zero)]
    commit_delay: Duration,

    /// Messages after which the fleet is stored and the journal trimmed; a restart
    /// replays no more than some two times as many
    #[arg(
        long,
        env = "DOWNLINK_CHECKPOINT_MESSAGES",
        value_name = "MESSAGES",
        default_value = "1000000",
        value_parser = count::<MOST_IN_THE_JOURNAL>
    )]
    checkpoint_messages: NonZeroUsize,

    /// Time after which the same happens, if any message came
    #[arg(long, env = "DOWNLINK_CHECKPOINT_INTERVAL", value_name = "TIME", default_value = "60s", value_parser = time)]
    checkpoint_interval: Duration,

    /// Messages that may wait for one worker; beyond it they are refused with 503
    #[arg(long, env = "DOWNLINK_INBOX_CAPACITY", value_name = "MESSAGES", default_value = "65536", value_parser = count::<MOST_IN_AN_INBOX>)]
    inbox_capacity: NonZeroUsize,

    /// Memory to stay within, however large rockets and messages are; connections
    /// come on top. --max-rockets, --max-buffered, --history-memory,
    /// --max-body-bytes-held and --max-answer-bytes-held follow from it where they are not given
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_MEMORY_LIMIT", value_name = "SIZE", value_parser = memory)]
    memory_limit: Option<usize>,

    /// Messages of one rocket that may wait for an earlier one; beyond it 429
    #[arg(
        long,
        env = "DOWNLINK_MAX_BUFFERED_PER_ROCKET",
        value_name = "MESSAGES",
        default_value = "10000",
        value_parser = count::<MOST_BUFFERED_PER_ROCKET>
    )]
    max_buffered_per_rocket: NonZeroUsize,

    /// Messages of all rockets that may wait for an earlier one; beyond it 429
    ///
    /// [default: 10000000, or what fits into --memory-limit]
    #[arg(long, env = "DOWNLINK_MAX_BUFFERED", value_name = "MESSAGES", value_parser = count::<MOST_BUFFERED>)]
    max_buffered: Option<NonZeroUsize>,

    /// Rockets in the fleet; beyond it messages of new ones are refused with 503
    ///
    /// [default: 10000000, or what fits into --memory-limit]
    #[arg(long, env = "DOWNLINK_MAX_ROCKETS", value_name = "ROCKETS", value_parser = count::<MOST_ROCKETS>)]
    max_rockets: Option<NonZeroUsize>,

    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    gaps: GapArguments,

    #[command(flatten)]
    history: HistoryArguments,

    /// Connections served at once; further ones wait
    #[arg(long, env = "DOWNLINK_MAX_CONNECTIONS", value_name = "N", default_value = "16384", value_parser = count::<MOST_CONNECTIONS>)]
    max_connections: NonZeroUsize,

    #[command(flatten)]
    of_one_client: FairnessArguments,

    /// Largest body of one message, in bytes or with a unit; beyond it 413
    #[arg(long, env = "DOWNLINK_MAX_BODY", value_name = "SIZE", default_value = "64KiB", value_parser = size::<LARGEST_BODY>)]
    max_body: usize,

    /// Largest body of many messages, one a line or an array of them; beyond it 413
    #[arg(long, env = "DOWNLINK_MAX_BULK_BODY", value_name = "SIZE", default_value = "16MiB", value_parser = size::<LARGEST_BULK_BODY>)]
    max_bulk_body: usize,

    /// Time for a request's answer to be found once its body is there, beyond it
    /// 503; for the body to begin, and of silence in it, beyond it 408
    #[arg(long, env = "DOWNLINK_REQUEST_TIMEOUT", value_name = "TIME", default_value = "5s", value_parser = time)]
    request_timeout: Duration,

    /// Least bytes a second of a body, once it has used up --request-timeout;
    /// below it 408
    #[arg(long, env = "DOWNLINK_MIN_BODY_RATE", value_name = "SIZE", default_value = "1KiB", value_parser = size::<FASTEST>)]
    min_body_rate: usize,

    /// Bytes that all bodies hold together which are not all there; beyond it 503
    ///
    /// [default: 256MiB, or a sixteenth of --memory-limit]
    #[arg(long, env = "DOWNLINK_MAX_BODY_BYTES_HELD", value_name = "SIZE", value_parser = size::<MOST_HELD>)]
    max_body_bytes_held: Option<usize>,

    /// Bytes that all answers hold together which are not read yet; beyond it 503
    ///
    /// [default: 256MiB, or a sixteenth of --memory-limit]
    #[arg(long, env = "DOWNLINK_MAX_ANSWER_BYTES_HELD", value_name = "SIZE", value_parser = size::<MOST_HELD>)]
    max_answer_bytes_held: Option<usize>,

    /// Time for a request's head to arrive, a kept-alive connection to be used
    /// again, and a stalled reader to take more; beyond it the connection closes
    #[arg(long, env = "DOWNLINK_IDLE_TIMEOUT", value_name = "TIME", default_value = "75s", value_parser = time)]
    idle_timeout: Duration,

    #[command(flatten)]
    events: EventArguments,

    #[command(flatten)]
    drain: DrainArguments,

    /// Time to finish what is in flight when told to stop
    #[arg(long, env = "DOWNLINK_SHUTDOWN_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = time)]
    shutdown_timeout: Duration,

    /// Form of the log lines on standard error
    #[arg(long, env = "DOWNLINK_LOG_FORMAT", value_enum, ignore_case = true, default_value_t = LogFormat::Text)]
    log_format: LogFormat,

    /// Which log lines are written: a level, or levels for each target
    #[arg(long, env = "DOWNLINK_LOG", value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    log: String,
}

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where what was not typed was looked up.
    pub file: Option<PathBuf>,
    /// Where to serve; port 0 lets the system choose one.
    pub listen: Vec<Address>,
    /// Where operators are served; nowhere else if it is empty.
    pub admin_listen: Vec<Address>,
    /// Who started it, and wants to know how it is.
    pub manager: Manager,
    /// Of the files of Unix sockets.
    pub unix_mode: u32,
    /// Who may ask for what.
    pub access: Access,
    /// What is spoken on TCP addresses; plain HTTP without.
    pub tls: Option<TlsFiles>,
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
    /// Of which cluster it is a node, if it is one.
    pub cluster: Option<ClusterConfig>,
    /// The longest that a commit waits for more senders; zero for not at all.
    pub commit_delay: Duration,
    /// When rockets are stored and the journal is trimmed.
    pub checkpoints: Interval,
    /// How long a message is waited for; `None` for as long as it takes.
    pub gap_timeout: Option<Duration>,
    /// What becomes of rockets that are not wanted any more.
    pub retention: Policy,
    /// Messages, for each worker.
    pub inbox_capacity: usize,
    /// What the fleet may hold.
    pub limits: Limits,
    /// What a client may do.
    pub http: HttpConfig,
    /// Served on for so long when told to stop, unready.
    pub drain_delay: Duration,
    /// From being told to stop to ending with what is finished by then.
    pub shutdown_timeout: Duration,
    /// How a log line is written.
    pub log_format: LogFormat,
    /// In the syntax of `tracing_subscriber::EnvFilter`.
    pub log: String,
}

impl Config {
    /// The runtime that it asks for, and all tuning that depends on it.
    #[must_use]
    pub fn threading(&self) -> Threading {
        Threading::of(self.threads)
    }

    /// Reads a command line, its first word being the program's name, and the
    /// environment.
    ///
    /// # Errors
    /// As clap has them, `--help` and `--version` among them; and when a file with
    /// tokens is not as it should be.
    pub fn parse(
        line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let line: Vec<OsString> = line.into_iter().map(Into::into).collect();
        Self::read(&Arguments::command(), &line).map(|(config, ..)| config)
    }

    /// As [`Config::parse`], of a command that has these arguments among its `flags`.
    fn read(
        flags: &Command,
        line: &[OsString],
    ) -> Result<(Self, ArgMatches, Sources), clap::Error> {
        let (matches, sources) = sources::read(flags, flags, line)?;
        let arguments = Arguments::from_arg_matches(&matches)?;
        arguments.tls.check()?;
        Ok((arguments.validate()?, matches, sources))
    }
}

impl Arguments {
    fn validate(self) -> Result<Config, clap::Error> {
        let bounds = Bounds::within(self.memory_limit);
        Ok(Config {
            file: self.file.config,
            listen: self.listen,
            admin_listen: self.admin.admin_listen,
            manager: Manager::of_the_environment(),
            unix_mode: self.unix_mode,
            access: self.access.open()?,
            tls: self.tls.files(),
            workers: self.workers.unwrap_or_else(cores).get(),
            threads: self.threads.unwrap_or_else(default_threads).get(),
            blocking_threads: cores().get(),
            data_dir: self.data_dir,
            gap_timeout: self.gaps.gap_timeout,
            retention: self.gaps.retention.validate(self.durability)?,
            cluster: self.cluster.validate(self.durability)?,
            durability: self.durability,
            commit_delay: self.commit_delay,
            checkpoints: Interval {
                records: self.checkpoint_messages.get() as u64,
                time: self.checkpoint_interval,
            },
            inbox_capacity: self.inbox_capacity.get(),
            limits: Limits {
                buffered_per_rocket: self.max_buffered_per_rocket.get(),
                buffered: self.max_buffered.map_or(bounds.buffered, NonZeroUsize::get),
                rockets: self.max_rockets.map_or(bounds.rockets, NonZeroUsize::get),
                history: self.history.limits(bounds.history),
            },
            http: HttpConfig {
                max_connections: self.max_connections.get(),
                max_body: self.max_body,
                max_bulk_body: self.max_bulk_body,
                request_timeout: self.request_timeout,
                min_body_rate: self.min_body_rate as u64,
                max_body_bytes_held: self.max_body_bytes_held.unwrap_or(bounds.bodies_held),
                max_answer_bytes_held: self.max_answer_bytes_held.unwrap_or(bounds.answers_held),
                idle_timeout: self.idle_timeout,
                of_one_client: self.of_one_client.validate(),
                events: self.events.validate(),
            },
            drain_delay: self.drain.drain_delay,
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

#[cfg(test)]
mod tests;
