//! Owns what the user is told at the end: the report and the exit code. Does not
//! own the counting (`tally`), the comparing (`verify`) or what is shown on the
//! way (`progress`).

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use humantime::format_duration;
use serde::Serialize;

use crate::config::{Config, What};
use crate::dispatch::Delivered;
use crate::lines::BadLines;
use crate::pace::Pacing;
use crate::plot;
use crate::source::Source;
use crate::tally::{Ending, RunTally};
use crate::timeline::Timeline;
use crate::verify::VerifyOutcome;

/// Why nothing can be said of the rockets of this run.
const HELD_BEFORE: &str = "the service held rockets of this seed before the run began";

/// A finished run, as it is reported. Serializes to what `--json` prints.
#[derive(Debug, Serialize)]
pub struct RunReport {
    pub url: String,
    #[serde(flatten)]
    pub what: Sent,
    /// `complete`, `gave_up`, `interrupted`, `refused` or `broke_off`.
    pub outcome: &'static str,
    /// Distinct messages that the run was to send; of a file, as far as it was read.
    pub messages: u64,
    /// Of those.
    pub acknowledged: u64,
    /// The rest of them.
    pub not_acknowledged: u64,
    /// Of the rest, those that the run did not get to.
    pub never_sent: u64,
    /// Of the rest, those that the server kept refusing.
    pub refused: u64,
    /// The first of the rest that were sent, described.
    pub first_not_acknowledged: Vec<String>,
    /// Second copies handed out, and those not acknowledged.
    pub duplicates: u64,
    pub duplicates_not_acknowledged: u64,
    /// All requests, duplicates and retries included.
    pub requests: u64,
    pub retries: u64,
    pub failed_requests: BTreeMap<String, u64>,
    pub last_failure: Option<String>,
    pub elapsed_seconds: f64,
    /// Acknowledged messages, duplicates included.
    pub throughput_per_second: f64,
    pub latency: Option<Latency>,
    /// None unless asked for.
    pub verify: Option<VerifyOutcome>,
    #[serde(skip)]
    ending: Ending,
    #[serde(skip)]
    json: bool,
    /// What is to be drawn, and where.
    #[serde(skip)]
    plot: Option<(PathBuf, Timeline)>,
}

/// What was sent.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Sent {
    Fleet {
        seed: u64,
        /// Rockets launched.
        rockets: u32,
    },
    File {
        file: String,
        /// Whether it was read to its end.
        read_to_the_end: bool,
        /// Lines that are not JSON or name no channel.
        bad_lines: u64,
        first_bad_lines: Vec<String>,
        /// Why it was not read to its end, if that is the file's fault.
        read_error: Option<String>,
        /// Whether a run with bad lines is good all the same, unless they were sent.
        #[serde(skip)]
        policy: BadLines,
    },
}

/// In microseconds, until the acknowledgement, retries included.
#[derive(Debug, Serialize)]
pub struct Latency {
    /// `send`, or `intended send` with a rate.
    pub from: &'static str,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p99_9_us: u64,
    pub max_us: u64,
}

impl RunReport {
    pub fn new(config: &Config, delivered: Delivered, verify: Option<VerifyOutcome>) -> Self {
        let Delivered { ending, elapsed, mut tally, source } = delivered;
        let never_sent = source.unsent();
        let (messages, what) = sent(config, source);
        let acknowledged_in_all = tally.acknowledged + tally.copies_acknowledged;
        let throughput = acknowledged_in_all as f64 / elapsed.as_secs_f64().max(1e-9);
        Self {
            url: config.urls(),
            what,
            outcome: match ending {
                Ending::Complete => "complete",
                Ending::GaveUp(_) => "gave_up",
                Ending::Interrupted => "interrupted",
                Ending::Refused => "refused",
                Ending::BrokeOff => "broke_off",
            },
            messages,
            acknowledged: tally.acknowledged,
            not_acknowledged: messages - tally.acknowledged,
            never_sent,
            refused: tally.refused,
            latency: latency(config, &tally),
            first_not_acknowledged: tally.examples,
            duplicates: tally.copies,
            duplicates_not_acknowledged: tally.copies - tally.copies_acknowledged,
            requests: tally.requests,
            retries: tally.retries,
            failed_requests: tally.failures,
            last_failure: tally.last_failure,
            elapsed_seconds: elapsed.as_secs_f64(),
            throughput_per_second: throughput,
            verify,
            ending,
            json: config.json,
            plot: config.plot.clone().zip(tally.timeline.take()),
        }
    }

    /// Whether all was acknowledged and nothing differs.
    pub fn is_good(&self) -> bool {
        self.ending == Ending::Complete
            && self.not_acknowledged == 0
            && self.duplicates_not_acknowledged == 0
            && self.skipped() == 0
            && self.verify.as_ref().is_none_or(|verify| verify.passed)
    }

    /// Lines that were skipped and should not have been there.
    fn skipped(&self) -> u64 {
        match &self.what {
            Sent::File { bad_lines, policy: BadLines::Fail, .. } => *bad_lines,
            _ => 0,
        }
    }

    /// Draws the picture and prints the report, and returns how the program ends.
    pub fn finish(&self) -> ExitCode {
        let code = self.print();
        let Some((path, timeline)) = &self.plot else { return code };
        let subject = match &self.what {
            Sent::Fleet { rockets, .. } => format!("{rockets} rockets to {}", self.url),
            Sent::File { file, .. } => format!("{file} to {}", self.url),
        };
        let latency = self.latency.as_ref();
        let from = latency.map_or(String::new(), |it| format!("from {}", it.from));
        let drawn = plot::draw(timeline, &subject, &from, self.elapsed_seconds);
        match std::fs::write(path, drawn) {
            Ok(()) => code,
            Err(error) => {
                let _ = writeln!(io::stderr(), "rockets: --plot {}: {error}", path.display());
                ExitCode::FAILURE
            }
        }
    }

    /// Prints the report on standard output, and on standard error the line
    /// that says what went wrong, if anything did.
    fn print(&self) -> ExitCode {
        let mut out = io::stdout().lock();
        let written = if self.json {
            serde_json::to_writer(&mut out, self)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out))
        } else {
            write!(out, "{self}")
        };
        drop(out);
        // Whoever closed these has heard enough, and the exit code says the rest.
        let say = |text: &str| drop(writeln!(io::stderr(), "rockets: {text}"));
        if let Some(mistake) = self.mistake() {
            say(&mistake);
        }
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                say(&format!("cannot write the report: {error}"));
                ExitCode::FAILURE
            }
            _ if self.is_good() => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }

    /// What went wrong, in a line.
    pub fn mistake(&self) -> Option<String> {
        if self.is_good() {
            return None;
        }
        let lost = self.not_acknowledged + self.duplicates_not_acknowledged;
        if self.ending == Ending::Complete && lost == 0 && self.skipped() > 0 {
            let skipped = self.skipped();
            return Some(format!("{skipped} lines are no messages (see --bad-lines)"));
        }
        if self.ending == Ending::Complete && lost == 0 {
            let verify = self.verify.as_ref()?;
            return Some(match &verify.error {
                Some(error) => format!("not verified: {error}"),
                None if verify.held_before => HELD_BEFORE.to_owned(),
                None => format!("{} differences from what was sent", verify.differences),
            });
        }
        let why = match self.ending {
            Ending::Complete => "refused again and again".to_owned(),
            Ending::GaveUp(bound) => format!("no acknowledgement for {}", format_duration(bound)),
            Ending::Interrupted => {
                return Some(format!(
                    "interrupted: {} of {} messages acknowledged, {} not sent{}",
                    self.acknowledged,
                    self.messages,
                    self.never_sent,
                    self.unread()
                ));
            }
            Ending::BrokeOff => return self.broken(),
            Ending::Refused => "nothing was accepted".to_owned(),
        };
        let failure = match &self.last_failure {
            Some(failure) => format!("; last failure: {failure}"),
            None => String::new(),
        };
        Some(format!(
            "{} of {} messages were not acknowledged: {why}{failure}",
            self.not_acknowledged, self.messages
        ))
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "outcome       {}", self.outcome.replace('_', " "))?;
        self.fmt_sent(f)?;
        for (cause, count) in &self.failed_requests {
            writeln!(f, "  failed      {count} × {cause}")?;
        }
        if let Some(last) = &self.last_failure {
            writeln!(f, "  last        {last}")?;
        }
        writeln!(f, "elapsed       {:.3} s", self.elapsed_seconds)?;
        writeln!(f, "throughput    {:.0} messages/s", self.throughput_per_second)?;
        if let Some(latency) = &self.latency {
            writeln!(
                f,
                "latency       p50 {}, p90 {}, p99 {}, p99.9 {}, max {} (from {})",
                Millis(latency.p50_us),
                Millis(latency.p90_us),
                Millis(latency.p99_us),
                Millis(latency.p99_9_us),
                Millis(latency.max_us),
                latency.from
            )?;
        }
        self.fmt_lost(f)?;
        self.fmt_verify(f)
    }
}

impl RunReport {
    /// What to say of a file that was not read to its end.
    fn unread(&self) -> &'static str {
        match &self.what {
            Sent::File { read_to_the_end: false, .. } => ", and the file was not read to its end",
            _ => "",
        }
    }

    /// What to say of a file that could not be read to its end.
    fn broken(&self) -> Option<String> {
        let Sent::File { file, read_error: Some(error), .. } = &self.what else { return None };
        Some(format!("cannot read {file} {error}"))
    }

    fn fmt_sent(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages      {} acknowledged of {}, ", self.acknowledged, self.messages)?;
        match &self.what {
            Sent::Fleet { rockets, seed } => {
                writeln!(f, "by {rockets} rockets (seed {seed})")?;
                let (duplicates, retries) = (self.duplicates, self.retries);
                writeln!(
                    f,
                    "requests      {}: {duplicates} duplicates, {retries} retries",
                    self.requests
                )
            }
            Sent::File { file, bad_lines, first_bad_lines, policy, .. } => {
                writeln!(f, "of {file}{}", self.unread())?;
                if let Some(broken) = self.broken() {
                    writeln!(f, "broken        {broken}")?;
                }
                if *bad_lines > 0 {
                    let done = if *policy == BadLines::Send { "sent" } else { "skipped" };
                    writeln!(f, "bad lines     {bad_lines}, {done}")?;
                }
                for line in first_bad_lines {
                    writeln!(f, "  {line}")?;
                }
                let more = bad_lines - first_bad_lines.len() as u64;
                if more > 0 {
                    writeln!(f, "  … and {more} more")?;
                }
                writeln!(f, "requests      {}: {} retries", self.requests, self.retries)
            }
        }
    }

    fn fmt_lost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = self.not_acknowledged + self.duplicates_not_acknowledged;
        if lost == 0 {
            return Ok(());
        }
        if self.ending == Ending::Interrupted {
            return writeln!(
                f,
                "not sent      {} messages; tried and not acknowledged: {}",
                self.never_sent,
                lost - self.never_sent
            );
        }
        writeln!(
            f,
            "lost          {} messages and {} duplicates not acknowledged: {} refused, {} never sent",
            self.not_acknowledged, self.duplicates_not_acknowledged, self.refused, self.never_sent
        )?;
        for example in &self.first_not_acknowledged {
            writeln!(f, "  {example}")?;
        }
        Ok(())
    }

    fn fmt_verify(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(verify) = &self.verify else {
            return Ok(());
        };
        if let Some(error) = &verify.error {
            return writeln!(f, "verify        not done: {error}");
        }
        if verify.held_before && !verify.passed {
            return writeln!(
                f,
                "verify        FAILED: {HELD_BEFORE}\n  \
                 start it with a fresh data directory (--data-dir), or give another --seed; \
                 {} rockets compared, {} differences",
                verify.compared, verify.differences
            );
        }
        let verdict = if verify.passed { "passed" } else { "FAILED" };
        writeln!(
            f,
            "verify        {verdict}: {} rockets compared{}, {} differences",
            verify.compared,
            if verify.services > 1 {
                format!(" at {} services", verify.services)
            } else {
                String::new()
            },
            verify.differences
        )?;
        for difference in &verify.first_differences {
            writeln!(f, "  {difference}")?;
        }
        let shown = verify.first_differences.len() as u64;
        if verify.differences > shown {
            writeln!(f, "  … and {} more", verify.differences - shown)?;
        }
        if verify.others > 0 {
            writeln!(f, "  {} listed rockets are of other runs", verify.others)?;
        }
        Ok(())
    }
}

/// How many messages there were to send, and what they were.
fn sent(config: &Config, source: Source) -> (u64, Sent) {
    match (&config.what, source) {
        (What::Fleet(typed), Source::Fleet(fleet)) => {
            let sent = Sent::Fleet { seed: typed.seed, rockets: fleet.0.launched() };
            (u64::from(typed.max_messages), sent)
        }
        (What::File(typed), Source::File(file)) => {
            let sent = Sent::File {
                file: typed.input.name.clone(),
                read_to_the_end: file.was_read() && file.broken.is_none(),
                bad_lines: file.bad,
                first_bad_lines: file.first_bad,
                read_error: file.broken,
                policy: typed.bad_lines,
            };
            (file.taken, sent)
        }
        _ => unreachable!("the source is made of what is typed"),
    }
}

fn latency(config: &Config, tally: &RunTally) -> Option<Latency> {
    let latency = &tally.latency;
    let quantile = |share| latency.value_at_quantile(share);
    (!latency.is_empty()).then(|| Latency {
        from: match config.pacing {
            Pacing::Rate(_) => "intended send",
            Pacing::Unpaced | Pacing::Delay(_) => "send",
        },
        p50_us: quantile(0.5),
        p90_us: quantile(0.9),
        p99_us: quantile(0.99),
        p99_9_us: quantile(0.999),
        max_us: latency.max(),
    })
}

/// Microseconds, shown as milliseconds.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} ms", self.0 / 1000, self.0 % 1000)
    }
}
