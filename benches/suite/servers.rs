//! Servers under measurement, as child processes: starts them on free ports,
//! waits until they can be used, stops or kills them. Does not own which are
//! compared.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Error, Read, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::programs::succeed;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the service promises of a message that it acknowledges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Durability {
    /// Nothing outlives the process
    Memory,
    /// It survives a power cut
    Fsync,
}

impl Durability {
    /// As it is spelled on the service's command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Fsync => "fsync",
        }
    }
}

/// When a line was logged, and the line.
type Log = Arc<Mutex<Vec<(Instant, String)>>>;

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    log: Log,
    readers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts the service on a free port and waits until it is ready.
    pub fn service(binary: &Path, data: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary);
        command.arg("--data-dir").arg(data).args(arguments);
        let server = Self::on_free_port(command)?;
        server.wait_for(": ready ")?;
        Ok(server)
    }

    /// Starts a program that takes `--listen` and logs `listening address=…`.
    pub fn on_free_port(mut command: Command) -> Result<Self> {
        command.args(["--listen", "127.0.0.1:0"]);
        let mut server = Self::start(command, SocketAddr::from(([0; 4], 0)))?;
        // It may listen on sockets of other kinds, too.
        let (_, listening) = server.wait_for("listening address=127.")?;
        server.address = listening
            .split_once("listening address=")
            .and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok())
            .ok_or_else(|| Error::other(format!("no address in {listening:?}")))?;
        Ok(server)
    }

    /// Starts a program and keeps what it prints.
    pub fn start(mut command: Command, address: SocketAddr) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Error::other(format!("{}: {error}", command.get_program().display()))
            })?;
        let log = Log::default();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as _),
            child.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        let read = |pipe: Box<dyn Read + Send>| {
            let log = log.clone();
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    log.lock().expect("no reader panics").push((Instant::now(), line));
                }
            })
        };
        let readers = outputs.into_iter().flatten().map(read).collect();
        Ok(Self { child, address, log, readers })
    }

    /// The first line of the log that contains `text`, once there is one.
    pub fn wait_for(&self, text: &str) -> Result<(Instant, String)> {
        let begun = Instant::now();
        loop {
            // Asked before the log is looked at, which then is all there will be.
            let over = self.readers.iter().all(JoinHandle::is_finished);
            let log = self.log.lock().expect("no writer panics");
            if let Some(found) = log.iter().find(|(_, line)| line.contains(text)) {
                return Ok(found.clone());
            }
            drop(log);
            if over || begun.elapsed() > PATIENCE {
                return Err(self.error(&format!("the server never logged {text:?}")));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// What went wrong, and what the server said until then.
    pub fn error(&self, what: &str) -> Error {
        Error::other(format!("{what}; its log:\n{}", self.log()))
    }

    pub fn log(&self) -> String {
        let mut text = String::new();
        for (_, line) in self.log.lock().expect("no writer panics").iter() {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// Bytes in memory.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = kilobytes.and_then(|text| text.split_whitespace().next()?.parse().ok());
        kilobytes.map(|kb: u64| kb * 1024).ok_or_else(|| Error::other("no VmRSS"))
    }

    /// What it has taken of processors since its start, in milliseconds.
    pub fn processor(&self) -> Result<u64> {
        times(self.child.id(), 2)
    }

    /// The same of it and of all processes that it started, also those that have ended.
    pub fn processor_of_all(&self) -> Result<u64> {
        let own = self.child.id();
        let mut all = times(own, 4)?;
        for entry in std::fs::read_dir("/proc")? {
            let Some(process) = entry?.file_name().to_str().and_then(|name| name.parse().ok())
            else {
                continue;
            };
            // Gone by now, perhaps, and then among the times of who started it.
            let Ok(stat) = stat(process) else { continue };
            if stat.split_whitespace().nth(1) == Some(&own.to_string()) {
                all += times(process, 4).unwrap_or(0);
            }
        }
        Ok(all)
    }

    /// Files and sockets that it has open.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// Sends a signal by its name, without `SIG`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let kill = format!("kill -{name} {}", self.child.id());
        succeed(Command::new("sh").args(["-c", &kill]))
    }

    /// Stops it as an operator would; fails if it does not end well. Returns its
    /// log.
    pub fn stop(mut self) -> Result<String> {
        self.signal("TERM")?;
        let status = self.child.wait()?;
        for reader in self.readers.drain(..) {
            reader.join().expect("no reader panics");
        }
        if status.success() {
            return Ok(self.log());
        }
        Err(self.error(&format!("the server ended with {status}")))
    }

    /// Kills it as a power cut would, but for the page cache.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

/// What the system says of a process, behind its name, which may have blanks.
fn stat(process: u32) -> Result<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned());
    rest.ok_or_else(|| Error::other("no name"))
}

/// So many of the times of a process, in milliseconds: user and system, and then those
/// of the processes that it started and that have ended.
fn times(process: u32, so_many: usize) -> Result<u64> {
    let stat = stat(process)?;
    let hundredths = stat.split_whitespace().skip(11).take(so_many);
    let sum = hundredths.map(|it| it.parse::<u64>().ok()).sum::<Option<u64>>();
    sum.map(|it| it * 10).ok_or_else(|| Error::other("no times"))
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone before, perhaps.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
