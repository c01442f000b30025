//! `kill -9` under load, again and again: whatever was acknowledged is there
//! after the restart, and once the rest is sent the fleet is that of all
//! messages.
//!
//! Ten rounds by default; `DOWNLINK_CRASH_ROUNDS` sets another number (`just
//! crash 200`).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::process::{Process, downlink};
use crate::support::{self, Connection, Request, eventually, messages, oracle};
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

#[test]
fn whatever_was_acknowledged_survives() {
    #[expect(clippy::disallowed_methods, reason = "it is the tests' own, and no flag")]
    let rounds = match std::env::var("DOWNLINK_CRASH_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("DOWNLINK_CRASH_ROUNDS is a number"),
        Err(_) => 10,
    };
    let seed = rand::random();
    println!("{rounds} rounds with seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let directory = tempfile::tempdir().unwrap();
    let mut fleet = Senders { next_number: [0; ROCKETS], sent: Vec::new() };
    let (mut acked_in_all, mut unacked) = (0, VecDeque::new());

    for round in 1..=rounds {
        let workers = random.random_range(1..=8);
        let service = start(directory.path(), workers);
        fleet.refill(&mut unacked, &mut random, round);
        let (acked, rest) = load_until_killed(&service, unacked, &mut random);
        unacked = rest;

        // As it is in the next round, with any number of workers.
        drop(service);
        let service = start(directory.path(), random.random_range(1..=8));
        for (message, answer) in send_all(service.address, &acked) {
            assert_eq!(answer, "duplicate", "round {round}: lost {message}");
        }
        acked_in_all += acked.len();
        println!(
            "round {round}: {} acknowledged with {workers} workers, {acked_in_all} in all",
            acked.len()
        );
        service.signal("KILL");
        service.wait();
    }

    assert!(acked_in_all > rounds, "the service hardly acknowledged anything");
    let service = start(directory.path(), 3);
    let rest: Vec<Value> = unacked.into();
    for (message, answer) in send_all(service.address, &rest) {
        assert!(["applied", "buffered", "duplicate"].contains(&&*answer), "{answer}: {message}");
    }
    let rockets = support::http::send(service.address, &Request::get("/rockets")).json();
    assert_eq!(rockets, Value::from(oracle::rockets(&fleet.sent)));
    service.terminate();
    assert!(service.wait().0.success());
}

fn start(directory: &std::path::Path, workers: usize) -> Process {
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--durability", "fsync", "--data-dir"]);
    command.arg(directory);
    command.args(["--workers", &workers.to_string()]);
    // One thread and several are different runtimes.
    command.args(["--threads", &(1 + workers % 2).to_string()]);
    // Small, so that checkpoints and trims are under way when the kill comes.
    command.args(["--checkpoint-messages", "500", "--checkpoint-interval", "100ms"]);
    let service = Process::spawn(command);
    eventually("the service is ready", || {
        support::http::send(service.address, &Request::get("/readyz")).status == 200
    });
    service
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

/// Sends from the queue over many connections until the service is killed at a
/// random moment. Returns what was acknowledged, and what was not.
fn load_until_killed(
    service: &Process,
    queue: VecDeque<Value>,
    random: &mut StdRng,
) -> (Vec<Value>, VecDeque<Value>) {
    let queue = Mutex::new(queue);
    let acked = Mutex::new(Vec::new());
    let unanswered = Mutex::new(Vec::new());
    let killed = AtomicBool::new(false);
    let life = Duration::from_micros(random.random_range(1_000..400_000));
    std::thread::scope(|scope| {
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
        #[expect(clippy::disallowed_methods, reason = "the kill comes at any time")]
        std::thread::sleep(life);
        service.signal("KILL");
        killed.store(true, Ordering::Relaxed);
    });
    let mut rest = VecDeque::from(unanswered.into_inner().unwrap());
    rest.extend(queue.into_inner().unwrap());
    (acked.into_inner().unwrap(), rest)
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
