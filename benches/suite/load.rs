//! A verified run of the launcher against the release service. Fails if the
//! launcher does, or if the service does not stop cleanly.

use std::io::Result;
use std::process::Command;

use super::programs::{Programs, succeed, target};
use super::servers::{Durability, Server};

/// The launcher's flags, if none are given.
const USUAL: [&str; 4] =
    ["--max-messages=20000", "--concurrency-level=16", "--duplicates=5%", "--shuffle=300"];

#[derive(clap::Args)]
pub struct Arguments {
    /// What the service promises of a message that it acknowledges
    #[arg(long, value_enum, default_value = "memory")]
    durability: Durability,

    /// Flags of `rockets launch`, in place of 20,000 messages with some duplicates and disorder
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAG")]
    launcher: Vec<String>,
}

pub fn run(programs: &Programs, arguments: &Arguments) -> Result<()> {
    let Arguments { durability, launcher } = arguments;
    // Not in /tmp, which may be in memory.
    let scratch = tempfile::tempdir_in(target()?)?;
    let flags = ["--durability", durability.name()];
    let server = Server::service(&programs.service()?, &scratch.path().join("data"), &flags)?;
    let promise = match durability {
        Durability::Memory => "nothing outlives the process",
        Durability::Fsync => "what is acknowledged survives a power cut",
    };
    println!("the service listens on {} with {}: {promise}", server.address, flags.join(" "));
    let mut command = Command::new(programs.launcher()?);
    command.args(["launch", &format!("http://{}/messages", server.address), "--verify"]);
    if launcher.is_empty() {
        command.args(USUAL)
    } else {
        command.args(launcher)
    };
    succeed(&mut command)?;
    println!("the service stopped cleanly; its log:\n{}", server.stop()?);
    Ok(())
}
