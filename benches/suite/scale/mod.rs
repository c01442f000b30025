//! What one message a request does not show: many messages in a request, a
//! million rockets, many idle connections and many at once, checkpoints, restarts. Starts the
//! service as often as it needs to, and talks to it over blocking sockets with
//! messages prepared beforehand. Ratios are medians of rounds in which everything
//! that is compared ran in turn.

pub mod bulk;
mod crowd;
mod gaps;
mod listings;
pub mod load;
mod on_schedule;
pub mod parts;
mod subscribers;
mod tails;

use std::io::{Error, Result};
use std::path::{Path, PathBuf};

use super::programs::Programs;
use super::table::{self, Figure};

#[derive(clap::Args)]
pub struct Arguments {
    /// Gets figures.tsv
    directory: PathBuf,

    /// disk, bulk, fleet, gaps, listings, subscribers, tails, idle, reconnecting, checkpoint or restart [default: all]
    #[arg(value_name = "PART")]
    parts: Vec<String>,
}

pub fn run(programs: &Programs, Arguments { directory, parts }: Arguments) -> Result<()> {
    let figures = measure(programs, &directory, &parts)?;
    println!("\n{}", table::wanted(&figures));
    Ok(())
}

/// Measures these parts, or all if none are named.
pub fn measure(programs: &Programs, directory: &Path, parts: &[String]) -> Result<Vec<Figure>> {
    let crowd: (_, parts::Part) = ("reconnecting", crowd::reconnecting);
    let all = [&parts::ALL[..], &[crowd]].concat();
    if let Some(part) = parts.iter().find(|part| all.iter().all(|(name, _)| name != part)) {
        return Err(Error::other(format!("there is no part {part}")));
    }
    std::fs::create_dir_all(directory)?;
    let bench = parts::Bench { service: programs.service()?, data: directory.join("data") };
    let mut figures = Vec::new();
    for (name, part) in all {
        if !parts.is_empty() && !parts.iter().any(|part| part == name) {
            continue;
        }
        eprintln!("{name} …");
        let measured = part(&bench)?;
        // What it left, even when it failed halfway the last time.
        let _ = std::fs::remove_dir_all(&bench.data);
        for Figure { what, value, unit, wanted, raw } in &measured {
            eprintln!("  {what}: {value:.2} {unit} (wanted: {wanted}; {raw})");
        }
        figures.extend(measured);
    }
    std::fs::write(directory.join("figures.tsv"), table::tsv(&figures))?;
    Ok(figures)
}
