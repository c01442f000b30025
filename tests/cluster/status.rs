//! `downlink cluster status` and `remove`, as an operator has them.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::contract::told;
use super::members::Etcd;
use super::nodes::Node;

fn cluster(words: &[&str], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_downlink"));
    command.arg("cluster").args(words).args(arguments).output().unwrap()
}

fn status(arguments: &[&str]) -> Output {
    cluster(&["status"], arguments)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_shown_that_live_and_that_do_not() {
    let etcd = Etcd::start(1).await;
    let directory = tempfile::tempdir().unwrap();
    let url = format!("etcd://{}/status", etcd.endpoint(0));
    let often = ["--checkpoint-interval=100ms"];
    let start = |name: &str| Node::start(name, &directory.path().join(name), &url, &often);
    let mut nodes = [start("one"), start("two")];
    nodes.iter_mut().for_each(Node::is_ready);
    // Both have said something: their peers know.
    for node in &nodes {
        super::contract::eventually("they know of each other", || async {
            let ready = node.json("/readyz?verbose");
            ready["cluster"]["peers"].as_array().is_some_and(|peers| peers.len() == 2)
        })
        .await;
    }
    nodes[1].kill();
    // A log of the operator's own, with the same keys.
    let log = etcd.log("status");
    log.announce("later", "in words of its own".into()).await.unwrap();
    let shown = status(&["--json", "--cluster", &url]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["cluster"], json!(log.name().await.unwrap().0));
    let lives = |name: &str| {
        let nodes = shown["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["node"] == name).unwrap()["lives"].clone()
    };
    assert_eq!([lives("one"), lives("two"), lives("later")], [true, false, false].map(Value::from));
    let version = json!(env!("CARGO_PKG_VERSION"));
    assert_eq!(shown["nodes"][1]["version"], version, "{shown}");
    assert_eq!(shown["nodes"][0]["version"], Value::Null, "{shown}");
    // What nobody has applied yet: the node that lives stops at what it cannot read.
    nodes[0].kill();
    log.append(told("x", 1)).await.unwrap();
    let text = status(&["--cluster", &url]);
    let text = String::from_utf8(text.stdout).unwrap();
    let head = log.head().await.unwrap();
    assert!(text.contains(&format!("ends at {head}, trimmed up to")), "{text}");
    let line = text.lines().find(|line| line.starts_with("one ")).unwrap();
    let fields: Vec<_> = line.split_whitespace().collect();
    assert_eq!((fields[2], fields[5] == "0"), ("no", false), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_gone_is_removed_and_one_that_lives_is_not() {
    let etcd = Etcd::start(1).await;
    let directory = tempfile::tempdir().unwrap();
    let url = format!("etcd://{}/removed", etcd.endpoint(0));
    let start = |name: &str| Node::start(name, &directory.path().join(name), &url, &[]);
    let mut nodes = [start("one"), start("two")];
    nodes.iter_mut().for_each(Node::is_ready);
    let remove = |name: &str| cluster(&["remove", name], &["--cluster", &url]);
    let names = || async {
        let said = etcd.log("removed").announced().await.unwrap();
        said.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    super::contract::eventually("both said something", || async { names().await.len() == 2 }).await;
    for (name, why) in [
        ("two", "the node two lives: stop it first"),
        ("three", "expected a node of the cluster, which are one, two; found three"),
    ] {
        let refused = remove(name);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), said), (Some(1), format!("error: {why}\n")));
    }
    nodes[1].kill();
    let removed = remove("two");
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    assert_eq!(removed.stdout, b"two counts no more\n");
    assert_eq!(names().await, ["one"]);
    // It joins again with what it has.
    nodes[1].run(&[]);
    nodes[1].is_ready();
    super::contract::eventually("it counts again", || async { names().await.len() == 2 }).await;
}

#[test]
fn what_is_wrong_is_told() {
    for (arguments, code, text) in [
        (&[][..], 2, "--cluster is missing"),
        (&["--cluster=etcd://a:0"], 2, "--cluster"),
        (&["--cluster=etcd://127.0.0.1:1", "--cluster-ca=/nowhere"], 1, "/nowhere"),
        (&["--cluster=etcd://127.0.0.1:1"], 1, "127.0.0.1:1"),
        (&["--node=a"], 2, "--node"),
    ] {
        let output = status(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(text) && said.lines().count() == 1, "{arguments:?}: {said}");
    }
    for (words, text) in [
        (&["remove"][..], "NODE"),
        (&["remove", "a/b"], "letters"),
        (&["remove", "a"], "--cluster is missing"),
        (&[], "remove"),
    ] {
        let output = cluster(words, &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(said.contains(text), "{words:?}: {said}");
    }
}
