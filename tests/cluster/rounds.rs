//! Three nodes on three members of etcd, under load from clients that move on when one
//! fails, while nodes and members are killed, frozen, cut off and restarted: whatever was
//! acknowledged is on every node, and all nodes show the same.
//!
//! Fifteen rounds by default, one of each kind; `DOWNLINK_CLUSTER_ROUNDS` sets another number
//! (`just crash-cluster 200`), and `DOWNLINK_CLUSTER_FAULTS=NodeAway,DiskFull` which kinds.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;

use super::clients::{Clients, Load, Seen};
use super::contract::eventually;
use super::links::{Link, Links, Way};
use super::members::Etcd;
use super::nodes::{Node, Place};

const NODES: usize = 3;
const MEMBERS: usize = 3;
const CLIENTS: usize = 16;

/// Checkpoints and trims are under way all the time; two nodes are enough to trim.
const FLAGS: [&str; 5] = [
    "--checkpoint-interval=500ms",
    "--checkpoint-messages=1000",
    "--copies=2",
    "--shutdown-timeout=30s",
    "--threads=1",
];

/// How many a node has after a planned restart, at random.
const WORKERS: [usize; 5] = [1, 2, 3, 5, 16];

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
    LinkReset,
    LinkSilent,
    LinkWithoutAnswers,
    DiskFull,
    NodeAway,
}

const FAULTS: [Fault; 15] = [
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
    Fault::LinkReset,
    Fault::LinkSilent,
    Fault::LinkWithoutAnswers,
    Fault::DiskFull,
    Fault::NodeAway,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_missing_on_any_node() {
    let rounds: usize = match std::env::var("DOWNLINK_CLUSTER_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("DOWNLINK_CLUSTER_ROUNDS is a number"),
        Err(_) => FAULTS.len(),
    };
    let only = std::env::var("DOWNLINK_CLUSTER_FAULTS").unwrap_or_default();
    let is_asked_for =
        |fault: &Fault| only.is_empty() || only.split(',').any(|it| it == format!("{fault:?}"));
    let faults: Vec<_> = FAULTS.into_iter().filter(is_asked_for).collect();
    let seed = rand::random();
    println!("{rounds} rounds with seed {seed}");
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "a-secret-of-the-nodes").unwrap();
    let etcd = Etcd::start(MEMBERS).await;
    let links: Vec<_> = (0..NODES).map(|_| Links::to(etcd.places())).collect();
    let places: Arc<[Place]> = (0..NODES).map(|_| Place::default()).collect();
    // Where a node is for the others, whatever its port is by then.
    let peers: Vec<_> = places.iter().map(|place| Link::to(place.clone())).collect();
    let node = |index: usize| {
        let name = format!("n{index}");
        let more = [
            format!("--advertise=http://{}", peers[index].endpoint()),
            format!("--admin-token-file={}", token.display()),
            format!("--cluster-token-file={}", token.display()),
        ];
        let more = FLAGS.into_iter().chain(more.iter().map(String::as_str)).collect::<Vec<_>>();
        let (url, directory) = (links[index].url("rounds"), directory.path().join(&name));
        Node::start_at(&places[index], &name, &directory, &url, &more)
    };
    let mut nodes: Vec<_> = (0..NODES).map(node).collect();
    nodes.iter_mut().for_each(Node::is_ready);
    let mut random = StdRng::seed_from_u64(seed);
    let mut clients = Clients::of(&places, CLIENTS, &mut random);
    let mut cluster = Cluster { etcd, nodes, links, random };
    let mut seen = vec![Vec::new(); faults.len()];
    for round in 0..rounds {
        let kind = round % faults.len();
        let load = clients.start(matches!(faults[kind], Fault::Duplicates));
        let saw = cluster.round(faults[kind], &load).await;
        clients = load.stop();
        seen[kind].push(saw);
        clients.check(&cluster.nodes, &format!("round {round}, {:?}", faults[kind]));
    }
    let all = seen.iter().flatten().map(|seen| seen.acknowledged).sum::<u64>();
    println!("{all} acknowledged in all, and nothing lost; all nodes are the same");
    for (fault, seen) in faults.iter().zip(seen).filter(|(_, seen)| !seen.is_empty()) {
        let mut gaps: Vec<_> = seen.iter().map(|seen| seen.gap).collect();
        gaps.sort_unstable();
        let (median, most) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
        let sum = |count: fn(&Seen) -> u64| seen.iter().map(count).sum::<u64>();
        println!(
            "{fault:?}: {} rounds, nobody acknowledged for {:.2} s (median), {:.2} s (most); {} \
             requests were refused, {} sent and not answered ({} of them taken), {} not sent; {} messages failed at all nodes in turn",
            gaps.len(),
            median.as_secs_f64(),
            most.as_secs_f64(),
            sum(|seen| seen.refused),
            sum(|seen| seen.unanswered),
            sum(|seen| seen.untold),
            sum(|seen| seen.unsent),
            sum(|seen| seen.failed),
        );
    }
}

struct Cluster {
    etcd: Etcd,
    nodes: Vec<Node>,
    /// Of each node to the members.
    links: Vec<Links>,
    random: StdRng,
}

impl Cluster {
    /// Has something happen under load, and heals it; returns what clients saw of it.
    async fn round(&mut self, fault: Fault, load: &Load) -> Seen {
        self.more(load);
        load.counts();
        let leader = self.etcd.leader().await;
        self.happens(fault, leader, load).await;
        let planned = load.seen();
        // What went on before may be answered only now.
        self.more(load);
        if matches!(fault, Fault::RollingRestart) {
            assert_eq!((planned.failed, planned.untold), (0, 0), "{planned:?}");
        }
        load.seen()
    }

    fn more(&self, load: &Load) {
        load.more(300, &|| self.nodes.iter().map(Node::told).collect());
    }

    async fn happens(&mut self, fault: Fault, leader: usize, load: &Load) {
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
                    let workers = WORKERS[self.random.random_range(0..WORKERS.len())];
                    node.run(&[format!("--workers={workers}")]);
                    node.is_ready();
                }
            }
            Fault::Duplicates => sleep(lasts),
            Fault::LinkReset => self.cut(node, Way::Reset, lasts),
            Fault::LinkSilent => self.cut(node, Way::Silent, lasts),
            Fault::LinkWithoutAnswers => self.cut(node, Way::NoAnswers, lasts),
            Fault::DiskFull => self.has_no_room((leader + node) % MEMBERS, lasts).await,
            Fault::NodeAway => self.is_away(node, load).await,
        }
        self.etcd.is_healthy().await;
        self.nodes.iter_mut().for_each(Node::is_ready);
    }

    /// Cuts a node off, for a while or until it says so.
    fn cut(&mut self, node: usize, way: Way, lasts: Duration) {
        self.links[node].set(way);
        if self.random.random_bool(0.5) {
            self.nodes[node].is_unready("the log of the cluster");
        } else {
            sleep(lasts);
        }
        self.links[node].set(Way::Clear);
    }

    /// A member that cannot write any more ends by itself.
    async fn has_no_room(&mut self, member: usize, lasts: Duration) {
        self.etcd.fill(member, self.etcd.written(member));
        let mut said = None;
        eventually("a member without room ends", || {
            said = said.take().or_else(|| self.etcd.ended(member));
            std::future::ready(said.is_some())
        })
        .await;
        let said = said.unwrap();
        assert!(said.contains("file too large"), "{said}");
        sleep(lasts);
        self.etcd.run(member);
    }

    /// The log is trimmed past a node that is away.
    async fn is_away(&mut self, node: usize, load: &Load) {
        const TOOK_OVER: &str = "took over what another node has stored";
        let times = |node: &Node| node.told().matches(TOOK_OVER).count();
        let before = times(&self.nodes[node]);
        self.nodes[node].kill();
        let log = self.etcd.log("rounds");
        // All that it can have read.
        let read = log.head().await.unwrap();
        eventually("the log is trimmed past a node that is away", || async {
            log.trimmed().await.is_ok_and(|trimmed| trimmed > read)
        })
        .await;
        self.more(load);
        self.nodes[node].run(&[]);
        self.nodes[node].is_ready();
        assert_eq!(times(&self.nodes[node]), before + 1, "{}", self.nodes[node].told());
    }
}
