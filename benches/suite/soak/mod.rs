//! A long life of the service in a short time: who talks to it ([`clients`]),
//! what they sent and what must come of it ([`fleet`]), what is measured
//! ([`samples`]), and whether that is flat ([`verdict`]).
//!
//! The first half has restarts, clean and by kill -9 in turn, and reloads. The
//! second half is one life, over which is judged. Owns the order of events.

mod chart;
mod clients;
mod fleet;
mod samples;
mod site;
mod verdict;

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::environment;
use super::programs::{Programs, target};
use fleet::Share;
use samples::Samples;
use site::Site;

/// Restarts in the first half, if there is time for them.
const RESTARTS: u32 = 8;

/// A life shorter than that is over before anything happens in it.
const SHORTEST_LIFE: Duration = Duration::from_millis(1500);

/// For descriptors to be closed once all clients are gone.
const CLOSING: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub struct Arguments {
    /// How long, as in 20s, 10m, 1h
    #[arg(default_value = "10m", value_parser = humantime::parse_duration)]
    time: Duration,

    /// Gets soak.csv, soak.svg and soak.txt [default: soak/ in Cargo's target directory]
    #[arg(long)]
    directory: Option<PathBuf>,

    /// Rockets, whose number stays the same: later messages go on with them
    #[arg(long, default_value_t = 20_000)]
    rockets: u32,

    /// Single messages a second; in bulk ten times as many are sent
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
}

pub fn run(programs: &Programs, arguments: &Arguments) -> Result<()> {
    let Arguments { time, directory, rockets, rate } = arguments;
    let directory = match directory {
        Some(directory) => directory.clone(),
        None => target()?.join("soak"),
    };
    std::fs::create_dir_all(&directory)?;
    let scratch = tempfile::tempdir_in(target()?)?;
    println!("{time:?} with {rockets} rockets; results go to {}", directory.display());
    let site = Site::start(programs.service()?, scratch.path())?;
    let begun = Instant::now();
    let mut samples = Samples::default();
    let (shares, base) = thread::scope(|scope| {
        let clients = clients::start(scope, &site, *rockets, *rate);
        let sampling = scope.spawn(|| samples.take(&site, begun));
        let lived = live(&site, *time, begun);
        site.end();
        let shares: Vec<Share> = clients
            .into_iter()
            .filter_map(|client| client.join().expect("a client panicked"))
            .collect();
        sampling.join().expect("sampling panicked");
        lived.map(|base| (shares, base))
    })?;
    let after = descriptors_at_rest(&site, base)?;
    let mut shares = shares;
    site.verify(&mut shares, "at the end")?;
    site.kill_and_start()?;
    site.verify(&mut shares, "after another kill -9")?;
    let judged = verdict::judge(&samples.of_the_last_life(), base, after);
    let mut faults = site.faults();
    faults.extend(judged.iter().filter(|it| !it.well).map(|it| it.text.clone()));
    let mut report = format!("{}{}\n", environment::describe()?, site.summary());
    for line in judged.iter().map(|it| &it.text).chain(&site.faults()) {
        report.push_str(line);
        report.push('\n');
    }
    std::fs::write(directory.join("soak.csv"), samples.csv())?;
    std::fs::write(directory.join("soak.txt"), &report)?;
    chart::draw(&samples, &directory.join("soak.svg"))?;
    println!("{report}");
    site.stop()?;
    if faults.is_empty() {
        println!("flat, and nothing lost; see {}", directory.join("soak.svg").display());
        return Ok(());
    }
    Err(Error::other(faults.join("\n")))
}

/// Restarts and reloads until the time is over; returns the descriptors with
/// which the last life began.
fn live(site: &Site, time: Duration, begun: Instant) -> Result<usize> {
    let half = time / 2;
    let life = (half / RESTARTS).max(SHORTEST_LIFE);
    let mut clean = true;
    while begun.elapsed() + life <= half {
        thread::sleep(life / 2);
        site.reload()?;
        thread::sleep(life / 2);
        if clean {
            site.stop_and_start()?;
        } else {
            site.kill_and_start()?;
        }
        clean = !clean;
    }
    let base = site.base();
    let reloads = (time / 20).max(SHORTEST_LIFE);
    let mut told = Instant::now();
    while begun.elapsed() < time {
        thread::sleep(reloads.min(time.saturating_sub(begun.elapsed())));
        site.reload()?;
        if told.elapsed() >= Duration::from_secs(20) {
            told = Instant::now();
            println!("{:>6.0} s: {}", begun.elapsed().as_secs_f64(), site.summary());
        }
    }
    Ok(base)
}

fn descriptors_at_rest(site: &Site, base: usize) -> Result<usize> {
    let begun = Instant::now();
    loop {
        let open = site.descriptors()?;
        if open <= base + verdict::MORE_DESCRIPTORS || begun.elapsed() > CLOSING {
            return Ok(open);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Where the data is.
fn data(scratch: &Path) -> PathBuf {
    scratch.join("data")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that a soak works, with every kind of client and of restart; too
    /// short to be judged.
    #[test]
    fn a_short_soak_ends_well() {
        // Beside this test's own, since it is of the same profile.
        let own = std::env::current_exe().unwrap();
        let programs = Programs::find(own.ancestors().nth(2).map(Path::to_owned)).unwrap();
        let results = tempfile::tempdir().unwrap();
        let directory = Some(results.path().to_owned());
        let time = Duration::from_secs(10);
        run(&programs, &Arguments { time, directory, rockets: 500, rate: 200.0 }).unwrap();
        let csv = std::fs::read_to_string(results.path().join("soak.csv")).unwrap();
        assert!(csv.lines().count() > 3, "{csv}");
        let svg = std::fs::read_to_string(results.path().join("soak.svg")).unwrap();
        assert!(svg.contains("Open descriptors"), "{svg}");
    }
}
