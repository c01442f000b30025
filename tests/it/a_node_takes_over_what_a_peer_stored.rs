//! A node that is new, or was away for so long that the log was trimmed meanwhile,
//! takes over what another one has stored, whatever happens on the way.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use downlink::app::cluster::{Cluster, PeerToken};
use downlink::config::{Config, Durability};
use downlink::fleet::checkpoint::Interval;
use downlink::http::access::tokens::{TokenFiles, Tokens};
use downlink::journal::sqlite::SqliteJournal;
use serde_json::Value;

use super::nodes_fold_one_log::{cluster, expected, flights, shown};
use super::support::between::{Between, Way};
use super::support::messages::{change_mission, launch, launch_as, speed_up};
use super::support::shared_log::MemoryLog;
use super::support::{Connection, Request, Service, eventually, passing_problem, problem};

/// Where a node is, and by what others reach it.
struct Place {
    name: &'static str,
    directory: tempfile::TempDir,
    between: Between,
    runs: AtomicU64,
}

impl Place {
    fn new(name: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { name, directory, between: Between::new(), runs: AtomicU64::new(0) }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.path().join("data").join(name)
    }

    /// Starts the node that is at home here.
    fn start(&self, log: &MemoryLog) -> Service {
        self.start_with(log, None, |_| {})
    }

    fn start_with(
        &self,
        log: &MemoryLog,
        token: Option<&str>,
        change: impl FnOnce(&mut Config),
    ) -> Service {
        let (handle, _) = log.handle(self.runs.fetch_add(1, Ordering::Relaxed));
        let advertise = Some(self.between.url.clone());
        let token = token.map(|token| PeerToken::new(token).unwrap());
        let cluster = Cluster { advertise, token, ..cluster(handle, self.name, false) };
        let directory = self.path().join("data");
        let configured = |config: &mut Config| {
            config.workers = 2;
            config.durability = Durability::Fsync;
            config.data_dir.clone_from(&directory);
            let time = Duration::from_millis(20);
            config.checkpoints = Interval { records: 10, time };
            change(config);
        };
        let source = Box::new(SqliteJournal::fsync(&directory, Duration::ZERO));
        let node = Service::member(configured, source, cluster);
        self.between.leads_to(node.address);
        node
    }

    fn ready(&self, log: &MemoryLog) -> Service {
        let node = self.start(log);
        node.wait_until_ready();
        node
    }
}

fn unready(node: &Service) -> String {
    let answer = node.get("/readyz");
    if answer.status == 200 { String::new() } else { problem(&answer, 503) }
}

/// Two nodes that have stored all of this, of which the log has nothing any more.
fn two_that_stored(log: &MemoryLog, places: [&Place; 2], messages: &[Value]) -> [Service; 2] {
    let nodes = places.map(|place| place.ready(log));
    let (last, rest) = messages.split_last().unwrap();
    nodes[0].post(rest);
    nodes[1].post(std::slice::from_ref(last));
    eventually("the log is trimmed", || log.entries().is_empty());
    nodes
}

#[test]
fn a_new_node_joins_when_the_log_is_trimmed() {
    let log = MemoryLog::new();
    let places = ["a", "b", "c"].map(Place::new);
    let messages = flights(5, 20);
    let [a, b] = two_that_stored(&log, [&places[0], &places[1]], &messages);
    // A copy that was cut off by a kill is nobody's.
    std::fs::create_dir_all(places[2].file("copy")).unwrap();
    std::fs::write(places[2].file("copy/downlink.db"), "half").unwrap();
    let c = places[2].ready(&log);
    assert!(!places[2].file("copy").exists());
    assert_eq!(shown(&c), expected(&messages));
    // It is one of them.
    let more = [launch_as("late", "Falcon-9", 500, "ARTEMIS"), speed_up("late", 2, 7)];
    c.post(&more[..1]);
    a.post(&more[1..]);
    let all = [messages, more.to_vec()].concat();
    for node in [&a, &b, &c] {
        assert_eq!(shown(node), expected(&all));
    }
    c.stop().unwrap();
    let c = places[2].ready(&log);
    assert_eq!(shown(&c), expected(&all));
    for place in &places {
        assert!(!place.file("copy").exists() && !place.file("downlink.db.part").exists());
    }
}

#[test]
fn a_node_that_was_away_past_the_trim_comes_back() {
    let log = MemoryLog::new();
    let places = ["a", "b", "c"].map(Place::new);
    let messages = flights(6, 30);
    let (before, after) = messages.split_at(60);
    let c = places[2].ready(&log);
    let [a, _b] = two_that_stored(&log, [&places[0], &places[1]], before);
    assert_eq!(shown(&c), expected(before));
    c.stop().unwrap();
    let trimmed = log.trimmed();
    a.post(after);
    eventually("the log is trimmed", || log.trimmed() > trimmed && log.entries().is_empty());
    let asked = places.each_ref().map(|place| place.between.asked());
    let c = places[2].ready(&log);
    assert_eq!(shown(&c), expected(&messages));
    let asked_then = places.each_ref().map(|place| place.between.asked());
    assert_ne!(asked, asked_then, "nobody was asked");
}

#[test]
fn what_is_cut_off_or_changed_on_the_way_is_not_taken_over() {
    let log = MemoryLog::new();
    let places = ["a", "b", "c"].map(Place::new);
    let messages = flights(5, 20);
    let _nodes = two_that_stored(&log, [&places[0], &places[1]], &messages);
    places[0].between.set(Way::Flipped(9000));
    places[1].between.set(Way::CutAfter(9000));
    let c = places[2].start(&log);
    let mut said = String::new();
    eventually("both were asked, and neither is believed", || {
        said = unready(&c);
        said.contains("its digest is another") && said.contains("it broke off")
    });
    assert!(said.contains("the log of the cluster was trimmed up to"), "{said}");
    assert!(!places[2].file("downlink.db").exists());
    problem(&c.get("/rockets"), 503);
    // One of them is enough.
    places[1].between.set(Way::Clear);
    c.wait_until_ready();
    assert_eq!(shown(&c), expected(&messages));
}

#[test]
fn a_node_that_nobody_helps_waits_and_can_be_stopped() {
    let log = MemoryLog::new();
    let places = ["a", "b", "c"].map(Place::new);
    let messages = flights(2, 10);
    let nodes = two_that_stored(&log, [&places[0], &places[1]], &messages);
    for node in nodes {
        node.stop().unwrap();
    }
    let c = places[2].start(&log);
    eventually("it says why", || {
        unready(&c).contains("it cannot be reached") || {
            unready(&c).contains("it does not answer")
        }
    });
    c.stop().unwrap();
    let c = places[2].start(&log);
    let _a = places[0].ready(&log);
    c.wait_until_ready();
    assert_eq!(shown(&c), expected(&messages));
}

#[test]
fn a_peer_is_asked_with_the_token_of_operators() {
    const TOKEN: &str = "operate-token-0123456789";
    let log = MemoryLog::new();
    let places = ["a", "b", "c"].map(Place::new);
    let messages = flights(2, 10);
    let [a, b] = two_that_stored(&log, [&places[0], &places[1]], &messages);
    for node in [a, b] {
        node.stop().unwrap();
    }
    let file = places[0].path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, permissions).unwrap();
    let guarded = |config: &mut Config| {
        let files = TokenFiles { admin: Some(file.clone()), ..TokenFiles::default() };
        config.access.tokens = Tokens::of(files).unwrap();
    };
    let a = places[0].start_with(&log, None, guarded);
    a.wait_until_ready();
    problem(&a.get("/cluster/checkpoint"), 401);
    for wrong in [None, Some("wrong-token-0123456789")] {
        let c = places[2].start_with(&log, wrong, |_| {});
        eventually("it says why", || unready(&c).contains("it answers 401"));
        assert!(!unready(&c).contains("0123456789"), "{}", unready(&c));
        c.stop().unwrap();
    }
    let c = places[2].start_with(&log, Some(TOKEN), |_| {});
    c.wait_until_ready();
    assert_eq!(shown(&c), expected(&messages));
}

#[test]
fn a_start_mends_what_a_kill_left_at_any_moment() {
    let log = MemoryLog::new();
    let places = ["a", "b", "c"].map(Place::new);
    let messages = flights(5, 20);
    let (before, after) = messages.split_at(30);
    places[2].ready(&log).stop().unwrap();
    let c = places[2].ready(&log);
    let [a, _b] = two_that_stored(&log, [&places[0], &places[1]], before);
    assert_eq!(shown(&c), expected(before));
    eventually("it has a mark", || places[2].file("downlink.db").exists());
    c.stop().unwrap();
    a.post(after);
    eventually("the log is trimmed", || log.entries().is_empty());
    let database = std::fs::read(places[2].file("downlink.db")).unwrap();
    let set = |name: &str, content: Option<&[u8]>| match content {
        Some(content) => std::fs::write(places[2].file(name), content).unwrap(),
        None => drop(std::fs::remove_file(places[2].file(name))),
    };
    let peer = std::fs::read(places[0].file("downlink.db")).unwrap();
    for (old, beside, part) in [
        // In the middle of the download, and once it is there.
        (Some(&database[..]), None, Some(&peer[..peer.len() / 2])),
        (Some(&database[..]), None, Some(&peer[..])),
        // The old one is gone, then what was beside it.
        (None, Some(&b"what SQLite had beside it"[..]), Some(&peer[..])),
        (None, None, Some(&peer[..])),
        // And then it has its name, and is read again for being as old.
        (Some(&database[..]), None, None),
    ] {
        set("downlink.db", old);
        set("downlink.db-wal", beside);
        set("downlink.db-shm", beside);
        set("downlink.db.part", part);
        let c = places[2].ready(&log);
        assert_eq!(shown(&c), expected(&messages));
        c.stop().unwrap();
        assert!(!places[2].file("downlink.db.part").exists());
    }
    // Whenever it breaks off, and the node is stopped and started again.
    for at in (0..40_000).step_by(9_000) {
        for name in ["downlink.db", "downlink.db-wal", "downlink.db-shm"] {
            set(name, None);
        }
        places[..2].iter().for_each(|place| place.between.set(Way::CutAfter(at)));
        let c = places[2].start(&log);
        let asked = places[0].between.asked();
        eventually("it asks", || places[0].between.asked() > asked);
        c.stop().unwrap();
        places[..2].iter().for_each(|place| place.between.set(Way::Clear));
        let c = places[2].ready(&log);
        assert_eq!(shown(&c), expected(&messages));
        c.stop().unwrap();
    }
}

#[test]
fn one_copy_is_lent_at_a_time_and_of_a_node_alone() {
    let service = Service::start();
    service.post(&[launch("a")]);
    let detail = problem(&service.get("/cluster/checkpoint"), 404);
    assert_eq!(detail, "this is no node of a cluster, and has no checkpoint");

    let log = MemoryLog::new();
    let place = Place::new("a");
    let node = place.ready(&log);
    // More than buffers on the way hold: messages that wait, with long texts.
    for rocket in 0..3 {
        let id = format!("rocket {rocket}");
        let line = |number: u64| {
            let mission = format!("{number} {}", "long ".repeat(49));
            format!("{}\n", change_mission(&id, number, &mission))
        };
        let lines: String = (2..9_000).map(line).collect();
        let request = Request::post(lines).header("content-type", "application/x-ndjson");
        assert_eq!(node.send(&request).status, 200);
    }
    let mut first = Connection::open(node.address);
    let mut position = None;
    eventually("something is stored", || {
        first.send(&Request::get("/cluster/checkpoint").to_bytes());
        let head = first.receive_head().unwrap();
        if head.status == 200 {
            position = Some(head);
        } else {
            first = Connection::open(node.address);
        }
        position.is_some()
    });
    let head = position.unwrap();
    let again = || node.get("/cluster/checkpoint");
    let detail = passing_problem(&again(), 503);
    assert_eq!(detail, "another copy of what this node has stored is being made or sent");
    assert!(!place.file("copy").exists(), "it has no name");
    let body = first.receive_body(&head).unwrap();
    assert_eq!(head.header("content-length"), Some(&*body.len().to_string()));
    assert!(body.starts_with(b"SQLite format 3\0"));
    assert!(head.header("x-log-position").unwrap().parse::<u64>().unwrap() > 0);
    assert!(head.header("repr-digest").unwrap().starts_with("sha-256=:"));
    eventually("there may be another one", || again().status == 200);
}
