//! `kill -9` at any moment, again and again: whatever was acknowledged is there
//! after the restart, and once the rest is sent the fleet is that of all
//! messages. Meanwhile somebody declares lost what rockets wait for, and somebody
//! else forgets rockets, which come back and are forgotten again; whatever of that was
//! acknowledged stays so.
//!
//! The moments are of five kinds, in turn: under load, within the first 300 ms
//! of a start, during recovery, during a checkpoint, during a clean stop. When
//! the kill comes is left to chance, so how many of each kind met what they were
//! meant to meet is read from the log and reported. Ten rounds by default;
//! `DOWNLINK_CRASH_ROUNDS` sets another number (`just crash 200`).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::oracle::{self, Lost};
use crate::support::process::{Process, downlink};
use crate::support::{self, Connection, Request, messages};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;

const CLIENTS: usize = 16;
const ROCKETS: usize = 40;

/// Messages at hand for one round: more than it can send.
const LOAD: usize = 3000;

/// How far messages come out of order.
const DISORDER: usize = 60;

/// When the kill comes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Load,
    Start,
    Recovery,
    Checkpoint,
    Stop,
}

const MOMENTS: [Moment; 5] =
    [Moment::Load, Moment::Start, Moment::Recovery, Moment::Checkpoint, Moment::Stop];

/// What is small, so that checkpoints and trims are under way when the kill comes.
const OFTEN: [&str; 4] = ["--checkpoint-messages", "500", "--checkpoint-interval", "100ms"];

const ALWAYS: [&str; 4] = ["--checkpoint-messages", "20", "--checkpoint-interval", "10ms"];

const NEVER: [&str; 4] = ["--checkpoint-messages", "100000000", "--checkpoint-interval", "1h"];

#[test]
fn whatever_was_acknowledged_survives() {
    #[expect(clippy::disallowed_methods, reason = "it is the tests' own, and no flag")]
    let rounds: usize = match std::env::var("DOWNLINK_CRASH_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("DOWNLINK_CRASH_ROUNDS is a number"),
        Err(_) => 10,
    };
    let seed = rand::random();
    println!("{rounds} rounds with seed {seed}");
    let directory = tempfile::tempdir().unwrap();
    let mut crashes = Crashes {
        directory: directory.path(),
        random: StdRng::seed_from_u64(seed),
        fleet: Senders { next_number: [0; ROCKETS], sent: Vec::new() },
        unacked: VecDeque::new(),
        acked: Vec::new(),
        acked_in_all: 0,
        lost: Lost::new(),
        unanswered_skip: None,
        mayfly: Mayfly::default(),
    };
    // Rounds of each kind, and how many of them met what they were meant to.
    let mut met = [(0, 0); MOMENTS.len()];
    for round in 0..rounds {
        let kind = round % MOMENTS.len();
        let hit = crashes.round(round, MOMENTS[kind]);
        met[kind].0 += 1;
        met[kind].1 += usize::from(hit);
        crashes.check(round);
    }
    println!("{} acknowledged in all, and nothing lost", crashes.acked_in_all);
    println!("{} messages declared lost", crashes.lost.len());
    for (moment, (rounds, hits)) in MOMENTS.iter().zip(met) {
        println!("{moment:?}: {rounds} rounds, {hits} of them in the midst of it");
    }
    assert!(crashes.acked_in_all > rounds, "the service hardly acknowledged anything");
    crashes.finish();
}

/// A service that is killed, and what it was sent.
struct Crashes<'a> {
    directory: &'a Path,
    random: StdRng,
    fleet: Senders,
    unacked: VecDeque<Value>,
    /// In the last round that sent anything.
    acked: Vec<Value>,
    acked_in_all: usize,
    /// What was declared lost.
    lost: Lost,
    /// A rocket of which something else may be, and the number that it waited for.
    unanswered_skip: Option<(String, u64)>,
    mayfly: Mayfly,
}

impl Crashes<'_> {
    /// Kills the service once; returns whether that was in the midst of what the
    /// round is about.
    fn round(&mut self, round: usize, moment: Moment) -> bool {
        match moment {
            Moment::Load => {
                let life = self.micros(1_000..400_000);
                self.load(round, &OFTEN, |service| {
                    sleep(life);
                    service.signal("KILL");
                });
                true
            }
            Moment::Start => {
                // A first start too, of which nothing may be left in the way.
                let new = tempfile::tempdir().unwrap();
                for directory in [new.path(), self.directory] {
                    let mut command = command(directory, 2, &OFTEN);
                    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
                    sleep(self.micros(0..300_000));
                    child.kill().unwrap();
                    child.wait().unwrap();
                }
                Process::spawn(command(new.path(), 2, &OFTEN)).signal("KILL");
                true
            }
            Moment::Recovery => {
                self.load(round, &NEVER, |service| {
                    sleep(Duration::from_millis(300));
                    service.signal("KILL");
                });
                let service = Process::spawn_listening(command(self.directory, 2, &OFTEN));
                sleep(self.micros(0..20_000));
                service.signal("KILL");
                !has(&service.wait().1, "ready")
            }
            Moment::Checkpoint => {
                let (which, later) = (self.random.random_range(1..4), self.micros(0..2_000));
                let begins = quoted("a checkpoint begins");
                let log = self.load(round, &ALWAYS, |service| {
                    // What is sent may be too little for so many.
                    let patience = Instant::now() + Duration::from_secs(1);
                    while service.logged(&begins) < which && Instant::now() < patience {
                        std::thread::yield_now();
                    }
                    sleep(later);
                    service.signal("KILL");
                });
                log.rfind(&begins) > log.rfind(&quoted("the checkpoint is complete"))
            }
            Moment::Stop => {
                let (life, left) = (self.micros(1_000..200_000), self.micros(0..40_000));
                let log = self.load(round, &NEVER, |service| {
                    sleep(life);
                    service.terminate();
                    sleep(left);
                    service.signal("KILL");
                });
                has(&log, "stopping") && !has(&log, "stopped")
            }
        }
    }

    fn micros(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_micros(self.random.random_range(range))
    }

    /// Sends until `end` has ended the service; returns its log.
    fn load(&mut self, round: usize, arguments: &[&str], end: impl FnOnce(&Process)) -> String {
        let workers = self.random.random_range(1..=8);
        let service = Process::spawn(command(self.directory, workers, arguments));
        self.fleet.refill(&mut self.unacked, &mut self.random, round);
        let unacked = std::mem::take(&mut self.unacked);
        let (skips, unanswered);
        ((self.acked, self.unacked), (skips, unanswered)) =
            load_until_ended(&service, unacked, &mut self.mayfly, end);
        self.lost.extend(skips);
        self.unanswered_skip = unanswered;
        self.acked_in_all += self.acked.len();
        service.wait().1
    }

    /// That everything is there which was acknowledged last, with any number of
    /// workers. Ends with a kill too.
    fn check(&mut self, round: usize) {
        let workers = self.random.random_range(1..=8);
        let service = Process::spawn(command(self.directory, workers, &OFTEN));
        self.check_lost(&service, round);
        self.mayfly.check(service.address, round);
        for (message, answer) in send_all(service.address, &self.acked) {
            assert_eq!(answer, "duplicate", "round {round}: lost {message}");
        }
        service.signal("KILL");
        service.wait();
    }

    /// That what was declared lost is so still. What was not answered for is done or
    /// not, and from now on stays as it is.
    fn check_lost(&mut self, service: &Process, round: usize) {
        let rockets = support::http::send(service.address, &Request::get("/rockets")).json();
        let unanswered = self.unanswered_skip.take();
        for rocket in rockets.as_array().unwrap() {
            let id = rocket["id"].as_str().unwrap();
            if id == MAYFLY {
                continue;
            }
            let known = self.lost.iter().filter(|(of, _)| of == id).count() as u64;
            let found = rocket["lost_messages"].as_u64().unwrap();
            assert!(found >= known, "round {round}: {known} of {id} were lost, and {found} are");
            match &unanswered {
                Some((of, awaited)) if of == id => {
                    let further = *awaited..awaited + (found - known);
                    self.lost.extend(further.map(|number| (id.to_owned(), number)));
                }
                _ => assert_eq!(found, known, "round {round}: {id}"),
            }
        }
    }

    /// Sends the rest, and compares the fleet with that of all messages.
    fn finish(self) {
        let service = Process::spawn(command(self.directory, 3, &OFTEN));
        let rest: Vec<Value> = self.unacked.into();
        for (message, answer) in send_all(service.address, &rest) {
            assert!(
                ["applied", "buffered", "duplicate"].contains(&&*answer),
                "{answer}: {message}"
            );
        }
        println!("{} times a rocket was forgotten", self.mayfly.forgotten);
        let rockets = support::http::send(service.address, &Request::get("/rockets")).json();
        let mut expected = oracle::rockets_without(&self.fleet.sent, &self.lost);
        expected.extend(self.mayfly.shown());
        expected.sort_by_key(|rocket| rocket["id"].to_string());
        let mut rockets = rockets.as_array().unwrap().clone();
        rockets.sort_by_key(|rocket| rocket["id"].to_string());
        assert_eq!(rockets, expected);
        service.terminate();
        assert!(service.wait().0.success());
    }
}

fn command(directory: &Path, workers: usize, arguments: &[&str]) -> std::process::Command {
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--durability", "fsync", "--data-dir"]);
    command.arg(directory);
    command.args(["--workers", &workers.to_string()]);
    // One thread and several are different runtimes.
    command.args(["--threads", &(1 + workers % 2).to_string()]);
    command.args(["--log", "info,downlink=debug"]).args(arguments);
    command
}

/// Whether the log has a line with this message.
fn has(log: &str, message: &str) -> bool {
    log.contains(&quoted(message))
}

fn quoted(message: &str) -> String {
    format!("\"message\":\"{message}\"")
}

/// Makes up messages, without end.
struct Senders {
    next_number: [u64; ROCKETS],
    /// All that were made up, in order.
    sent: Vec<Value>,
}

impl Senders {
    /// Fills `queue` up to a round's load, out of order and some of it twice.
    fn refill(&mut self, queue: &mut VecDeque<Value>, random: &mut StdRng, round: usize) {
        let mut new = Vec::new();
        while queue.len() + new.len() < LOAD {
            let rocket = random.random_range(0..ROCKETS);
            self.next_number[rocket] += 1;
            let message = any_message(rocket, self.next_number[rocket], round);
            self.sent.push(message.clone());
            if random.random_ratio(1, 20) {
                new.push(message.clone());
            }
            new.push(message);
        }
        new.chunks_mut(DISORDER).for_each(|chunk| chunk.shuffle(random));
        queue.extend(new);
    }
}

fn any_message(rocket: usize, number: u64, round: usize) -> Value {
    let channel = format!("00000000-0000-4000-8000-{rocket:012}");
    match number {
        1 => messages::launch(&channel),
        n if n % 50 == 0 => messages::change_mission(&channel, n, &format!("MISSION {round}")),
        n if n % 997 == 0 => messages::explode(&channel, n, "O-RING"),
        n if n % 3 == 0 => messages::slow_down(&channel, n, 500),
        n => messages::speed_up(&channel, n, 1000),
    }
}

/// Sends from the queue over many connections until `end` has ended the service.
/// Returns what was acknowledged, and what was not; and likewise of what was
/// declared lost.
fn load_until_ended(
    service: &Process,
    queue: VecDeque<Value>,
    mayfly: &mut Mayfly,
    end: impl FnOnce(&Process),
) -> ((Vec<Value>, VecDeque<Value>), Skips) {
    let queue = Mutex::new(queue);
    let acked = Mutex::new(Vec::new());
    let unanswered = Mutex::new(Vec::new());
    let killed = AtomicBool::new(false);
    let skips = std::thread::scope(|scope| {
        let skipping = scope.spawn(|| skip_until(service.address, &killed));
        scope.spawn(|| mayfly.live_until(service.address, &killed));
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = Connection::open(service.address);
                while let Some(message) = pop(&queue) {
                    match connection.try_request(&Request::message(&message)) {
                        Ok(answer) if answer.status == 200 => acked.lock().unwrap().push(message),
                        // Cut off, or refused for the moment: sent again later.
                        answer => {
                            unanswered.lock().unwrap().push(message);
                            if answer.is_err() {
                                break;
                            }
                        }
                    }
                    if killed.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        end(service);
        killed.store(true, Ordering::Relaxed);
        skipping.join().unwrap()
    });
    let mut rest = VecDeque::from(unanswered.into_inner().unwrap());
    rest.extend(queue.into_inner().unwrap());
    ((acked.into_inner().unwrap(), rest), skips)
}

/// A rocket that lives short lives, one after the other: launched on a mission of its
/// own, spoken of once more, and forgotten, by one client that waits for each answer.
#[derive(Default)]
struct Mayfly {
    /// Messages of its life that are known to have counted; 0 while it is forgotten.
    age: u64,
    life: u64,
    /// Whether the next step may have been done.
    unanswered: bool,
    forgotten: u64,
}

const MAYFLY: &str = "mayfly";

/// Messages of a life.
const AGE: u64 = 4;

impl Mayfly {
    fn messages(&self) -> Vec<Value> {
        let mission = format!("LIFE {}", self.life);
        let launch = messages::launch_as(MAYFLY, "Mayfly", 0, &mission);
        // The last waits for ever.
        let rest = [2, 3, 5].map(|number| messages::speed_up(MAYFLY, number, 1));
        [vec![launch], rest.to_vec()].concat()
    }

    fn step(&self) -> Request {
        if self.age == AGE {
            return Request::new("DELETE", &format!("/rockets/{MAYFLY}"));
        }
        Request::message(&self.messages()[usize::try_from(self.age).unwrap()])
    }

    fn done(&mut self) {
        if self.age == AGE {
            (self.age, self.life, self.forgotten) = (0, self.life + 1, self.forgotten + 1);
        } else {
            self.age += 1;
        }
    }

    fn live_until(&mut self, address: SocketAddr, killed: &AtomicBool) {
        let mut connection = Connection::open(address);
        while !killed.load(Ordering::Relaxed) {
            match connection.try_request(&self.step()) {
                Ok(answer) if [200, 204].contains(&answer.status) => self.done(),
                // Whether it was done is seen after the restart.
                _ => {
                    self.unanswered = true;
                    return;
                }
            }
        }
    }

    /// What is shown of it.
    fn shown(&self) -> Option<Value> {
        let messages = &self.messages()[..usize::try_from(self.age).unwrap()];
        oracle::rockets(messages).into_iter().next()
    }

    /// That it is as it was left.
    fn check(&mut self, address: SocketAddr, round: usize) {
        let found = support::http::send(address, &Request::get(&format!("/rockets/{MAYFLY}")));
        let found = (found.status == 200).then(|| found.json());
        if std::mem::take(&mut self.unanswered) && found != self.shown() {
            self.done();
        }
        assert_eq!(found, self.shown(), "round {round}, life {}", self.life);
    }
}

/// What was declared lost, and of which rocket, and from which number on, more may
/// have been.
type Skips = (Lost, Option<(String, u64)>);

/// Now and then declares lost what some launched rocket waits for. Returns what
/// was acknowledged, and the one that was not.
fn skip_until(address: SocketAddr, killed: &AtomicBool) -> Skips {
    let mut lost = Lost::new();
    let mut connection = Connection::open(address);
    while !killed.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(3));
        let longest = Request::get("/gaps?launch_missing=false&limit=2");
        let Ok(answer) = connection.try_request(&longest) else { break };
        if answer.status != 200 {
            continue;
        }
        let gaps = answer.json();
        let Some(gap) = gaps.as_array().unwrap().iter().find(|gap| gap["id"] != MAYFLY) else {
            continue;
        };
        let (Some(id), Some(awaited)) =
            (gap["id"].as_str(), gap["awaited_message_number"].as_u64())
        else {
            continue;
        };
        let skip = Request::new("POST", &format!("/gaps/{id}/skip?awaited={awaited}"));
        match connection.try_request(&skip) {
            Ok(answer) if answer.status == 200 => {
                let answer = answer.json();
                let numbers =
                    answer["lost_from"].as_u64().unwrap()..=answer["lost_to"].as_u64().unwrap();
                lost.extend(numbers.map(|number| (id.to_owned(), number)));
            }
            // The message came first.
            Ok(answer) if answer.status == 409 => {}
            _ => return (lost, Some((id.to_owned(), awaited))),
        }
    }
    (lost, None)
}

fn pop(queue: &Mutex<VecDeque<Value>>) -> Option<Value> {
    queue.lock().unwrap().pop_front()
}

/// Sends messages over several connections; returns each with its outcome.
fn send_all(address: SocketAddr, messages: &[Value]) -> Vec<(Value, String)> {
    let next = Arc::new(Mutex::new(messages.iter().cloned().collect::<VecDeque<_>>()));
    let senders: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let next = next.clone();
            std::thread::spawn(move || {
                let mut connection = Connection::open(address);
                let mut answers = Vec::new();
                while let Some(message) = pop(&next) {
                    let answer = connection.request(&Request::message(&message));
                    answers.push((message, answer.outcome()));
                }
                answers
            })
        })
        .collect();
    senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
}
