//! `downlink check`: whether a start would succeed, without one. Owns what is said
//! of it; does not own what is valid. Nothing is bound, made or written.
//!
//! What is not found out: whether the addresses are free, and whether the directory
//! can be written to.

use std::fmt::{Display, Write};

use super::error::{ToolError, print};
use super::progress::Progress;
use super::words::counted;
use crate::config::sources::{Source, Sources};
use crate::config::{Config, Durability};
use crate::fleet::kept::Kept;
use crate::http::tls::Tls;
use crate::journal::sqlite::DataDirectory;

/// What of the report is aligned.
const WIDTH: usize = 16;

/// Looks at everything, and prints what there is.
///
/// # Errors
/// When the certificates or the data directory are not as they should be.
pub fn run(config: &Config, sources: &Sources) -> Result<(), ToolError> {
    let mut report = Report::default();
    report.line("configuration", given(sources));
    config.access.tokens.warn_of_exposed_files();
    if let Some(files) = config.tls.clone() {
        let certificate = files.cert.display().to_string();
        Tls::load(files)?.tell("certificates");
        report.line("certificate", certificate);
    }
    // What is found of the data is told apart from what is wrong there.
    print(&report.take())?;
    data(config, &mut report)?;
    print(&report.take())
}

fn data(config: &Config, report: &mut Report) -> Result<(), ToolError> {
    if config.durability == Durability::Memory {
        report.line("data directory", "none, with --durability memory");
        return Ok(());
    }
    report.line("data directory", config.data_dir.display());
    print(&report.take())?;
    let directory = DataDirectory::at(&config.data_dir);
    let synced = config.durability == Durability::Fsync;
    let directory = if synced { directory } else { directory.not_synced() };
    let Some(reading) = directory.read()? else {
        report.line("", "nothing is kept there yet");
        return Ok(());
    };
    let progress = Progress::of("rockets read");
    let kept = Kept::read(|sink| reading.recover(sink), |read| progress.show(read.rockets, None))?;
    progress.end();
    match reading.served_by() {
        Some(holder) => report.line("  served", format_args!("by {holder}; this is one moment")),
        None => report.line("  served", "by nobody"),
    }
    let (database, log) = reading.bytes();
    report.line("  tables", format_args!("version {}", reading.version()?));
    report.line("  size", format_args!("{}, and {log} of its log", counted(database, "byte")));
    let (rows, records) = (reading.journal_rows()?, kept.restored.messages);
    report.line(
        "  journal",
        format_args!("{}, with {}", counted(rows, "row"), counted(records, "message")),
    );
    drop(reading);
    let mut counts = Counts::default();
    for rocket in kept.rockets() {
        counts.rockets += 1;
        if let Some(flight) = &rocket.flight {
            counts.launched += 1;
            counts.exploded += u64::from(flight.explosion_reason.is_some());
        }
        counts.waiting += u64::from(!rocket.buffered.is_empty());
        counts.buffered += rocket.buffered.len() as u64;
        counts.lost += rocket.lost.count();
    }
    let Counts { rockets, launched, exploded, waiting, buffered, lost } = counts;
    let silent = rockets - launched;
    report.line(
        "  rockets",
        format_args!(
            "{rockets}: {launched} launched, {exploded} of {} exploded; {silent} not launched",
            if launched == 1 { "it" } else { "them" }
        ),
    );
    report.line(
        "  waiting",
        format_args!("{}, with {}", counted(waiting, "rocket"), counted(buffered, "message")),
    );
    report.line("  lost", counted(lost, "message"));
    Ok(())
}

#[derive(Default)]
struct Counts {
    rockets: u64,
    launched: u64,
    exploded: u64,
    waiting: u64,
    buffered: u64,
    lost: u64,
}

/// How many values come from where.
fn given(sources: &Sources) -> String {
    let count = |wanted: fn(&Source) -> bool| sources.values().filter(|it| wanted(it)).count();
    let flags = count(|source| *source == Source::Flag);
    let variables = count(|source| matches!(source, Source::Variable(_)));
    let keys = count(|source| matches!(source, Source::File(..)));
    format!("valid (given by flags: {flags}, by variables: {variables}, by the file: {keys})")
}

/// Lines with what they are about in front.
#[derive(Default)]
struct Report(String);

impl Report {
    fn line(&mut self, about: &str, text: impl Display) {
        writeln!(self.0, "{about:<WIDTH$}{text}").expect("a String takes all");
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}
