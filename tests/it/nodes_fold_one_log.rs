//! Several nodes on one log: any node accepts, all nodes end with the fold of what was
//! accepted, and a read on any of them sees what any of them acknowledged before.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use downlink::app::cluster::Cluster;
use downlink::config::{Config, Durability};
use downlink::fleet::checkpoint::Interval;
use downlink::fleet::cluster::peers::Policy;
use downlink::journal::shared::{Entry, EntryId, SharedLog};
use downlink::journal::sqlite::SqliteJournal;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::support::between::Between;
use super::support::messages::{change_mission, explode, launch_as, speed_up};
use super::support::scrape::Scrape;
use super::support::shared_log::MemoryLog;
use super::support::{Connection, Request, Service, eventually, oracle, problem};

pub const POLICY: Policy = Policy { copies: 2, log_limit: 1 << 30, stride: 16 };

pub fn cluster(log: Arc<dyn SharedLog>, node: &str, local_reads: bool) -> Cluster {
    let (advertise, token) = (None, None);
    Cluster { log, node: node.into(), local_reads, policy: POLICY, advertise, token }
}

/// A node that stores in `directory`, from time to time if `often`.
fn start(directory: &Path, workers: usize, often: bool, cluster: Cluster) -> Service {
    let change = |config: &mut Config| {
        config.workers = workers;
        config.durability = Durability::Fsync;
        config.data_dir = directory.to_owned();
        let (records, time) = if often { (50, 20) } else { (1 << 40, 3_600_000) };
        config.checkpoints = Interval { records, time: Duration::from_millis(time) };
    };
    let source = Box::new(SqliteJournal::fsync(directory, Duration::ZERO));
    Service::member(change, source, cluster)
}

/// What a node shows, without what it only counts for itself.
pub fn shown(node: &Service) -> Vec<Value> {
    let mut rockets = node.read("/rockets").as_array().unwrap().clone();
    rockets.iter_mut().for_each(without_counts);
    rockets
}

fn without_counts(rocket: &mut Value) {
    rocket.as_object_mut().unwrap().remove("conflicts");
}

pub fn expected(messages: &[Value]) -> Vec<Value> {
    let mut rockets = oracle::rockets(messages);
    rockets.iter_mut().for_each(without_counts);
    rockets
}

pub fn flights(rockets: usize, messages: u64) -> Vec<Value> {
    let mut all = Vec::new();
    for rocket in 0..rockets {
        let id = format!("rocket {rocket}");
        all.push(launch_as(&id, "Falcon-9", 500, "ARTEMIS"));
        for number in 2..messages {
            all.push(match number % 5 {
                0 => change_mission(&id, number, &format!("mission {number}")),
                _ => speed_up(&id, number, i64::try_from(number).unwrap()),
            });
        }
        all.push(explode(&id, messages, "the test is over"));
    }
    all
}

#[test]
fn what_one_node_acknowledges_every_node_shows() {
    let log = MemoryLog::new();
    let directories = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let nodes: Vec<_> = directories
        .iter()
        .enumerate()
        .map(|(at, directory)| {
            let name = format!("node-{at}");
            let (handle, faults) = log.handle(at as u64);
            faults.slowness.store(3000, Ordering::Relaxed);
            start(directory.path(), at + 1, false, cluster(handle, &name, false))
        })
        .collect();
    nodes.iter().for_each(Service::wait_until_ready);
    let mut messages = flights(5, 20);
    messages.shuffle(&mut StdRng::seed_from_u64(1));
    for (at, message) in messages.iter().enumerate() {
        let outcome = nodes[at % 3].post(std::slice::from_ref(message));
        assert_ne!(outcome, "duplicate");
        // Whoever is asked knows it already, and so does whoever gets it again.
        let repeated = nodes[(at + 1) % 3].post(std::slice::from_ref(message));
        assert_eq!(repeated, "duplicate");
        assert_eq!(shown(&nodes[(at + 2) % 3]), expected(&messages[..=at]));
    }
    for node in &nodes {
        assert_eq!(shown(node), expected(&messages));
        let answer = node.get("/rockets");
        assert!(answer.header("x-log-position").is_some());
    }
}

#[test]
fn of_two_messages_with_one_number_the_first_in_the_log_counts_everywhere() {
    let log = MemoryLog::new();
    let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let nodes = [0, 1].map(|at| {
        let (handle, faults) = log.handle(at as u64);
        faults.slowness.store(4000, Ordering::Relaxed);
        start(directories[at].path(), 2, false, cluster(handle, &format!("n{at}"), false))
    });
    nodes.iter().for_each(Service::wait_until_ready);
    nodes[0].post(&[launch_as("r", "A", 500, "M")]);
    for number in 2..40 {
        std::thread::scope(|scope| {
            for (at, node) in nodes.iter().enumerate() {
                let by = i64::try_from(at).unwrap() * 1000 + 1;
                scope.spawn(move || node.post(&[speed_up("r", number, by)]));
            }
        });
        assert_eq!(shown(&nodes[0]), shown(&nodes[1]));
    }
}

#[test]
fn any_faults_and_restarts_leave_the_same_fleet_on_all_nodes() {
    for seed in 0..6 {
        storm(seed);
    }
}

/// Nodes that are restarted, cut off and slow, while senders send everything again and
/// again until it is acknowledged.
fn storm(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let log = MemoryLog::new();
    let directories = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let between = [(); 3].map(|()| Between::new());
    let begin = |at: usize, seed: u64| {
        let (handle, faults) = log.handle(seed);
        faults.slowness.store(2000, Ordering::Relaxed);
        faults.unknown.store(200, Ordering::Relaxed);
        let workers = 1 + usize::try_from(seed).unwrap() % 3;
        let cluster = cluster(handle, &format!("node-{at}"), false);
        let cluster = Cluster { advertise: Some(between[at].url.clone()), ..cluster };
        let node = start(directories[at].path(), workers, true, cluster);
        between[at].leads_to(node.address);
        (node, faults)
    };
    // One that was left behind takes over what another one has.
    let again = |nodes: &mut Vec<(Service, _)>, at: usize, seed: u64| {
        let error = nodes.remove(at).0.stop().unwrap_err();
        assert!(error.contains("start it again"), "{error}");
        nodes.insert(at, begin(at, seed));
    };
    let mut nodes: Vec<_> = (0..3).map(|at| begin(at, seed * 100 + at as u64)).collect();
    for (node, _) in &nodes {
        node.wait_until_ready();
    }
    let mut messages = flights(8, 25);
    messages.shuffle(&mut random);
    let mut sent = 0;
    for (round, chunk) in messages.chunks(20).enumerate() {
        let one = random.random_range(0..3);
        match round % 3 {
            0 => nodes[one].1.cut_off.store(true, Ordering::Relaxed),
            1 => {
                let (node, _) = nodes.remove(one);
                if let Err(error) = node.stop() {
                    assert!(error.contains("start it again"), "{error}");
                }
                nodes.insert(one, begin(one, random.random_range(0..1000)));
            }
            _ => {}
        }
        for message in chunk {
            eventually("it is acknowledged somewhere", || {
                let at = random.random_range(0..3);
                if nodes[at].0.has_ended() {
                    again(&mut nodes, at, random.random_range(0..1000));
                }
                let Ok(stream) = std::net::TcpStream::connect(nodes[at].0.address) else {
                    return false;
                };
                let answer = Connection::new(stream).try_request(&Request::message(message));
                let Ok(answer) = answer else { return false };
                assert!([200, 503].contains(&answer.status), "{}", answer.text());
                answer.status == 200
            });
            sent += 1;
        }
        nodes[one].1.cut_off.store(false, Ordering::Relaxed);
    }
    assert_eq!(sent, messages.len());
    eventually("all are ready", || {
        (0..3).all(|at| {
            if nodes[at].0.has_ended() {
                again(&mut nodes, at, random.random_range(0..1000));
            }
            let stream = std::net::TcpStream::connect(nodes[at].0.address);
            let answer =
                stream.and_then(|it| Connection::new(it).try_request(&Request::get("/readyz")));
            answer.is_ok_and(|answer| answer.status == 200)
        })
    });
    for (node, _) in &nodes {
        assert_eq!(shown(node), expected(&messages), "seed {seed}");
    }
    eventually("the log is trimmed", || log.trimmed() > 0);
}

#[test]
fn a_node_that_is_cut_off_says_so_and_heals() {
    let log = MemoryLog::new();
    let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (handle, faults) = log.handle(1);
    let node = start(directories[0].path(), 2, false, cluster(handle, "a", false));
    let (handle, far) = log.handle(2);
    let local = start(directories[1].path(), 2, false, cluster(handle, "b", true));
    [&node, &local].into_iter().for_each(Service::wait_until_ready);
    node.post(&[launch_as("r", "A", 500, "M")]);
    eventually("it is there", || local.read("/rockets").as_array().unwrap().len() == 1);
    for faults in [&faults, &far] {
        faults.cut_off.store(true, Ordering::Relaxed);
    }
    let detail = problem(&node.get("/rockets"), 503);
    assert!(detail.contains("the log of the cluster"), "{detail}");
    // This one reads what it has.
    assert_eq!(local.read("/rockets").as_array().unwrap().len(), 1);
    for node in [&node, &local] {
        eventually("it is unready", || node.get("/readyz").status == 503);
        eventually("it refuses at once", || {
            let answer = node.send(&Request::message(&speed_up("r", 2, 1)));
            assert_eq!(answer.status, 503);
            answer.text().contains("the test cut it off")
        });
    }
    for faults in [&faults, &far] {
        faults.cut_off.store(false, Ordering::Relaxed);
    }
    [&node, &local].into_iter().for_each(Service::wait_until_ready);
    eventually("it is taken", || node.send(&Request::message(&speed_up("r", 2, 1))).status == 200);
}

/// A node that lives finds its place in the log again, however far the others are.
#[test]
fn a_node_that_is_cut_off_for_a_while_reads_on() {
    let log = MemoryLog::new();
    let directories = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let (nodes, faults): (Vec<_>, Vec<_>) = (directories.iter().zip(["a", "b", "c"]))
        .map(|(directory, name)| {
            let (handle, faults) = log.handle(1);
            let node = start(directory.path(), 2, true, cluster(handle, name, false));
            node.wait_until_ready();
            (node, faults)
        })
        .unzip();
    let messages = flights(3, 20);
    let (before, after) = messages.split_at(20);
    nodes[2].post(before);
    let said = |name: &str| log.announced(name).unwrap_or_default();
    eventually("they know each other", || ["a", "b", "c"].iter().all(|it| said(it).applied > 0));
    faults[2].cut_off.store(true, Ordering::Relaxed);
    nodes[2].get("/rockets");
    nodes[0].post(after);
    let head = || said("a").applied.max(said("b").applied);
    let stored = || said("a").stored.min(said("b").stored);
    eventually("both have stored it", || {
        nodes[0].read("/rockets").is_array() && stored() == head()
    });
    let beats = ["a", "b"].map(|name| said(name).beat);
    eventually("both have looked what may be trimmed", || {
        ["a", "b"].iter().zip(beats).all(|(name, beat)| said(name).beat > beat + 1)
    });
    faults[2].cut_off.store(false, Ordering::Relaxed);
    nodes[2].wait_until_ready();
    assert_eq!(shown(&nodes[2]), expected(&messages));
    eventually("all of it is trimmed", || log.entries().is_empty());
}

/// A sender whose message is on its way when the log cannot be read on is told so, and
/// the stop waits for nobody: not even for the hour that either may take.
#[test]
fn who_waits_for_a_log_that_ends_is_told() {
    let log = MemoryLog::new();
    let directory = tempfile::tempdir().unwrap();
    let (handle, faults) = log.handle(1);
    let hour = Duration::from_secs(3600);
    let change = |config: &mut Config| {
        config.data_dir = directory.path().to_owned();
        config.http.request_timeout = hour;
        config.shutdown_timeout = hour;
    };
    let source = Box::new(SqliteJournal::fsync(directory.path(), Duration::ZERO));
    let node = Service::member(change, source, cluster(handle, "a", false));
    node.wait_until_ready();
    faults.slowness.store(3_600_000_000, Ordering::Relaxed);
    let mut sender = node.connect();
    sender.send(&Request::message(&launch_as("r", "A", 500, "M")).to_bytes());
    let in_flight = || Scrape::of(&node).get("downlink_cluster_entries_in_flight", &[]);
    eventually("it is on its way", || in_flight() >= 1.0);
    let id = EntryId { node: "b".into(), incarnation: 1, number: 1 };
    log.put(Entry { id, bytes: vec![9, 0, 0, 0, 0].into() });
    let detail = problem(&sender.receive(), 503);
    assert!(detail.contains("version 9"), "{detail}");
    assert!(node.stop_when_ended().unwrap_err().contains("version 9"));
}

#[test]
fn a_full_log_refuses_and_takes_what_is_sent_again() {
    let log = MemoryLog::new();
    let directory = tempfile::tempdir().unwrap();
    let (handle, faults) = log.handle(1);
    let node = start(directory.path(), 2, false, cluster(handle, "a", false));
    node.wait_until_ready();
    faults.full.store(true, Ordering::Relaxed);
    let message = launch_as("r", "A", 500, "M");
    let detail = problem(&node.send(&Request::message(&message)), 503);
    assert!(detail.contains("the log is full"), "{detail}");
    assert!(node.read("/rockets").as_array().unwrap().is_empty());
    faults.full.store(false, Ordering::Relaxed);
    eventually("it is taken", || node.send(&Request::message(&message)).status == 200);
    assert_eq!(shown(&node), expected(&[message]));
}

#[test]
fn what_cannot_be_read_ends_the_node() {
    let log = MemoryLog::new();
    let directory = tempfile::tempdir().unwrap();
    let (handle, _) = log.handle(1);
    let node = start(directory.path(), 2, false, cluster(handle, "a", false));
    node.wait_until_ready();
    let id = EntryId { node: "b".into(), incarnation: 1, number: 1 };
    log.put(Entry { id, bytes: vec![9, 0, 0, 0, 0].into() });
    eventually("it ends", || node.has_ended());
    let error = node.stop().unwrap_err();
    assert!(error.contains("version 9"), "{error}");
}

#[test]
fn a_log_that_lost_its_end_is_not_followed() {
    let log = MemoryLog::new();
    let directory = tempfile::tempdir().unwrap();
    let begin = || {
        let (handle, _) = log.handle(1);
        start(directory.path(), 2, true, cluster(handle, "a", false))
    };
    let node = begin();
    node.wait_until_ready();
    node.post(&[launch_as("r", "A", 500, "M"), speed_up("r", 2, 1)]);
    node.stop().unwrap();
    log.lose_behind(0);
    let error = begin().stop_when_ended().unwrap_err();
    assert!(error.contains("has lost something"), "{error}");
}

#[test]
fn a_directory_belongs_to_a_cluster_or_to_none() {
    let log = MemoryLog::new();
    let directory = tempfile::tempdir().unwrap();
    let (handle, _) = log.handle(1);
    let node = start(directory.path(), 2, false, cluster(handle.clone(), "a", false));
    node.wait_until_ready();
    node.post(&[launch_as("r", "A", 500, "M")]);
    node.stop().unwrap();
    let alone = |config: &mut Config| config.data_dir = directory.path().to_owned();
    let source = || Box::new(SqliteJournal::fsync(directory.path(), Duration::ZERO));
    let error = Service::opened(alone, source()).stop_when_ended().unwrap_err();
    assert!(error.contains("--cluster"), "{error}");
    let other = tempfile::tempdir().unwrap();
    let source = || Box::new(SqliteJournal::fsync(other.path(), Duration::ZERO));
    let single = Service::opened(|_| {}, source());
    single.wait_until_ready();
    single.post(&[launch_as("r", "A", 500, "M")]);
    single.stop().unwrap();
    let error = start(other.path(), 2, false, cluster(handle, "b", false));
    let error = error.stop_when_ended().unwrap_err();
    assert!(error.contains("start with an empty one"), "{error}");
}

/// What operators see of a node: in `/readyz?verbose` and in `/metrics`, and of a service
/// alone nothing.
#[test]
fn a_node_says_how_it_takes_part() {
    let (directory, log) = (tempfile::tempdir().unwrap(), MemoryLog::new());
    let start = |name: &str, seed| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        start(&path, 2, true, cluster(log.handle(seed).0, name, false))
    };
    let nodes = [start("a", 1), start("b", 2)];
    nodes.iter().for_each(Service::wait_until_ready);
    nodes[0].post(&flights(1, 5));
    eventually("both have stored it, and know of each other", || {
        let [one, two] =
            nodes.each_ref().map(|node| node.read("/readyz?verbose")["cluster"].clone());
        let peers = one["peers"].as_array().unwrap();
        let all = peers.len() == 2 && peers.iter().all(|peer| peer["stored"] == one["stored"]);
        let stored = one["stored"].as_u64() > Some(0) && one["stored"] == two["applied"];
        all && stored && one["lag"] == 0 && one["node"] == "a" && two["node"] == "b"
    });
    let scrape = Scrape::of(&nodes[0]);
    let get = |name: &str| scrape.get(&format!("downlink_cluster_{name}"), &[]);
    assert!(get("appends_total") >= 1.0 && get("append_seconds_total") > 0.0);
    assert_eq!((get("peers"), get("lag_offsets"), get("entries_in_flight")), (2.0, 0.0, 0.0));
    assert!(get("applied_offset") - get("stored_offset") == 0.0);
    assert!(get("log_limit_bytes") - f64::from(1 << 30) == 0.0);
    let manual = include_str!("../../docs/OPERATIONS.md");
    let missing: Vec<_> = scrape.families().into_iter().filter(|it| !manual.contains(it)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let alone = Service::start();
    assert!(alone.read("/readyz?verbose").get("cluster").is_none());
    assert!(!Scrape::of(&alone).text().contains("downlink_cluster_"));
}
