//! A service with TLS beside the same without: its certificate, and what is wanted
//! of the ratio. Does not own the rounds (`compare`).

use std::io::{Error, Result};
use std::path::{Path, PathBuf};

use super::client::Client;
use super::compare::{self, Comparison, Pace};
use super::contender::{Contender, Name};
use super::programs::Programs;
use super::{all, table};

/// Each beside its other: what is compared runs one right after the other.
pub const SERVERS: [Name; 4] = [Name::Memory, Name::MemoryTls, Name::Fsync, Name::FsyncTls];

#[derive(clap::Args)]
pub struct Arguments {
    /// Gets the raw data and table.md
    directory: PathBuf,

    /// Numbers of connections, each with one message on its way
    #[arg(long, value_delimiter = ',', value_name = "N,…", default_value = "64")]
    connections: Vec<usize>,

    #[command(flatten)]
    pace: Pace,
}

pub fn run(programs: &Programs, arguments: Arguments) -> Result<()> {
    let Arguments { directory, connections, pace } = arguments;
    let contenders = SERVERS.iter().map(|&name| Contender::new(programs, name));
    let contenders = contenders.collect::<Result<_>>()?;
    let comparison = Comparison { contenders, connections, client: Client::Post, pace };
    let rounds = comparison.measure(programs, &directory, &[])?;
    let wanted = table::wanted(&all::ratios(&[(Client::Post, rounds)]));
    std::fs::write(directory.join(compare::WANTED), &wanted)?;
    println!("\n{wanted}");
    Ok(())
}

/// A certificate that vouches for itself, and its key.
pub struct Certificate {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// That in a directory, whether it is there yet or not.
    pub fn within(directory: &Path) -> Self {
        Self { cert: directory.join("cert.pem"), key: directory.join("key.pem") }
    }

    /// Puts a new one, of the usual kind (ECDSA, P-256), into a directory.
    pub fn put_into(directory: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.map_err(Error::other)?;
        let files = Self::within(directory);
        std::fs::write(&files.cert, made.cert.pem())?;
        std::fs::write(&files.key, made.signing_key.serialize_pem())?;
        Ok(files)
    }

    /// For the service's command line.
    pub fn flags(&self) -> [String; 2] {
        let Self { cert, key } = self;
        [format!("--tls-cert={}", cert.display()), format!("--tls-key={}", key.display())]
    }
}
