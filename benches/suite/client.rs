//! What sends the messages of a round, one a request over kept connections, and
//! says how it went. Owns the choice of the client and its line of results.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use clap::ValueEnum;

use super::programs::{self, Programs};
use super::wrk;

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Client {
    /// Of this repository (benches/post.rs): takes little of the machine from the servers
    Post,
    /// Well known; runs a script for each request and needs more than the service does
    Wrk,
}

/// What came of a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tally {
    pub requests: u64,
    pub micros: u64,
    pub p50_us: u64,
    pub p99_us: u64,
}

impl Client {
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Wrk => "wrk",
        }
    }

    pub fn need(self) -> Result<()> {
        match self {
            Self::Post => Ok(()),
            Self::Wrk => programs::need(&[programs::WRK]),
        }
    }

    /// Its command line, for people.
    pub fn line(self, seconds: f64) -> String {
        match self {
            Self::Post => {
                format!("examples/post ADDRESS --connections CONNECTIONS --seconds {seconds}")
            }
            Self::Wrk => format!("wrk {}", wrk::arguments("CONNECTIONS", seconds, "ADDRESS")),
        }
    }

    /// Sends messages to an empty server for so long; returns what it printed.
    pub fn send(
        self,
        programs: &Programs,
        scratch: &Path,
        (address, ca_file): (SocketAddr, Option<&Path>),
        connections: usize,
        seconds: f64,
    ) -> Result<String> {
        let mut command = match self {
            Self::Post => {
                let mut command = Command::new(programs.client()?);
                command.arg(address.to_string());
                command.args(["--connections", &connections.to_string()]);
                command.args(["--seconds", &seconds.to_string()]);
                command.args(ca_file.map(|file| format!("--ca-file={}", file.display())));
                command
            }
            Self::Wrk if ca_file.is_some() => return Err(Error::other("with TLS only by post")),
            Self::Wrk => wrk::command(scratch, address, connections, seconds)?,
        };
        programs::output(&mut command)
    }
}

impl Tally {
    /// Out of what a client printed; an error if a request failed.
    pub fn parse(output: &str) -> Result<Self> {
        let line = output.lines().find_map(|line| line.strip_prefix("RESULT "));
        let numbers: Option<Vec<u64>> =
            line.and_then(|line| line.split(' ').map(|number| number.parse().ok()).collect());
        let Some(&[requests, micros, refused, unanswered, p50_us, p99_us]) = numbers.as_deref()
        else {
            return Err(Error::other(format!("no result in {output:?}")));
        };
        if refused + unanswered > 0 {
            return Err(Error::other(format!(
                "{refused} answers were not 2xx, {unanswered} requests failed"
            )));
        }
        Ok(Self { requests, micros, p50_us, p99_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read_and_failures_are_errors() {
        let tally = Tally::parse("Running\nRESULT 28823 2001323 0 0 65 119\n").unwrap();
        assert_eq!(tally, Tally { requests: 28_823, micros: 2_001_323, p50_us: 65, p99_us: 119 });
        for bad in ["", "RESULT 1 2 3", "RESULT 1 2 1 0 3 4", "RESULT 1 2 0 1 3 4", "RESULT a"] {
            Tally::parse(bad).unwrap_err();
        }
    }
}
