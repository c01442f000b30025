//! Clients of all nodes, each of which moves on to the next one when one fails, and what
//! they know: what was acknowledged, for how long nothing was, and what failed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::contract::PATIENCE;
use super::nodes::{Answer, Connection, Node, Place};

const ROCKETS_EACH: usize = 3;

/// So many messages of a rocket come in any order.
const WINDOW: u64 = 5;

/// Clients at rest.
pub struct Clients(Vec<Client>);

/// Clients that send.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Client>>,
}

/// What they saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// The longest time in which nobody was acknowledged.
    pub gap: Duration,
    pub acknowledged: u64,
    /// Requests that were answered with 503.
    pub refused: u64,
    /// Requests that were sent, and not answered.
    pub unanswered: u64,
    /// Messages that had been taken by then, as it turned out when they were sent again.
    pub untold: u64,
    /// Requests that could not be sent, for nobody was there.
    pub unsent: u64,
    /// How often all nodes in turn had not taken a message.
    pub failed: u64,
}

impl Clients {
    pub fn of(places: &Arc<[Place]>, many: usize, random: &mut StdRng) -> Self {
        Self((0..many).map(|id| Client::new(id, random.random(), places.clone())).collect())
    }

    /// Has them send, each message to two nodes at once if told so.
    pub fn start(self, twice: bool) -> Load {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            twice,
            gap: Mutex::new((Instant::now(), Duration::ZERO)),
            acks: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            untold: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let threads = self.0.into_iter().map(|mut client| {
            let shared = shared.clone();
            std::thread::spawn(move || {
                client.run(&shared);
                client
            })
        });
        Load { threads: threads.collect(), shared }
    }

    /// That every node has whatever was acknowledged, and shows the same.
    pub fn check(&self, nodes: &[Node], what: &str) {
        let list = || nodes.iter().map(|node| node.json("/rockets")).collect::<Vec<_>>();
        let mut listed = list();
        // Of what was never answered, something may be appended only now.
        let begun = Instant::now();
        while listed.windows(2).any(|two| two[0] != two[1]) && begun.elapsed() < PATIENCE {
            listed = list();
        }
        for (node, rockets) in nodes.iter().zip(&listed) {
            let told = || format!("{what}, {}", node.told());
            assert_eq!(rockets, &listed[0], "{}", told());
            for rocket in self.0.iter().flat_map(|client| &client.rockets) {
                let all = rockets.as_array().unwrap();
                let found = all.iter().find(|it| it["id"] == *rocket.channel);
                rocket.check(found, &told);
            }
        }
    }
}

impl Load {
    /// Waits until so many more were acknowledged.
    pub fn more(&self, acks: u64, told: &dyn Fn() -> String) {
        let goal = self.acknowledged() + acks;
        let begun = Instant::now();
        while self.acknowledged() < goal {
            assert!(begun.elapsed() < PATIENCE, "nobody is acknowledged\n{}", told());
            sleep(Duration::from_millis(5));
        }
    }

    pub fn acknowledged(&self) -> u64 {
        self.shared.acks.load(Ordering::Relaxed)
    }

    /// What they see counts from now on.
    pub fn counts(&self) {
        let Shared { refused, unanswered, untold, unsent, failed, gap, .. } = &*self.shared;
        for count in [refused, unanswered, untold, unsent, failed] {
            count.store(0, Ordering::Relaxed);
        }
        *gap.lock().unwrap() = (Instant::now(), Duration::ZERO);
    }

    /// What they saw up to now.
    pub fn seen(&self) -> Seen {
        let Shared { refused, unanswered, untold, unsent, failed, gap, .. } = &*self.shared;
        let (last, longest) = *gap.lock().unwrap();
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Seen {
            gap: longest.max(last.elapsed()),
            acknowledged: self.acknowledged(),
            refused: count(refused),
            unanswered: count(unanswered),
            untold: count(untold),
            unsent: count(unsent),
            failed: count(failed),
        }
    }

    pub fn stop(self) -> Clients {
        self.shared.stop.store(true, Ordering::Relaxed);
        Clients(self.threads.into_iter().map(|client| client.join().unwrap()).collect())
    }
}

/// What the clients of a round share.
struct Shared {
    stop: AtomicBool,
    /// Whether each message goes to two nodes at once.
    twice: bool,
    acks: AtomicU64,
    refused: AtomicU64,
    unanswered: AtomicU64,
    untold: AtomicU64,
    unsent: AtomicU64,
    failed: AtomicU64,
    /// When anybody was acknowledged last, and the longest time without.
    gap: Mutex<(Instant, Duration)>,
}

impl Shared {
    fn acknowledged(&self) {
        self.acks.fetch_add(1, Ordering::Relaxed);
        let mut gap = self.gap.lock().unwrap();
        let now = Instant::now();
        *gap = (now, gap.1.max(now.duration_since(gap.0)));
    }
}

/// One that sends one message after the other, each until it is acknowledged.
struct Client {
    random: StdRng,
    places: Arc<[Place]>,
    id: usize,
    /// Who is asked.
    node: usize,
    connections: Vec<Option<Connection>>,
    rockets: Vec<Rocket>,
    /// What is not acknowledged yet: of which rocket, and whether it was ever sent.
    current: Option<(usize, u64, bool)>,
}

impl Client {
    fn new(id: usize, seed: u64, places: Arc<[Place]>) -> Self {
        let rocket = |index| Rocket::new(format!("rocket-{id}-{index}"));
        Self {
            random: StdRng::seed_from_u64(seed),
            id,
            node: 0,
            connections: places.iter().map(|_| None).collect(),
            rockets: (0..ROCKETS_EACH).map(rocket).collect(),
            current: None,
            places,
        }
    }

    fn run(&mut self, shared: &Shared) {
        let (mut failures, mut is_unanswered) = (0, false);
        // Else all would be where they moved to.
        self.node = self.id % self.places.len();
        while !shared.stop.load(Ordering::Relaxed) {
            let (index, number, was_sent) = self.current.unwrap_or_else(|| {
                let index = self.random.random_range(0..self.rockets.len());
                (index, self.rockets[index].next(&mut self.random), false)
            });
            self.rockets[index].uncertain = Some(number);
            self.current = Some((index, number, true));
            let message = message(&self.rockets[index].channel, number);
            let other = (self.node + 1) % self.places.len();
            let at: &[usize] = if shared.twice { &[self.node, other] } else { &[self.node] };
            let answers = self.post(at, &message);
            is_unanswered |= answers.iter().any(|it| matches!(it, Err(Lost::Unanswered)));
            for answer in &answers {
                match answer {
                    Ok(answer) if answer.status == 503 => &shared.refused,
                    Ok(_) => continue,
                    Err(Lost::Unanswered) => &shared.unanswered,
                    Err(Lost::Unsent) => &shared.unsent,
                }
                .fetch_add(1, Ordering::Relaxed);
            }
            let outcomes: Vec<_> = answers.iter().flatten().filter_map(outcome).collect();
            if let ([one, two], false) = (&outcomes[..], was_sent) {
                let repeated = [one, two].into_iter().filter(|it| *it == "duplicate").count();
                assert_eq!(repeated, 1, "{outcomes:?}");
            }
            if outcomes.is_empty() {
                failures += 1;
                if failures % self.places.len() == 0 {
                    shared.failed.fetch_add(1, Ordering::Relaxed);
                }
                // The next one may know better; all of them may not, for a moment.
                self.node = other;
                sleep(Duration::from_millis(10));
                continue;
            }
            let is_unanswered = std::mem::take(&mut is_unanswered);
            if is_unanswered && outcomes.iter().any(|outcome| outcome == "duplicate") {
                shared.untold.fetch_add(1, Ordering::Relaxed);
            }
            failures = 0;
            self.rockets[index].acknowledge(number);
            self.current = None;
            shared.acknowledged();
        }
    }

    /// Sends to all of these nodes before any answer is read.
    fn post(&mut self, at: &[usize], message: &Value) -> Vec<Result<Answer, Lost>> {
        let send = |node: &usize| {
            let kept = self.connections[*node].take().filter(Connection::is_open);
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::open(&self.places[*node]).map_err(|_| Lost::Unsent)?,
            };
            connection.post(message).map_err(|_| Lost::Unanswered)?;
            Ok((*node, connection))
        };
        let sent: Vec<_> = at.iter().map(send).collect();
        let receive = |sent: Result<(usize, Connection), Lost>| {
            let (node, mut connection) = sent?;
            let answer = connection.receive().map_err(|_| Lost::Unanswered)?;
            let is_kept = answer.header("connection") != Some("close");
            self.connections[node] = Some(connection).filter(|_| is_kept);
            Ok(answer)
        };
        sent.into_iter().map(receive).collect()
    }
}

/// A request that was not answered.
enum Lost {
    Unsent,
    Unanswered,
}

/// What an answer says became of a message; none if it was not taken now.
fn outcome(answer: &Answer) -> Option<String> {
    match answer.status {
        200..300 => {
            let said: Value = serde_json::from_str(&answer.body).unwrap();
            Some(said["outcome"].as_str().unwrap().to_owned())
        }
        503 => None,
        _ => panic!("{answer:?}"),
    }
}

/// A rocket of one client, and what of it was acknowledged.
struct Rocket {
    channel: String,
    /// All up to this number.
    prefix: u64,
    /// And these behind it.
    beyond: BTreeSet<u64>,
    /// To be sent next, the last first.
    queue: Vec<u64>,
    /// Sent, and not acknowledged.
    uncertain: Option<u64>,
}

impl Rocket {
    fn new(channel: String) -> Self {
        let (beyond, queue) = Default::default();
        Self { channel, prefix: 0, beyond, queue, uncertain: None }
    }

    fn next(&mut self, random: &mut StdRng) -> u64 {
        if self.queue.is_empty() {
            self.queue = (self.prefix + 1..=self.prefix + WINDOW).collect();
            self.queue.shuffle(random);
        }
        self.queue.pop().unwrap()
    }

    fn acknowledge(&mut self, number: u64) {
        self.uncertain = None;
        self.beyond.insert(number);
        while self.beyond.remove(&(self.prefix + 1)) {
            self.prefix += 1;
        }
    }

    /// The last number, and how many wait behind it, with what is uncertain or without.
    fn expected(&self, with: Option<u64>) -> (u64, u64) {
        let mut all = self.beyond.clone();
        all.extend(with);
        let mut prefix = self.prefix;
        while all.remove(&(prefix + 1)) {
            prefix += 1;
        }
        (prefix, all.len() as u64)
    }

    fn check(&self, found: Option<&Value>, told: &dyn Fn() -> String) {
        let channel = &self.channel;
        let expected = [self.expected(None), self.expected(self.uncertain)];
        let Some(found) = found else {
            assert!(
                expected.iter().any(|(last, _)| *last == 0),
                "{channel} is not listed\n{}",
                told()
            );
            return;
        };
        let number = |field: &str| found[field].as_u64().unwrap();
        let last = number("last_message_number");
        let state = (last, number("buffered_messages"));
        assert!(expected.contains(&state), "{channel}: {expected:?}, found {state:?}\n{}", told());
        let speed = (2..=last).filter(|it| it % 7 != 0).map(|it| it % 5).sum::<u64>() + 500;
        let mission = format!("M{}", last - last % 7);
        assert_eq!((number("speed"), &found["mission"]), (speed, &json!(mission)), "{channel}");
    }
}

/// A rocket's message of this number: what it says follows from that.
pub fn message(channel: &str, number: u64) -> Value {
    let (kind, body) = match number {
        1 => ("RocketLaunched", json!({ "type": "T", "launchSpeed": 500, "mission": "M0" })),
        _ if number.is_multiple_of(7) => {
            ("RocketMissionChanged", json!({ "newMission": format!("M{number}") }))
        }
        _ => ("RocketSpeedIncreased", json!({ "by": number % 5 })),
    };
    json!({
        "metadata": {
            "channel": channel,
            "messageNumber": number,
            "messageTime": "2026-01-01T00:00:00Z",
            "messageType": kind,
        },
        "message": body,
    })
}
