//! Three nodes on three members of etcd, under load from clients that move on when one
//! fails, while nodes and members are killed, frozen and restarted: whatever was
//! acknowledged is on every node, and all nodes show the same.
//!
//! Ten rounds by default, one of each kind; `DOWNLINK_CLUSTER_ROUNDS` sets another number
//! (`just crash-cluster 200`).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::contract::PATIENCE;
use super::members::Etcd;
use super::nodes::{Answer, Connection, Node, Place};

const NODES: usize = 3;
const MEMBERS: usize = 3;
const CLIENTS: usize = 16;
const ROCKETS_EACH: usize = 3;

/// So many messages of a rocket come in any order.
const WINDOW: u64 = 5;

/// Checkpoints and trims are under way all the time; a node that is away holds the trim.
const FLAGS: [&str; 5] = [
    "--checkpoint-interval=500ms",
    "--checkpoint-messages=1000",
    "--copies=3",
    "--shutdown-timeout=30s",
    "--threads=1",
];

/// What happens in a round.
#[derive(Clone, Copy, Debug)]
enum Fault {
    NodeKilled,
    LeaderKilled,
    FollowerKilled,
    NodeAndLeaderKilled,
    NodeFrozen,
    LeaderFrozen,
    FollowerFrozen,
    TwoMembersKilled,
    RollingRestart,
    Duplicates,
}

const FAULTS: [Fault; 10] = [
    Fault::NodeKilled,
    Fault::LeaderKilled,
    Fault::FollowerKilled,
    Fault::NodeAndLeaderKilled,
    Fault::NodeFrozen,
    Fault::LeaderFrozen,
    Fault::FollowerFrozen,
    Fault::TwoMembersKilled,
    Fault::RollingRestart,
    Fault::Duplicates,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_missing_on_any_node() {
    let rounds: usize = match std::env::var("DOWNLINK_CLUSTER_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("DOWNLINK_CLUSTER_ROUNDS is a number"),
        Err(_) => FAULTS.len(),
    };
    let seed = rand::random();
    println!("{rounds} rounds with seed {seed}");
    let directory = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(MEMBERS).await;
    let members: Vec<_> = (0..MEMBERS).map(|member| etcd.endpoint(member)).collect();
    let url = format!("etcd://{}/rounds", members.join(","));
    let node = |index: usize| {
        let name = format!("n{index}");
        Node::start(&name, directory.path().join(&name), &url, &FLAGS)
    };
    let mut nodes: Vec<_> = (0..NODES).map(node).collect();
    nodes.iter_mut().for_each(Node::is_ready);
    let places: Arc<[Place]> = nodes.iter().map(|node| node.place.clone()).collect();
    let mut random = StdRng::seed_from_u64(seed);
    let clients = (0..CLIENTS).map(|id| Client::new(id, random.random(), places.clone()));
    let clients = clients.collect();
    let mut cluster = Cluster { etcd, nodes, random, clients };
    let mut gaps = vec![Vec::new(); FAULTS.len()];
    let mut acknowledged = 0;
    for round in 0..rounds {
        let kind = round % FAULTS.len();
        let (gap, acks) = cluster.round(FAULTS[kind]).await;
        gaps[kind].push(gap);
        acknowledged += acks;
        cluster.check(round, FAULTS[kind]);
    }
    println!("{acknowledged} acknowledged in all, and nothing lost; all nodes are the same");
    for (fault, mut gaps) in FAULTS.iter().zip(gaps).filter(|(_, gaps)| !gaps.is_empty()) {
        gaps.sort_unstable();
        let (median, most) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
        println!(
            "{fault:?}: {} rounds, nobody acknowledged for {:.2} s (median), {:.2} s (most)",
            gaps.len(),
            median.as_secs_f64(),
            most.as_secs_f64()
        );
    }
}

struct Cluster {
    etcd: Etcd,
    nodes: Vec<Node>,
    random: StdRng,
    clients: Vec<Client>,
}

impl Cluster {
    /// Has something happen under load, and heals it; returns the longest time in which
    /// nobody was acknowledged, and how often anybody was.
    async fn round(&mut self, fault: Fault) -> (Duration, u64) {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            twice: matches!(fault, Fault::Duplicates),
            acks: AtomicU64::new(0),
            gap: Mutex::new((Instant::now(), Duration::ZERO)),
        });
        let clients = std::mem::take(&mut self.clients).into_iter().map(|mut client| {
            let shared = shared.clone();
            std::thread::spawn(move || {
                client.run(&shared);
                client
            })
        });
        let clients: Vec<_> = clients.collect();
        self.more(&shared, 300);
        *shared.gap.lock().unwrap() = (Instant::now(), Duration::ZERO);
        let leader = self.etcd.leader().await;
        self.happens(fault, leader).await;
        // What went on before may be answered only now.
        self.more(&shared, 300);
        let (last, longest) = *shared.gap.lock().unwrap();
        let gap = longest.max(last.elapsed());
        shared.stop.store(true, Ordering::Relaxed);
        self.clients = clients.into_iter().map(|client| client.join().unwrap()).collect();
        (gap, shared.acks.load(Ordering::Relaxed))
    }

    async fn happens(&mut self, fault: Fault, leader: usize) {
        let lasts = Duration::from_millis(self.random.random_range(200..2500));
        let node = self.random.random_range(0..NODES);
        let follower = (leader + self.random.random_range(1..MEMBERS)) % MEMBERS;
        match fault {
            Fault::NodeKilled => {
                self.nodes[node].kill();
                sleep(lasts);
                self.nodes[node].run(&[]);
            }
            Fault::LeaderKilled => {
                self.etcd.kill(leader);
                sleep(lasts);
                self.etcd.run(leader);
            }
            Fault::FollowerKilled => {
                self.etcd.kill(follower);
                sleep(lasts);
                self.etcd.run(follower);
            }
            Fault::NodeAndLeaderKilled => {
                self.nodes[node].kill();
                self.etcd.kill(leader);
                sleep(lasts);
                self.etcd.run(leader);
                self.nodes[node].run(&[]);
            }
            Fault::NodeFrozen => {
                self.nodes[node].signal(Signal::STOP);
                sleep(lasts);
                self.nodes[node].signal(Signal::CONT);
            }
            Fault::LeaderFrozen => {
                self.etcd.freeze(leader);
                sleep(lasts);
                self.etcd.thaw(leader);
            }
            Fault::FollowerFrozen => {
                self.etcd.freeze(follower);
                sleep(lasts);
                self.etcd.thaw(follower);
            }
            Fault::TwoMembersKilled => {
                self.etcd.kill(leader);
                self.etcd.kill(follower);
                sleep(lasts);
                self.etcd.run(follower);
                self.etcd.run(leader);
            }
            Fault::RollingRestart => {
                for node in &mut self.nodes {
                    let status = node.stop();
                    assert!(status.success(), "{status}\n{}", node.told());
                    node.run(&[format!("--workers={}", self.random.random_range(1..=4))]);
                    node.is_ready();
                }
            }
            Fault::Duplicates => sleep(lasts),
        }
        self.etcd.is_healthy().await;
        self.nodes.iter_mut().for_each(Node::is_ready);
    }

    /// Waits until so many more were acknowledged.
    fn more(&self, shared: &Shared, acks: u64) {
        let goal = shared.acks.load(Ordering::Relaxed) + acks;
        let begun = Instant::now();
        while shared.acks.load(Ordering::Relaxed) < goal {
            let told = || self.nodes.iter().map(Node::told).collect::<String>();
            assert!(begun.elapsed() < PATIENCE, "nobody is acknowledged\n{}", told());
            sleep(Duration::from_millis(5));
        }
    }

    /// That every node has whatever was acknowledged, and shows the same.
    fn check(&self, round: usize, fault: Fault) {
        let listed: Vec<_> = self.nodes.iter().map(|node| node.json("/rockets")).collect();
        // Of what was never answered, something may be appended only now.
        let listed = if listed.windows(2).all(|two| two[0] == two[1]) {
            listed
        } else {
            self.nodes.iter().map(|node| node.json("/rockets")).collect()
        };
        for (node, rockets) in self.nodes.iter().zip(&listed) {
            let told = || format!("round {round}, {fault:?}, {}", node.told());
            assert_eq!(rockets, &listed[0], "{}", told());
            for rocket in self.clients.iter().flat_map(|client| &client.rockets) {
                let all = rockets.as_array().unwrap();
                let found = all.iter().find(|it| it["id"] == *rocket.channel);
                rocket.check(found, &told);
            }
        }
    }
}

/// What the clients of a round share.
struct Shared {
    stop: AtomicBool,
    /// Whether each message goes to two nodes at once.
    twice: bool,
    acks: AtomicU64,
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
    /// Who is asked.
    node: usize,
    connections: [Option<Connection>; NODES],
    rockets: Vec<Rocket>,
    /// What is not acknowledged yet: of which rocket, and whether it was ever sent.
    current: Option<(usize, u64, bool)>,
}

impl Client {
    fn new(id: usize, seed: u64, places: Arc<[Place]>) -> Self {
        let rocket = |index| Rocket::new(format!("rocket-{id}-{index}"));
        Self {
            random: StdRng::seed_from_u64(seed),
            places,
            node: id % NODES,
            connections: Default::default(),
            rockets: (0..ROCKETS_EACH).map(rocket).collect(),
            current: None,
        }
    }

    fn run(&mut self, shared: &Shared) {
        while !shared.stop.load(Ordering::Relaxed) {
            let (index, number, was_sent) = self.current.unwrap_or_else(|| {
                let index = self.random.random_range(0..self.rockets.len());
                (index, self.rockets[index].next(&mut self.random), false)
            });
            self.rockets[index].uncertain = Some(number);
            self.current = Some((index, number, true));
            let message = message(&self.rockets[index].channel, number);
            let other = (self.node + 1) % NODES;
            let at: &[usize] = if shared.twice { &[self.node, other] } else { &[self.node] };
            let answers = self.post(at, &message);
            let outcomes: Vec<_> = answers.iter().flatten().filter_map(outcome).collect();
            if let ([one, two], false) = (&outcomes[..], was_sent) {
                let repeated = [one, two].into_iter().filter(|it| *it == "duplicate").count();
                assert_eq!(repeated, 1, "{outcomes:?}");
            }
            if outcomes.is_empty() {
                // The next one may know better; all of them may not, for a moment.
                self.node = other;
                sleep(Duration::from_millis(10));
                continue;
            }
            self.rockets[index].acknowledge(number);
            self.current = None;
            shared.acknowledged();
        }
    }

    /// Sends to all of these nodes before any answer is read.
    fn post(&mut self, at: &[usize], message: &Value) -> Vec<Option<Answer>> {
        let send = |node: &usize| {
            let mut connection = match self.connections[*node].take() {
                Some(connection) => connection,
                None => Connection::open(&self.places[*node]).ok()?,
            };
            connection.post(message).ok()?;
            Some((*node, connection))
        };
        let sent: Vec<_> = at.iter().map(send).collect();
        let receive = |sent: Option<(usize, Connection)>| {
            let (node, mut connection) = sent?;
            let answer = connection.receive().ok()?;
            self.connections[node] = Some(connection);
            Some(answer)
        };
        sent.into_iter().map(receive).collect()
    }
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
fn message(channel: &str, number: u64) -> Value {
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
