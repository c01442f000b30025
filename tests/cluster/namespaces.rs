//! Three machines as far as the network goes: a namespace each, with a member of etcd and
//! a node, and between each two a link that can lose every packet. Unlike with a proxy
//! between a node and its members, these are cut off from each other, too. Needs the right
//! to make namespaces, `ip` and `tc`; where they are not to be had it says so.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use etcd_client::Client;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use tempfile::TempDir;

use super::clients::message;
use super::contract::PATIENCE;
use super::nodes::{Answer, Connection, Node, get};

const MACHINES: usize = 3;
/// Passes on no packet, for none is as small.
const NOTHING: &str = "root tbf rate 8bit burst 1b limit 1b";

const LOG: &str = "the log of the cluster";

struct Machines {
    members: Vec<Child>,
    directory: TempDir,
}

fn address(machine: usize) -> String {
    format!("10.77.0.{}", machine + 1)
}

/// Of this process, so that tests may run beside each other.
fn name(machine: usize) -> String {
    format!("downlink-{}-{machine}", std::process::id())
}

/// Whether it did what it was told.
fn run(command: &str) -> bool {
    let mut words = command.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn does(command: &str) -> Option<()> {
    run(command).then_some(())
}

/// The device at one machine that leads to another.
fn device(to: usize) -> String {
    format!("to{to}")
}

/// On a thread that is on this machine: what it connects to, listens on and starts is.
fn on<T: Send>(machine: usize, work: impl FnOnce() -> T + Send) -> T {
    let space = File::open(format!("/run/netns/{}", name(machine))).unwrap();
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        });
        working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn queue(what: &str, near: usize, far: usize) -> String {
    format!("ip netns exec {} tc qdisc {what} dev {}", name(near), device(far))
}

/// Has a link lose every packet, or pass on all again.
fn lose(one: usize, other: usize) {
    for (near, far) in [(one, other), (other, one)] {
        assert!(run(&format!("{} {NOTHING}", queue("add", near, far))));
    }
}

fn mend(one: usize, other: usize) {
    for (near, far) in [(one, other), (other, one)] {
        assert!(run(&format!("{} root", queue("del", near, far))));
    }
}

/// The machine whose member leads, by what its own says.
fn leader() -> usize {
    let leads = |machine: &usize| {
        on(*machine, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let place = format!("{}:2379", address(*machine));
                let status = Client::connect([place], None).await.unwrap().status().await;
                let status = status.unwrap();
                status.header().unwrap().member_id() == status.leader()
            })
        })
    };
    (0..MACHINES).find(leads).expect("somebody leads")
}

impl Machines {
    /// Nothing where they cannot be had.
    fn start() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut machines = Self { members: Vec::new(), directory };
        for machine in 0..MACHINES {
            let space = name(machine);
            does(&format!("ip netns add {space}"))?;
            does(&format!("ip -n {space} link set lo up"))?;
            does(&format!("ip -n {space} addr add {}/32 dev lo", address(machine)))?;
        }
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let (of_one, of_other) = (device(other), device(one));
            let ends = format!("netns {} type veth peer name {of_other}", name(one));
            does(&format!("ip link add {of_one} {ends} netns {}", name(other)))?;
            for (near, far) in [(one, other), (other, one)] {
                let (space, device, source) = (name(near), device(far), address(near));
                does(&format!("ip -n {space} link set {device} up"))?;
                let to = address(far);
                does(&format!("ip -n {space} route add {to} dev {device} src {source}"))?;
            }
        }
        does(&format!("{} {NOTHING}", queue("add", 0, 1)))?;
        does(&format!("{} root", queue("del", 0, 1)))?;
        (0..MACHINES).for_each(|machine| machines.start_member(machine));
        Some(machines)
    }

    fn start_member(&mut self, machine: usize) {
        let all: Vec<_> =
            (0..MACHINES).map(|it| format!("m{it}=http://{}:2380", address(it))).collect();
        let directory = self.directory.path();
        let mut command = Command::new("etcd");
        command.arg(format!("--name=m{machine}"));
        command.arg(format!("--data-dir={}/m{machine}", directory.display()));
        for flag in ["--listen-client-urls", "--advertise-client-urls"] {
            command.arg(format!("{flag}=http://{}:2379", address(machine)));
        }
        for flag in ["--listen-peer-urls", "--initial-advertise-peer-urls"] {
            command.arg(format!("{flag}=http://{}:2380", address(machine)));
        }
        command.arg(format!("--initial-cluster={}", all.join(",")));
        command.args(["--logger=zap", "--heartbeat-interval=50", "--election-timeout=500"]);
        let log = File::create(directory.join(format!("m{machine}.log"))).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.members.push(on(machine, || command.spawn().unwrap()));
    }

    /// Starts a node that knows all members.
    fn node(&self, machine: usize) -> Node {
        let all: Vec<_> = (0..MACHINES).map(|it| format!("{}:2379", address(it))).collect();
        let url = format!("etcd://{}/namespaces", all.join(","));
        let directory = self.directory.path().join(format!("n{machine}"));
        let node_name = format!("n{machine}");
        on(machine, || {
            let mut node = Node::start(&node_name, &directory, &url, &[]);
            node.is_ready();
            node
        })
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.kill();
            let _ = member.wait();
        }
        (0..MACHINES).for_each(|machine| {
            run(&format!("ip netns del {}", name(machine)));
        });
    }
}

/// Sends the next message of a rocket until it is answered in this way; returns the answer.
fn sends(machine: usize, node: &Node, message: &Value, status: u16) -> Answer {
    on(machine, || {
        let begun = Instant::now();
        loop {
            let mut connection = Connection::open(&node.place).unwrap().waits_for(2 * PATIENCE);
            connection.post(message).unwrap();
            let answer = connection.receive().unwrap();
            if answer.status == status {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{answer:?}\n{}", node.told());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    })
}

/// What a node answers to a read, which may wait for its own time limit.
fn reads(machine: usize, node: &Node) -> Answer {
    on(machine, || {
        let begun = Instant::now();
        loop {
            match get(&node.place, "/rockets") {
                Ok(answer) => return answer,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}\n{}", node.told()),
            }
        }
    })
}

#[test]
fn machines_that_are_cut_off_from_each_other_lose_nothing() {
    let Some(machines) = Machines::start() else {
        println!("left out: there are no network namespaces to be had");
        return;
    };
    let mut nodes: Vec<_> = (0..MACHINES).map(|machine| machines.node(machine)).collect();
    // Of each node's sender, how far it is.
    let mut acknowledged = [0; MACHINES];
    let next =
        |machine: usize, acknowledged: u64| message(&format!("rocket-{machine}"), acknowledged + 1);
    for cut in ["the leader from both", "the leader from one", "a follower from both"] {
        println!("{cut}");
        let leader = leader();
        let others: Vec<_> = (0..MACHINES).filter(|&machine| machine != leader).collect();
        let cut = match cut {
            "the leader from both" => vec![(leader, others[0]), (leader, others[1])],
            "the leader from one" => vec![(leader, others[0])],
            _ => vec![(others[0], leader), (others[0], others[1])],
        };
        for machine in 0..MACHINES {
            let message = next(machine, acknowledged[machine]);
            sends(machine, &nodes[machine], &message, 200);
            acknowledged[machine] += 1;
        }
        for &(one, other) in &cut {
            lose(one, other);
        }
        let alone = (cut.len() == 2).then(|| cut[0].0);
        if let Some(alone) = alone {
            let message = next(alone, acknowledged[alone]);
            // A member that led takes it at first, and nobody follows.
            sends(alone, &nodes[alone], &message, 503);
            on(alone, || nodes[alone].is_unready("the log of the cluster is not read"));
            let answer = sends(alone, &nodes[alone], &message, 503);
            assert!(answer.body.contains(LOG), "{answer:?}");
            // Nor is a read answered from what it has.
            let answer = reads(alone, &nodes[alone]);
            assert_eq!(answer.status, 503, "{answer:?}");
        }
        for machine in (0..MACHINES).filter(|&machine| Some(machine) != alone) {
            for _ in 0..3 {
                let message = next(machine, acknowledged[machine]);
                sends(machine, &nodes[machine], &message, 200);
                acknowledged[machine] += 1;
            }
        }
        for &(one, other) in &cut {
            mend(one, other);
        }
        for (machine, node) in nodes.iter_mut().enumerate() {
            on(machine, || node.is_ready());
        }
        for (machine, node) in nodes.iter().enumerate() {
            let rockets = on(machine, || node.json("/rockets"));
            for (sender, expected) in acknowledged.iter().enumerate() {
                let id = format!("rocket-{sender}");
                let rocket = rockets.as_array().unwrap().iter().find(|it| it["id"] == *id);
                let last = rocket.unwrap()["last_message_number"].as_u64().unwrap();
                // What was refused may have been taken all the same.
                let unknown = u64::from(alone == Some(sender));
                assert!((*expected..=expected + unknown).contains(&last), "{id}: {last}");
            }
        }
    }
}
