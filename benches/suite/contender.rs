//! What takes part in a comparison, and how one round of it is measured. Does not
//! own the order of rounds.

use std::io::{Error, Result};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use clap::ValueEnum;
use serde_json::Value;

use super::client::{Client, Tally};
use super::http::Connection;
use super::programs::{self, Programs};
use super::redis;
use super::servers::{Durability, Server};
use super::tls::Certificate;

/// Servers that can be asked for by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Name {
    /// A bare warp handler on the service's accept loop, with as many threads (benches/floor.rs)
    Floor,
    /// The same with a thread for every core
    FloorAll,
    /// The service with --durability memory
    Memory,
    /// The service with --durability fsync
    Fsync,
    /// The service with --durability memory and TLS
    MemoryTls,
    /// The service with --durability fsync and TLS
    FsyncTls,
    /// XADD of 48 bytes with appendfsync always, by redis-benchmark
    Redis,
}

pub struct Contender {
    pub name: String,
    program: Program,
}

enum Program {
    Floor { binary: PathBuf, threads: Option<usize> },
    Service { binary: PathBuf, durability: Durability, with_tls: bool },
    Redis,
}

impl Contender {
    pub fn new(programs: &Programs, name: Name) -> Result<Self> {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        let floor = |threads| Ok(Program::Floor { binary: programs.floor()?, threads });
        let service = |durability, with_tls| {
            Ok(Program::Service { binary: programs.service()?, durability, with_tls })
        };
        let program = match name {
            Name::Floor => floor(None),
            Name::FloorAll => floor(Some(cores)),
            Name::Memory => service(Durability::Memory, false),
            Name::Fsync => service(Durability::Fsync, false),
            Name::MemoryTls => service(Durability::Memory, true),
            Name::FsyncTls => service(Durability::Fsync, true),
            Name::Redis => programs::need(&programs::REDIS).map(|()| Program::Redis),
        }?;
        let name = name.to_possible_value().expect("no name is skipped").get_name().to_owned();
        Ok(Self { name, program })
    }

    /// A service of another name or commit.
    pub fn service(name: &str, binary: PathBuf, durability: Durability) -> Self {
        let program = Program::Service { binary, durability, with_tls: false };
        Self { name: name.to_owned(), program }
    }

    /// For environment.txt.
    pub fn line(&self) -> Result<String> {
        let program = match &self.program {
            Program::Floor { threads: None, .. } => "examples/floor".to_owned(),
            Program::Floor { threads: Some(threads), .. } => {
                format!("examples/floor --threads {threads}")
            }
            Program::Service { durability, with_tls, .. } => {
                let tls =
                    if *with_tls { " --tls-cert … --tls-key … (ECDSA P-256)" } else { "" };
                format!("downlink --durability {}{tls}", durability.name())
            }
            Program::Redis => return redis::line(),
        };
        Ok(format!("{program}, started anew for every round with a data directory of its own"))
    }

    /// Measures it once, from its start to its end; returns what the client
    /// printed and what that says.
    pub fn round(
        &self,
        programs: &Programs,
        client: Client,
        scratch: &Path,
        connections: usize,
        seconds: f64,
    ) -> Result<(String, Tally)> {
        let data = scratch.join(&self.name);
        let certificate = match self.program {
            Program::Service { with_tls: true, .. } => Some(Certificate::put_into(scratch)?),
            _ => None,
        };
        let server = self.start(&data, certificate.as_ref())?;
        let ca_file = certificate.as_ref().map(|it| it.cert.as_path());
        let result = if matches!(self.program, Program::Redis) {
            redis::round(server.address, connections, seconds)
        } else {
            let output =
                client.send(programs, scratch, (server.address, ca_file), connections, seconds);
            output.and_then(|output| Ok((output.clone(), Tally::parse(&output)?)))
        };
        let (output, tally) = result.map_err(|error| {
            server.error(&format!("{}, {connections} connections: {error}", self.name))
        })?;
        if matches!(self.program, Program::Service { .. }) {
            let taken = taken_in(&server, ca_file)?;
            if taken < tally.requests {
                return Err(server.error(&format!(
                    "{} messages were answered, and only {taken} taken in",
                    tally.requests
                )));
            }
        }
        server.stop()?;
        if data.exists() {
            std::fs::remove_dir_all(data)?;
        }
        Ok((output, tally))
    }

    fn start(&self, data: &Path, certificate: Option<&Certificate>) -> Result<Server> {
        match &self.program {
            Program::Floor { binary, threads } => {
                let mut command = Command::new(binary);
                if let Some(threads) = threads {
                    command.args(["--threads", &threads.to_string()]);
                }
                Server::on_free_port(command)
            }
            Program::Service { binary, durability, .. } => {
                let flags = certificate.into_iter().flat_map(Certificate::flags);
                let durability = format!("--durability={}", durability.name());
                let flags: Vec<_> = flags.chain([durability]).collect();
                let flags: Vec<_> = flags.iter().map(String::as_str).collect();
                Server::service(binary, data, &flags)
            }
            Program::Redis => redis::start(data),
        }
    }
}

/// How many messages the service has taken in, by what it says of its rockets.
fn taken_in(server: &Server, ca_file: Option<&Path>) -> Result<u64> {
    let mut connection = match ca_file {
        None => Connection::open(server.address)?,
        Some(file) => Connection::open_trusting(server.address, file)?,
    };
    let rockets = connection.read("/rockets")?;
    let rockets = serde_json::from_slice(&rockets).map_err(Error::other)?;
    Ok(messages(&rockets))
}

/// Wherever they stand: other commits may have another listing.
fn messages(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match name.as_str() {
                "last_message_number" | "buffered_messages" => value.as_u64().unwrap_or(0),
                _ => messages(value),
            })
            .sum(),
        Value::Array(values) => values.iter().map(messages).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn applied_and_buffered_messages_of_all_rockets_are_counted() {
        let rockets = json!({"rockets": [
            {"channel": "a", "speed": 500, "last_message_number": 7, "buffered_messages": 2},
            {"channel": "b", "speed": 900, "last_message_number": 3, "buffered_messages": 0},
        ]});
        assert_eq!(messages(&rockets), 12);
        assert_eq!(messages(&rockets["rockets"]), 12);
    }
}
