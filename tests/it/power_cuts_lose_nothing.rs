//! Power cuts, simulated: whatever was acknowledged is there after one, at any
//! moment of a start, under load, in a WAL checkpoint and of a stop, and the
//! next start goes on.
//!
//! The service runs with a library before the C library that writes down every
//! write, truncation, sync and name, in order (`recorder.c`); the test adds what
//! was acknowledged when. From that a disk is made as a cut at some entry may
//! leave it (`disk`), and a start is tried on it. One of these disks is what the
//! next run begins with.
//!
//! Three dozen cuts by default; `DOWNLINK_POWER_CUTS` sets another number (`just
//! power-cuts 300`). Only where the recorder can be built: under Linux.
#![cfg(target_os = "linux")]

mod disk;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use downlink::journal::sqlite::{self, SqliteJournal, Synchronous};
use downlink::journal::{JournalSource, OpenError, Recovered, RunningJournal};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::process::{Process, downlink};
use crate::support::{Connection, Request, eventually, messages};
use disk::{Disk, Event, Tree};

/// Cuts tried on what one run did.
const CUTS_OF_A_RUN: usize = 12;

const CLIENTS: usize = 12;

/// The data directory, in the directory that is recorded.
const DATA: &str = "data";

/// Which message: its channel and number.
type Key = (String, u64);

/// Where a cut fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Start,
    Load,
    /// The database is being written to and not synced yet.
    WalCheckpoint,
    Stop,
}

#[test]
fn whatever_was_acknowledged_survives() {
    let cuts = match std::env::var("DOWNLINK_POWER_CUTS") {
        Ok(cuts) => cuts.parse().expect("DOWNLINK_POWER_CUTS is a number"),
        Err(_) => 36,
    };
    let seed = rand::random();
    println!("{cuts} power cuts with seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let tools = tempfile::tempdir().unwrap();
    let recorder = build_recorder(tools.path());
    let (mut base, mut acked) = (Tree::new(), BTreeSet::new());
    let mut counts: BTreeMap<Phase, usize> = BTreeMap::new();
    let (mut failures, mut looked_for) = (Vec::new(), 0);

    for run in 1.. {
        let left = cuts - counts.values().sum::<usize>();
        if left == 0 {
            break;
        }
        // With `os` a cut may lose what the run acknowledged, and nothing before.
        let durability = if run % 4 == 0 { Synchronous::Normal } else { Synchronous::Full };
        let events = record_run(&recorder, &base, run, durability, &mut random);
        let mut survivors = Vec::new();
        let phases = phases(&base, &events);
        for at in cuts_of(&events, &phases, left.min(CUTS_OF_A_RUN), &mut random) {
            let phase = phases[at];
            *counts.entry(phase).or_default() += 1;
            let newly = events[..=at].iter().filter_map(acked_in);
            let newly = newly.filter(|_| durability == Synchronous::Full);
            let acked: BTreeSet<Key> = acked.iter().cloned().chain(newly).collect();
            looked_for += acked.len();
            let tree = after_cut(&base, &events[..=at], &mut random);
            match check(&tree, &acked, durability) {
                Ok(()) if durability == Synchronous::Full => survivors.push((tree, acked)),
                Ok(()) => {}
                Err(problem) => failures.push(format!(
                    "run {run}, {durability:?}, {phase:?}, after entry {at} of {}, {}: {problem}",
                    events.len(),
                    shown(&events[at])
                )),
            }
        }
        if !survivors.is_empty() {
            (base, acked) = survivors.swap_remove(random.random_range(0..survivors.len()));
        }
    }
    println!("cuts: {counts:?}; {looked_for} times an acknowledged message was looked for");
    assert!(
        failures.is_empty(),
        "{} of {cuts} power cuts (seed {seed}) failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(looked_for > cuts, "the service hardly acknowledged anything");
    assert!(cuts < 36 || counts.len() == 4, "not all kinds: {counts:?}");
}

fn build_recorder(directory: &Path) -> PathBuf {
    let source =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/power_cuts_lose_nothing/recorder.c");
    let library = directory.join("recorder.so");
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o"]);
    assert!(cc.arg(&library).arg(source).arg("-ldl").status().unwrap().success());
    library
}

/// Starts the service on `base`, loads it for a moment and stops it. Returns
/// what it did to its files, and in between what was acknowledged.
fn record_run(
    recorder: &Path,
    base: &Tree,
    run: usize,
    durability: Synchronous,
    random: &mut StdRng,
) -> Vec<Event> {
    let directory = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(directory.path()).unwrap();
    let (files, record) = (root.join("files"), root.join("record"));
    fs::create_dir(&files).unwrap();
    disk::write_out(base, &files);
    fs::write(&record, "").unwrap();
    let note = |text: &str| {
        let mut record = OpenOptions::new().append(true).open(&record).unwrap();
        record.write_all(&disk::mark(text)).unwrap();
    };

    let mut command = downlink();
    command.env("LD_PRELOAD", recorder);
    command.env("POWER_CUTS_DIRECTORY", &files).env("POWER_CUTS_RECORD", &record);
    let durability = if durability == Synchronous::Full { "fsync" } else { "os" };
    command.args(["--listen", "127.0.0.1:0", "--durability", durability, "--data-dir"]);
    command.arg(files.join(DATA)).args(["--workers", "2", "--commit-delay", "0us"]);
    // Small, so that there are many checkpoints.
    command.args(["--checkpoint-messages", "100", "--checkpoint-interval", "50ms"]);
    let service = Process::spawn(command);
    note("ready");
    let (over, acks) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (over, acks, note, address) = (&over, &acks, &note, service.address);
            scope.spawn(move || {
                let channel = format!("run {run} rocket {client}");
                let mut connection = Connection::open(address);
                for number in 1.. {
                    // Two by two in the wrong order, so that some wait.
                    let sent: u64 = if number % 2 == 0 { number - 1 } else { number + 1 };
                    let message = match sent {
                        1 => messages::launch(&channel),
                        n => messages::speed_up(&channel, n, 1),
                    };
                    // None while it stops.
                    let answer = connection.try_request(&Request::message(&message));
                    let Ok(answer) = answer else { return };
                    if answer.status == 200 {
                        note(&format!("acked {sent} {channel}"));
                        acks.fetch_add(1, Ordering::Relaxed);
                    }
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_millis(random.random_range(100..300)));
        eventually("there was some load", || acks.load(Ordering::Relaxed) > 1500);
        note("stopping");
        service.terminate();
        over.store(true, Ordering::Relaxed);
    });
    let (status, log) = service.wait();
    assert!(status.success(), "{log}");
    disk::parse(&fs::read(&record).unwrap())
}

/// What a mark says: "acked", a number and a channel.
fn acked_in(event: &Event) -> Option<Key> {
    let Event::Mark(text) = event else { return None };
    let (number, channel) = text.strip_prefix("acked ")?.split_once(' ')?;
    Some((channel.to_owned(), number.parse().unwrap()))
}

/// The phases of all entries.
fn phases(base: &Tree, events: &[Event]) -> Vec<Phase> {
    let mut disk = Disk::holding(base);
    let mut phase = Phase::Start;
    let database = format!("{DATA}/{}", sqlite::FILE);
    let phase_after = |event: &Event| {
        disk.feed(event);
        match event {
            Event::Mark(text) if text == "ready" => phase = Phase::Load,
            Event::Mark(text) if text == "stopping" => phase = Phase::Stop,
            _ => {}
        }
        let is_checkpoint = phase == Phase::Load && disk.is_dirty(&database);
        if is_checkpoint { Phase::WalCheckpoint } else { phase }
    };
    events.iter().map(phase_after).collect()
}

/// Where to cut: some in each phase, and half of them close to where a sync
/// ends, a file becomes shorter or a name changes.
fn cuts_of(events: &[Event], phases: &[Phase], count: usize, random: &mut StdRng) -> Vec<usize> {
    let turns = [
        Phase::Start,
        Phase::WalCheckpoint,
        Phase::Start,
        Phase::Load,
        Phase::Stop,
        Phase::Start,
        Phase::WalCheckpoint,
    ];
    let mut cuts: Vec<usize> = (0..count)
        .map(|cut| {
            let phase = turns[cut % turns.len()];
            let mut all: Vec<usize> = (0..events.len()).filter(|at| phases[*at] == phase).collect();
            if all.is_empty() {
                all = (0..events.len()).collect();
            }
            let is_turn = |at: &&usize| !matches!(events[**at], Event::Write(..) | Event::Mark(_));
            let turns: Vec<usize> = all.iter().filter(is_turn).copied().collect();
            if turns.is_empty() || random.random() {
                all[random.random_range(0..all.len())]
            } else {
                let turn = turns[random.random_range(0..turns.len())];
                (turn + random.random_range(0..4)).saturating_sub(2).min(events.len() - 1)
            }
        })
        .collect();
    cuts.sort_unstable();
    cuts
}

/// What is left if the power goes after these entries.
fn after_cut(base: &Tree, events: &[Event], random: &mut StdRng) -> Tree {
    let mut disk = Disk::holding(base);
    for event in events {
        disk.feed(event);
    }
    disk.after_cut(random)
}

/// Starts on what is left, twice, and looks for what was acknowledged.
fn check(tree: &Tree, acked: &BTreeSet<Key>, durability: Synchronous) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    disk::write_out(tree, directory.path());
    let data = directory.path().join(DATA);
    let state = |error: OpenError| {
        let file = |(name, content): (&String, &Option<Vec<u8>>)| {
            format!("{name}: {:?}", content.as_ref().map(Vec::len))
        };
        let files: Vec<_> = tree.iter().map(file).collect();
        format!("{error} ({})", files.join(", "))
    };
    let first = start(&data, durability).map_err(state)?;
    let lost: Vec<_> = acked.difference(&first).collect();
    if !lost.is_empty() {
        return Err(format!("{} of {} are lost: {:?}", lost.len(), acked.len(), lost[0]));
    }
    let second = start(&data, durability).map_err(|error| format!("the second start: {error}"))?;
    if first == second { Ok(()) } else { Err("the second start finds something else".to_owned()) }
}

/// Opens the journal, reads it, starts it and closes it, as the service does.
/// Returns all that it holds.
fn start(directory: &Path, durability: Synchronous) -> Result<BTreeSet<Key>, OpenError> {
    let mut found = BTreeSet::new();
    let opened = Box::new(SqliteJournal::at(directory, durability, Duration::ZERO)).open()?;
    opened.recover(&mut |item| {
        match item {
            Recovered::Rocket(rocket) => {
                let buffered = rocket.buffered.iter().map(|report| report.number);
                let numbers = (1..=rocket.last_message_number).chain(buffered);
                found.extend(numbers.map(|number| (rocket.channel.to_string(), number)));
            }
            Recovered::Message(message) => {
                found.insert((message.channel.to_string(), message.report.number));
            }
            Recovered::Skip(_) | Recovered::Forget(_) | Recovered::Mark(_) => {
                unreachable!("nothing of it is here")
            }
        }
        ControlFlow::Continue(())
    })?;
    let RunningJournal { journal, mut ended, .. } = opened.start()?;
    drop(journal);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(ended.wait()).expect("the journal ends well");
    Ok(found)
}

/// Without what was written.
fn shown(event: &Event) -> String {
    match event {
        Event::Write(name, at, data) => format!("{} bytes at {at} of {name}", data.len()),
        other => format!("{other:?}"),
    }
}
