//! A node whose links to all members are cut, in every way in which a link can be: it says
//! so, the others go on, and once the links are there again it is as they are, by itself.

use std::path::Path;

use serde_json::{Value, json};

use super::clients::message;
use super::contract::{PATIENCE, eventually};
use super::links::{Links, Way};
use super::members::Etcd;
use super::nodes::{Answer, Connection, Node, get};

const LOG: &str = "the log of the cluster";

fn start(name: &str, directory: &Path, url: &str, more: &[&str]) -> Node {
    let mut node = Node::start(name, &directory.join(name), url, more);
    node.is_ready();
    node
}

/// What a node answers, however long it takes.
fn post(node: &Node, messages: &[Value]) -> Answer {
    let mut connection = Connection::open(&node.place).unwrap().waits_for(2 * PATIENCE);
    match messages {
        [message] => connection.post(message).unwrap(),
        messages => connection.post_many(messages).unwrap(),
    }
    connection.receive().unwrap()
}

/// A sender of one node, and how far it is.
struct Sender {
    channel: &'static str,
    acknowledged: u64,
}

impl Sender {
    fn next(&self) -> Value {
        message(self.channel, self.acknowledged + 1)
    }

    fn is_acknowledged(&mut self, node: &Node) {
        let answer = post(node, &[self.next()]);
        assert_eq!(answer.status, 200, "{answer:?}\n{}", node.told());
        self.acknowledged += 1;
    }

    /// Of the same message, whatever became of it.
    async fn is_refused(&self, node: &Node) {
        eventually("it is refused for the log", || async {
            let answer = post(node, &[self.next()]);
            assert_eq!(answer.status, 503, "{answer:?}\n{}", node.told());
            answer.body.contains(LOG)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_in_any_way_heals() {
    let directory = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(3).await;
    let [links, of_local, clear] = [(); 3].map(|()| Links::to(etcd.places()));
    let start =
        |name, links: &Links, more: &[&str]| start(name, directory.path(), &links.url("cut"), more);
    let mut nodes = [
        start("asks", &links, &[]),
        start("local", &of_local, &["--reads=local"]),
        start("other", &clear, &[]),
    ];
    let channels = ["one", "two", "three"];
    let mut senders = channels.map(|channel| Sender { channel, acknowledged: 0 });
    for way in [Way::Reset, Way::Silent, Way::NoAnswers, Way::NoQuestions] {
        println!("{way:?}");
        for (node, sender) in nodes.iter().zip(&mut senders) {
            sender.is_acknowledged(node);
        }
        nodes[0].json("/rockets");
        let set = |way| {
            links.set(way);
            of_local.set(way);
        };
        set(way);
        for (node, sender) in nodes.iter().zip(&senders).take(2) {
            sender.is_refused(node).await;
            node.is_unready("the log of the cluster is not read: etcd at");
        }
        (0..3).for_each(|_| senders[2].is_acknowledged(&nodes[2]));
        assert_eq!(nodes[2].json("/rockets").as_array().unwrap().len(), 3);
        let answer = get(&nodes[0].place, "/rockets").unwrap();
        assert!(answer.status == 503 && answer.body.contains(LOG), "{answer:?}");
        let answer = get(&nodes[1].place, "/rockets").unwrap();
        let position = |answer: &Answer| answer.header("x-log-position").unwrap().parse::<u64>();
        let of_other = get(&nodes[2].place, "/rockets").unwrap();
        let behind = position(&answer).unwrap() < position(&of_other).unwrap();
        assert!(answer.status == 200 && behind, "{answer:?}");
        set(Way::Clear);
        nodes.iter_mut().for_each(Node::is_ready);
        for (node, sender) in nodes.iter().zip(&mut senders).take(2) {
            sender.is_acknowledged(node);
        }
        for node in &nodes {
            eventually("every node shows the same", || async {
                let rockets = node.json("/rockets");
                let last = |sender: &Sender| {
                    let rockets = rockets.as_array().unwrap();
                    let rocket = rockets.iter().find(|it| it["id"] == sender.channel)?;
                    rocket["last_message_number"].as_u64()
                };
                senders.iter().all(|sender| last(sender) == Some(sender.acknowledged))
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_cut_in_the_middle_of_an_entry() {
    const MESSAGES: u64 = 5000;
    let directory = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(3).await;
    let [links, clear] = [(); 2].map(|()| Links::to(etcd.places()));
    let mut node = start("cut", directory.path(), &links.url("cut"), &[]);
    let other = start("other", directory.path(), &clear.url("cut"), &[]);
    // More than a megabyte, of entries of half a megabyte.
    let mission = |number: u64| format!("{number} {}", "x".repeat(240));
    let change = |channel: &str, number: u64| {
        let mut change = message(channel, 7);
        change["metadata"]["messageNumber"] = json!(number);
        change["message"]["newMission"] = json!(mission(number));
        change
    };
    for bytes in [100_000, 300_000, 700_000] {
        let channel = format!("rocket-{bytes}");
        let launch = std::iter::once(message(&channel, 1));
        let messages = launch.chain((2..=MESSAGES).map(|number| change(&channel, number)));
        let messages: Vec<_> = messages.collect();
        links.set(Way::ResetAfter(bytes));
        let place = node.place.clone();
        std::thread::scope(|scope| {
            let sent = scope.spawn(|| {
                let connection = Connection::open(&place).unwrap();
                let mut connection = connection.waits_for(2 * PATIENCE);
                connection.post_many(&messages).unwrap();
                connection.receive().unwrap()
            });
            links.are_cut();
            links.set(Way::Clear);
            let answer = sent.join().unwrap();
            assert!([200, 503].contains(&answer.status), "{answer:?}");
        });
        node.is_ready();
        let answer = post(&node, &messages);
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, &said["rejected"]), (200, &json!(0)), "{answer:?}");
        for node in [&node, &other] {
            let rocket = node.json(&format!("/rockets/{channel}"));
            assert_eq!(rocket["last_message_number"], MESSAGES);
            assert_eq!(rocket["mission"], mission(MESSAGES));
        }
    }
}
