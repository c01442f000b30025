//! Nodes that have made different fleets of one log find out by themselves, and say where;
//! nodes that have made the same do not, whatever goes wrong, and however many workers
//! they have.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use downlink::app::cluster::Cluster;
use downlink::config::{Config, Durability};
use downlink::fleet::checkpoint::Interval;
use downlink::fleet::cluster::digests::Noted;
use downlink::fleet::cluster::peers::Policy;
use downlink::fleet::limits::Quotas;
use downlink::fleet::outcome::Cause;
use downlink::fleet::roster::{Admission, Roster};
use downlink::fleet::routing::Router;
use downlink::journal::RocketSnapshot;
use downlink::journal::sqlite::SqliteJournal;
use downlink::telemetry::Channel;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::support::fleet::parse;
use super::support::messages::{change_mission, explode, launch_as, slow_down, speed_up};
use super::support::service::wide;
use super::support::shared_log::{Faults, MemoryLog};
use super::support::{Request, Service, eventually, problem};

/// Offsets from one mark to the next, for these tests.
const STRIDE: u64 = 16;

/// What happens to a roster.
#[derive(Clone, Debug)]
enum Step {
    Deliver(Value),
    /// Admitted, and taken back.
    Withdraw(Value),
    Skip(String),
    Forget(String),
    /// Everything is stored, and read into another one.
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    let id = || {
        let uuid = Just("193270a9-c9cf-404a-8f83-838e71d9ae67".to_owned());
        prop_oneof![Just("a".to_owned()), Just("b".to_owned()), uuid]
    };
    let message = || {
        (id(), 1u64..9, 0..5, -3i64..4).prop_map(|(id, number, kind, by)| {
            let text = format!("text {by}");
            match (number, kind) {
                (1, 0..=3) => launch_as(&id, &text, by.abs(), "ARTEMIS"),
                (_, 0) => change_mission(&id, number, &text),
                (_, 1) => explode(&id, number, &text),
                (_, 2) => slow_down(&id, number, by.abs()),
                _ => speed_up(&id, number, by.abs()),
            }
        })
    };
    prop_oneof![
        20 => message().prop_map(Step::Deliver),
        1 => message().prop_map(Step::Withdraw),
        3 => id().prop_map(Step::Skip),
        1 => id().prop_map(Step::Forget),
        1 => Just(Step::Restore),
    ]
}

fn roster() -> Roster {
    let quotas = Quotas::new(wide());
    quotas.keep_digests();
    Roster::new(Arc::new(quotas))
}

fn stored(roster: &Roster) -> Vec<RocketSnapshot> {
    (0..roster.slots()).filter_map(|slot| roster.kept(slot)).collect()
}

/// Does to the partition of a rocket what a step says.
fn take(rosters: &mut [Roster], router: &Router, step: &Step) {
    let of = |id: &str| {
        let channel = Channel::parse(id).unwrap();
        let partition = router.route(&channel);
        (channel, partition)
    };
    match step {
        Step::Deliver(message) => {
            let message = parse(message);
            rosters[router.route(&message.channel)].deliver(message, &mut ());
        }
        Step::Withdraw(message) => {
            let message = parse(message);
            let roster = &mut rosters[router.route(&message.channel)];
            if let Admission::Accepted(ticket) = roster.admit(&message) {
                roster.withdraw(ticket, message.report.number);
            }
        }
        Step::Skip(id) => {
            let (channel, partition) = of(id);
            if let Ok((slot, awaited)) = rosters[partition].find_gap(&channel, None) {
                rosters[partition].skip(slot, awaited, &mut ()).unwrap();
            }
        }
        Step::Forget(id) => {
            let (channel, partition) = of(id);
            rosters[partition].forget(&channel, Cause::Deleted, &mut ());
        }
        Step::Restore => {
            for old in rosters {
                let mut new = roster();
                for rocket in stored(old) {
                    new.restore(rocket);
                }
                *old = new;
            }
        }
    }
}

fn sum(digests: impl Iterator<Item = u64>) -> u64 {
    digests.fold(0, u64::wrapping_add)
}

proptest! {
    #[test]
    fn a_digest_that_is_kept_up_is_that_of_what_is_there(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let (mut one, mut three) = (vec![roster()], vec![roster(), roster(), roster()]);
        let routers = [Router::new(1), Router::new(3)];
        for step in &steps {
            take(&mut one, &routers[0], step);
            // Another node, which was not restarted, and nobody sent anything to.
            if !matches!(step, Step::Restore | Step::Withdraw(_)) {
                take(&mut three, &routers[1], step);
            }
            prop_assert_eq!(one[0].digest(), one[0].digest_anew(), "after {:?}", step);
            prop_assert_eq!(one[0].digest(), sum(three.iter().map(Roster::digest)));
            prop_assert_eq!(one[0].digest(), sum(three.iter().map(Roster::digest_anew)));
        }
    }
}

/// Whatever tells rockets apart tells their digests apart.
#[test]
fn all_that_is_folded_counts() {
    let digest = |messages: &[Value]| {
        let mut roster = roster();
        for message in messages {
            roster.deliver(parse(message), &mut ());
        }
        roster.digest()
    };
    let launch = || launch_as("a", "T", 5, "M");
    let mut late = launch();
    late["metadata"]["messageTime"] = "2031-02-02T19:39:05Z".into();
    let of = |more: &[Value]| digest(&[&[launch()], more].concat());
    let mut digests = vec![
        digest(&[]),
        digest(&[launch()]),
        digest(&[late]),
        digest(&[launch_as("b", "T", 5, "M")]),
        digest(&[launch_as("a", "U", 5, "M")]),
        digest(&[launch_as("a", "T", 6, "M")]),
        digest(&[launch_as("a", "T", 5, "N")]),
        of(&[speed_up("a", 2, 0)]),
        of(&[explode("a", 2, "X")]),
        of(&[explode("a", 2, "Y")]),
        of(&[speed_up("a", 3, 1)]),
        of(&[speed_up("a", 4, 1)]),
        of(&[speed_up("a", 3, 1), speed_up("a", 5, 1)]),
        of(&[speed_up("a", 3, 1), speed_up("a", 4, 1), speed_up("a", 5, 1)]),
        digest(&[launch(), launch_as("b", "T", 5, "M")]),
    ];
    let mut lost = roster();
    for message in [launch(), speed_up("a", 3, 0)] {
        lost.deliver(parse(&message), &mut ());
    }
    let (slot, awaited) = lost.find_gap(&Channel::parse("a").unwrap(), None).unwrap();
    lost.skip(slot, awaited, &mut ()).unwrap();
    digests.extend([lost.digest(), of(&[speed_up("a", 2, 0), speed_up("a", 3, 0)])]);
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count);
    assert_eq!(digests[0], 0, "an empty fleet");
}

/// It is compared between machines and releases: a change of it needs another
/// `digest::FORM`.
#[test]
fn a_digest_is_the_same_everywhere() {
    let mut roster = roster();
    for message in [launch_as("a", "T", 5, "M"), speed_up("a", 3, 1)] {
        roster.deliver(parse(&message), &mut ());
    }
    assert_eq!(format!("{:016x}", roster.digest()), "51827a333f9aa318");
}

#[test]
fn none_is_kept_outside_of_a_cluster() {
    let mut roster = Roster::new(Arc::new(Quotas::new(wide())));
    roster.deliver(parse(&launch_as("a", "T", 5, "M")), &mut ());
    assert_eq!(roster.digest(), 0);
    assert_ne!(roster.digest_anew(), 0);
}

/// A node on a log, with so many workers.
fn start(
    log: &MemoryLog,
    directory: &Path,
    (at, workers): (usize, usize),
    seed: u64,
) -> (Service, Arc<Faults>) {
    let (handle, faults) = log.handle(seed);
    let change = |config: &mut Config| {
        config.workers = workers;
        config.durability = Durability::Fsync;
        config.data_dir = directory.to_owned();
        config.checkpoints = Interval { records: 20, time: Duration::from_millis(20) };
    };
    let source = Box::new(SqliteJournal::fsync(directory, Duration::ZERO));
    let cluster = Cluster {
        log: handle,
        node: name(at).into(),
        local_reads: false,
        // More copies than there are nodes: nothing is trimmed.
        policy: Policy { copies: 9, log_limit: 1 << 30, stride: STRIDE },
        advertise: None,
        token: None,
    };
    let node = Service::member(change, source, cluster);
    node.wait_until_ready();
    (node, faults)
}

fn name(at: usize) -> String {
    format!("node-{at}")
}

/// What a node said last of its fold.
fn noted(log: &MemoryLog, at: usize) -> Vec<Noted> {
    log.announced(&name(at)).map(|said| said.digests.marks).unwrap_or_default()
}

/// Waits until all nodes have told of a mark beyond `offset`; asserts that whatever they
/// say of equal marks is equal. Returns the last one that all have.
fn agree(log: &MemoryLog, nodes: usize, offset: u64) -> u64 {
    let mut last = offset;
    eventually("all nodes have told of a mark", || {
        let mut told: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for noted in (0..nodes).flat_map(|at| noted(log, at)) {
            told.entry(noted.offset).or_default().push(noted.digest);
        }
        for digests in told.values() {
            assert!(digests.iter().all(|digest| *digest == digests[0]), "{told:?}");
        }
        let common = told.iter().filter(|(_, digests)| digests.len() == nodes);
        last = last.max(common.map(|(&offset, _)| offset).max().unwrap_or_default());
        last > offset
    });
    last
}

#[test]
fn nodes_that_fold_the_same_agree_under_faults_and_restarts() {
    let log = MemoryLog::new();
    let mut random = StdRng::seed_from_u64(7);
    let directories = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut nodes: Vec<_> = (0..3)
        .map(|at| start(&log, directories[at].path(), (at, 1 + 2 * (at % 2)), at as u64))
        .collect();
    let (mut last, mut number) = (0, 0);
    for round in 0..5u64 {
        let one = usize::try_from(round).unwrap() % 3;
        if round > 0 {
            let (node, _) = nodes.remove(one);
            node.stop().unwrap();
            let workers = random.random_range(1..4);
            nodes
                .insert(one, start(&log, directories[one].path(), (one, workers), random.random()));
        }
        for (_, faults) in &nodes {
            faults.slowness.store(2000, Ordering::Relaxed);
            faults.unknown.store(100, Ordering::Relaxed);
        }
        for _ in 0..40 {
            number += 1;
            let id = format!("rocket {}", random.random_range(0..9));
            let message = match number % 9 {
                0 => explode(&id, 30, "it was time"),
                1 => launch_as(&id, "T", 5, "M"),
                2 => change_mission(&id, 1 + number % 31, &format!("M {number}")),
                _ => speed_up(&id, 1 + number % 31, 1),
            };
            let (node, _) = &nodes[random.random_range(0..3)];
            eventually("it is taken", || node.send(&Request::message(&message)).status == 200);
        }
        last = agree(&log, 3, last);
    }
    for (node, _) in &nodes {
        node.wait_until_ready();
    }
}

/// As after a kill between what a checkpoint stores and the mark that comes last: the rows
/// are ahead of where it says that they end.
fn put_the_mark_back(directory: &Path) {
    let database = rusqlite::Connection::open(directory.join("downlink.db")).unwrap();
    let read = |row: &rusqlite::Row<'_>| row.get(0);
    let name: String = database.query_row("SELECT log FROM mark", [], read).unwrap();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[0; 16]);
    hasher.update(name.as_bytes());
    let set = "UPDATE mark SET log_offset = 0, settled = 0, checksum = ?1";
    assert_eq!(database.execute(set, [hasher.finalize()]).unwrap(), 1);
}

#[test]
fn what_is_ahead_of_the_log_is_not_compared() {
    let log = MemoryLog::new();
    let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let begin = |at: usize| start(&log, directories[at].path(), (at, 2), at as u64).0;
    let (node, other) = (begin(0), begin(1));
    let send = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            let message = match number {
                1 => launch_as("r", "T", 5, "M"),
                _ => speed_up("r", number, 1),
            };
            assert_eq!(node.post(&[message]), "applied");
        }
    };
    send(1..40);
    let agreed = agree(&log, 2, 0);
    other.stop().unwrap();
    put_the_mark_back(directories[1].path());
    let other = begin(1);
    eventually("it has read all there is, and notes nothing of it", || {
        let said = log.announced(&name(1)).unwrap();
        said.applied >= agreed && said.digests.marks.is_empty()
    });
    send(40..80);
    agree(&log, 2, agreed + 2 * STRIDE);
    for node in [&node, &other] {
        assert_eq!(node.get("/readyz").status, 200, "{}", node.get("/readyz").text());
        assert_eq!(node.read("/rockets/r")["speed"], 5 + 78);
    }
}

#[test]
fn a_fold_that_differs_makes_nodes_unready_until_a_restart() {
    let log = MemoryLog::new();
    let directories = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let nodes: Vec<_> = (0..3)
        .map(|at| start(&log, directories[at].path(), (at, 1 + 2 * (at % 2)), at as u64))
        .collect();
    let send = |nodes: &[(Service, Arc<Faults>)], numbers: std::ops::Range<u64>| {
        for number in numbers {
            let message = match number {
                1 => launch_as("r", "T", 5, "M"),
                _ => speed_up("r", number, 1),
            };
            // Everything by the first, so that it is from elsewhere for the last.
            let (node, _) = &nodes[0];
            eventually("it is taken", || node.send(&Request::message(&message)).status == 200);
        }
    };
    send(&nodes, 1..40);
    let agreed = agree(&log, 3, 0);
    for (node, _) in &nodes {
        assert_eq!(node.get("/readyz").status, 200);
    }
    let (_, faults) = &nodes[2];
    faults.misread.store(true, Ordering::Relaxed);
    send(&nodes, 40..80);
    for (at, (node, _)) in nodes.iter().enumerate() {
        eventually("it is unready", || node.get("/readyz").status == 503);
        let detail = problem(&node.get("/readyz"), 503);
        assert!(detail.contains("different fleets of the same log"), "{detail}");
        let named: u64 =
            detail.split("offset ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(named > agreed, "{detail}");
        // Of the last, and of one of those that are right.
        assert!(detail.contains("node-2"), "{detail}");
        assert!((0..2).any(|right| detail.contains(&name(right))), "{detail}");
        assert!(at != 2 || detail.contains("and node node-"), "{detail}");
        // It serves whoever comes to it all the same.
        assert_eq!(node.get("/rockets").status, 200);
        assert_eq!(node.send(&Request::message(&speed_up("r", 2, 1))).status, 200);
    }
    // The one that is wrong begins anew, and the others are told to look again.
    let anew = tempfile::tempdir().unwrap();
    for (node, _) in nodes {
        node.stop().unwrap();
    }
    let mut again = vec![start(&log, anew.path(), (2, 2), 12)];
    for at in [1, 0] {
        again.insert(0, start(&log, directories[at].path(), (at, 3), 10 + at as u64));
    }
    send(&again, 80..120);
    agree(&log, 3, agreed);
    for (node, _) in &again {
        assert_eq!(node.get("/readyz").status, 200, "{}", node.get("/readyz").text());
        assert_eq!(node.read("/rockets/r")["last_message_number"], 119);
    }
}

#[test]
fn a_log_that_loses_its_end_ends_a_node_that_has_read_further() {
    let log = MemoryLog::new();
    let directory = tempfile::tempdir().unwrap();
    let (node, _) = start(&log, directory.path(), (0, 2), 1);
    node.post(&[launch_as("r", "T", 5, "M"), speed_up("r", 2, 1)]);
    log.lose_behind(0);
    let error = node.stop_when_ended().unwrap_err();
    assert!(error.contains("the log has lost something, or is another one"), "{error}");
}
