//! Measures what one message a request does not show: many messages in a
//! request, a million rockets, many idle connections, checkpoints, restarts.
//! Starts the release service as often as it needs to, and talks to it over
//! blocking sockets with messages prepared beforehand.
//!
//!     scale SERVICE DIRECTORY [PART…]
//!
//! DIRECTORY gets `figures.tsv`; the table goes to standard output. Ratios are medians of rounds in
//! which everything that is compared ran in turn.

mod http;
mod load;
mod parts;
mod service;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Parser;

#[derive(Parser)]
struct Arguments {
    /// The release binary of the service
    service: PathBuf,
    /// Where results and data directories go
    directory: PathBuf,
    /// What to measure [default: everything]
    parts: Vec<String>,
}

/// Something measured, beside what was wanted.
pub struct Figure {
    pub what: &'static str,
    pub value: f64,
    pub unit: &'static str,
    /// The bound that was set, with its direction.
    pub wanted: &'static str,
    /// What the figure was made from.
    pub raw: String,
}

fn main() -> std::io::Result<()> {
    let Arguments { service, directory, parts } = Arguments::parse();
    std::fs::create_dir_all(&directory)?;
    let bench = parts::Bench { service, data: directory.join("data") };
    let mut figures_file = "what\tvalue\tunit\twanted\traw\n".to_owned();
    let mut table = "| what | measured | wanted |\n|---|---|---|\n".to_owned();
    for (name, part) in parts::ALL {
        if !parts.is_empty() && !parts.iter().any(|part| part == name) {
            continue;
        }
        eprintln!("{name} …");
        let figures = part(&bench)?;
        // What it left, even when it failed halfway the last time.
        let _ = std::fs::remove_dir_all(&bench.data);
        for Figure { what, value, unit, wanted, raw } in figures {
            eprintln!("  {what}: {value:.2} {unit} (wanted: {wanted}; {raw})");
            let _ = writeln!(figures_file, "{what}\t{value:.3}\t{unit}\t{wanted}\t{raw}");
            let _ = writeln!(table, "| {what} | {value:.2} {unit} | {wanted} |");
        }
    }
    std::fs::write(directory.join("figures.tsv"), figures_file)?;
    print!("{table}");
    Ok(())
}
