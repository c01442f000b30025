//! The loop: the corpus as it is, then inputs made from it until the time is
//! over. Looks after panics, hangs and memory, and makes an input that breaks
//! something small. Does not own what must hold (`targets`).

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::targets::{Kind, Target};
use super::{ALLOCATOR, corpus, mutate, panics};

/// An input that takes as long hangs.
const HANG: Duration = Duration::from_secs(30);

/// What all targets together may have allocated at a time. Nothing here needs a
/// tenth of it, and a length that is believed takes more.
const MOST_MEMORY: usize = 512 << 20;

/// Inputs kept in memory beside the corpus, since they went a new way.
const MOST_LEARNT: usize = 4000;

/// How often the progress is told.
const TOLD: Duration = Duration::from_secs(15);

/// How long to make a found input smaller.
const SHRINKING: Duration = Duration::from_secs(3);

/// What is to be done.
pub struct Run {
    pub kinds: Vec<&'static Kind>,
    pub seed: u64,
    pub time: Duration,
    /// Tells only the end.
    pub quiet: bool,
}

/// An input that broke something.
#[derive(Debug)]
pub struct Found {
    target: &'static str,
    reason: String,
    file: PathBuf,
    input: Vec<u8>,
    seed: u64,
    number: u64,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, reason, file, input, seed, number } = self;
        let file = file.display();
        let shown = String::from_utf8_lossy(&input[..input.len().min(600)]);
        write!(
            f,
            "{target}: found after {number} inputs: {reason}\n\n\
             the input, {} bytes, is in {file}:\n{shown:?}\n\n\
             again:     cargo run --profile fuzz --example fuzz -- --targets {target} --replay {file}\n\
             all of it: cargo run --profile fuzz --example fuzz -- --targets {target} --seed {seed}\n\
             mended:    mv {file} fuzz/corpus/{target}/WHAT-IT-IS",
            input.len()
        )
    }
}

/// What others see of a target at work.
struct Work {
    kind: &'static Kind,
    inputs: AtomicU64,
    learnt: AtomicU64,
    /// What is being tried, and since when.
    current: Mutex<(Vec<u8>, Instant)>,
}

impl Run {
    /// Runs all targets at the same time.
    ///
    /// # Errors
    /// The first input that broke something.
    pub fn go(&self) -> Result<(), Box<Found>> {
        let works: Vec<Work> = self.kinds.iter().map(|kind| Work::new(kind)).collect();
        let names = self.kinds.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
        println!("fuzzing {names} for {:?} with seed {}", self.time, self.seed);
        let found = Mutex::new(None);
        let over = AtomicBool::new(false);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let threads: Vec<_> = works
                .iter()
                .map(|work| {
                    let (found, over) = (&found, &over);
                    let thread =
                        std::thread::Builder::new().name(panics::thread_name(work.kind.name));
                    let thread = thread.spawn_scoped(scope, move || {
                        if let Err(first) = work.go(self.seed, over) {
                            found.lock().unwrap().get_or_insert(first);
                            over.store(true, Ordering::Relaxed);
                        }
                    });
                    thread.unwrap()
                })
                .collect();
            let mut told = begun;
            while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                #[expect(clippy::disallowed_methods, reason = "between looks")]
                std::thread::sleep(Duration::from_millis(20));
                if begun.elapsed() >= self.time {
                    over.store(true, Ordering::Relaxed);
                }
                for work in &works {
                    work.end_if_it_hangs(self.seed);
                }
                if !self.quiet && told.elapsed() >= TOLD {
                    told = Instant::now();
                    tell(&works, begun);
                }
            }
        });
        tell(&works, begun);
        found.into_inner().unwrap().map_or(Ok(()), Err)
    }
}

fn tell(works: &[Work], begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    let mut all = 0;
    for work in works {
        let inputs = work.inputs.load(Ordering::Relaxed);
        all += inputs;
        println!(
            "{seconds:>7.0} s  {:<12}{inputs:>12} inputs{:>10.0}/s{:>7} ways learnt",
            work.kind.name,
            inputs as f64 / seconds,
            work.learnt.load(Ordering::Relaxed),
        );
    }
    if works.len() > 1 {
        println!("{seconds:>7.0} s  {:<12}{all:>12} inputs{:>10.0}/s", "all", all as f64 / seconds);
    }
}

/// Tries files; whether all went well.
pub fn replay(kind: &'static Kind, files: &[PathBuf]) -> bool {
    // Elsewhere its panics would be shown, and told to nobody.
    let thread = std::thread::Builder::new().name(panics::thread_name(kind.name));
    std::thread::scope(|scope| {
        thread.spawn_scoped(scope, || replay_here(kind, files)).unwrap().join().unwrap()
    })
}

fn replay_here(kind: &'static Kind, files: &[PathBuf]) -> bool {
    let (mut target, mut all_well) = ((kind.make)(), true);
    for file in files {
        match attempt(kind, &mut *target, &std::fs::read(file).unwrap()) {
            Ok(_) => println!("{}: well", file.display()),
            Err(reason) => {
                println!("{}: {reason}", file.display());
                (target, all_well) = ((kind.make)(), false);
            }
        }
    }
    all_well
}

/// Tries one input. `Ok` has the way that it went.
fn attempt(kind: &Kind, target: &mut dyn Target, input: &[u8]) -> Result<u64, String> {
    let result = catch_unwind(AssertUnwindSafe(|| target.attempt(input)));
    // A runtime's task, or a thread of it, may have panicked by itself.
    if let Some(said) = panics::take(kind.name) {
        return Err(said);
    }
    let way = result.map_err(|_| "it panicked".to_owned())??;
    let most = ALLOCATOR.peak_usage();
    if most > MOST_MEMORY {
        ALLOCATOR.reset_peak_usage();
        return Err(format!(
            "{most} bytes of memory were in use during this (or another target's) input"
        ));
    }
    let mut hasher = DefaultHasher::new();
    // Neither numbers nor what is quoted of the input make a new way.
    let way = way.split("found").next().unwrap_or_default();
    for part in way.split('"').step_by(2).flat_map(|it| it.split(|it: char| it.is_ascii_digit())) {
        part.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

impl Work {
    fn new(kind: &'static Kind) -> Self {
        let current = Mutex::new((Vec::new(), Instant::now()));
        Self { kind, inputs: AtomicU64::new(0), learnt: AtomicU64::new(0), current }
    }

    fn go(&self, seed: u64, over: &AtomicBool) -> Result<(), Box<Found>> {
        let kind = self.kind;
        let made = catch_unwind(|| (kind.make)());
        let mut target = made.unwrap_or_else(|_| {
            let said = panics::take(kind.name).unwrap_or_default();
            eprintln!("{} cannot be set up: {said}", kind.name);
            std::process::exit(1);
        });
        let mut inputs: Vec<Vec<u8>> = Vec::new();
        let mut ways = HashSet::new();
        for (name, input) in corpus::load(kind.name) {
            let tried = self.attempt(&mut *target, &input);
            let way = tried.map_err(|reason| {
                self.found(seed, format!("corpus file {name}: {reason}"), &input)
            })?;
            ways.insert(way);
            inputs.push(input);
        }
        let kept = inputs.len();
        let mut name = DefaultHasher::new();
        kind.name.hash(&mut name);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ name.finish());
        while !over.load(Ordering::Relaxed) {
            let input = mutate::mutated(&mut random, &inputs, kind.words, kind.most);
            match self.attempt(&mut *target, &input) {
                Ok(way) => {
                    if inputs.len() < kept + MOST_LEARNT && ways.insert(way) {
                        self.learnt.fetch_add(1, Ordering::Relaxed);
                        inputs.push(input);
                    }
                }
                Err(reason) => {
                    let (reason, input) = self.smaller(reason, input);
                    return Err(self.found(seed, reason, &input).into());
                }
            }
        }
        Ok(())
    }

    fn attempt(&self, target: &mut dyn Target, input: &[u8]) -> Result<u64, String> {
        let mut current = self.current.lock().unwrap();
        current.0.clear();
        current.0.extend_from_slice(input);
        current.1 = Instant::now();
        drop(current);
        self.inputs.fetch_add(1, Ordering::Relaxed);
        attempt(self.kind, target, input)
    }

    fn found(&self, seed: u64, reason: String, input: &[u8]) -> Found {
        let (target, number) = (self.kind.name, self.inputs.load(Ordering::Relaxed));
        let file = corpus::keep_crash(target, input);
        Found { target, reason, file, input: input.to_vec(), seed, number }
    }

    /// An input that hangs cannot be ended, only the process.
    fn end_if_it_hangs(&self, seed: u64) {
        let current = self.current.lock().unwrap();
        if current.1.elapsed() > HANG {
            let found = self.found(seed, format!("it takes more than {HANG:?}"), &current.0);
            eprintln!("{found}");
            std::process::exit(1);
        }
    }

    /// Leaves out what can be left out so that it still breaks something, by
    /// halves, quarters and so on. As it is if a target that did not see all
    /// inputs before takes it.
    fn smaller(&self, mut reason: String, mut input: Vec<u8>) -> (String, Vec<u8>) {
        let begun = Instant::now();
        let mut length = input.len() / 2;
        while length > 0 && begun.elapsed() < SHRINKING {
            let mut at = 0;
            while at < input.len() && begun.elapsed() < SHRINKING {
                let end = (at + length).min(input.len());
                let less = [&input[..at], &input[end..]].concat();
                match self.attempt(&mut *(self.kind.make)(), &less) {
                    Err(again) => (reason, input) = (again, less),
                    Ok(_) => at = end,
                }
            }
            length /= 2;
        }
        (reason, input)
    }
}
