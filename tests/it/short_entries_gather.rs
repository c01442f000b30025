//! What becomes one entry of the shared log: a short one waits for the one that is on its
//! way, and then a little for those whom that one answered.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use downlink::journal::Record;
use downlink::journal::shared::EntryId;
use downlink::journal::shared::gathering::Gathering;
use downlink::journal::shared::publisher::Publisher;
use downlink::telemetry::wire;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::sleep;

use super::support::messages::launch_as;
use super::support::shared_log::MemoryLog;

const HOUR: Duration = Duration::from_secs(3600);

/// A node whose appends take as long as the test wants.
struct Node {
    publisher: Publisher,
    running: JoinHandle<()>,
}

impl Node {
    /// That waits so long for those whom it answered.
    fn start(gathering: Duration) -> Self {
        let (handle, faults) = MemoryLog::new().handle(1);
        faults.slowness.store(3_600_000_000, Ordering::Relaxed);
        let (publisher, running, refusals) =
            Publisher::new(handle, "a".into(), 1, Gathering::up_to(gathering));
        let running = tokio::spawn(async move {
            let _refusals = refusals;
            running.await;
        });
        Self { publisher, running }
    }

    /// Hands over what rockets with these numbers send, and says how many entries are on
    /// their way then.
    async fn in_flight_after(&self, rockets: Range<u32>) -> usize {
        let launch = |at: u32| launch_as(&at.to_string(), "A", 500, "M").to_string();
        let launches: Vec<_> = rockets.map(launch).collect();
        let messages: Vec<_> =
            launches.iter().map(|text| wire::parse(text.as_bytes()).unwrap()).collect();
        self.publisher.hand_over(0, &mut messages.iter().map(Record::Message)).unwrap();
        self.in_flight().await
    }

    async fn in_flight(&self) -> usize {
        for _ in 0..64 {
            yield_now().await;
        }
        self.publisher.in_flight()
    }

    /// The tail has brought an entry, and so many of its messages are answered.
    fn settle(&self, number: u64) -> usize {
        let id = EntryId { node: "a".into(), incarnation: 1, number };
        self.publisher.settle(&id).unwrap().iter().map(|piece| piece.records.len()).sum()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.running.abort();
    }
}

#[tokio::test]
async fn short_entries_wait_for_the_one_before_and_long_ones_do_not() {
    let node = Node::start(HOUR);
    for at in 0..8 {
        assert_eq!(node.in_flight_after(at..at + 1).await, 1);
    }
    for expected in 2..=8 {
        assert_eq!(node.in_flight_after(0..5000).await, expected);
    }
    assert_eq!(node.in_flight_after(0..5000).await, 8, "no more than eight");
}

#[tokio::test]
async fn a_short_entry_waits_for_most_of_those_who_were_answered() {
    let node = Node::start(HOUR);
    assert_eq!(node.in_flight_after(0..64).await, 1);
    assert_eq!(node.settle(1), 64);
    assert_eq!(node.in_flight_after(0..1).await, 0);
    assert_eq!(node.in_flight_after(1..57).await, 0);
    assert_eq!(node.in_flight_after(57..58).await, 1);
    assert_eq!(node.settle(2), 58);
}

#[tokio::test]
async fn it_waits_for_them_with_those_who_came_meanwhile() {
    let node = Node::start(HOUR);
    assert_eq!(node.in_flight_after(0..20).await, 1);
    assert_eq!(node.in_flight_after(20..40).await, 1);
    assert_eq!(node.settle(1), 20);
    assert_eq!(node.in_flight_after(0..15).await, 0);
    assert_eq!(node.in_flight_after(15..16).await, 1);
    assert_eq!(node.settle(2), 36);
}

#[tokio::test]
async fn it_does_not_wait_for_longer_than_it_may() {
    let node = Node::start(Duration::from_millis(2));
    node.in_flight_after(0..64).await;
    node.settle(1);
    node.in_flight_after(0..1).await;
    while node.in_flight().await == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    // The next one waits for a share of those who came.
    assert_eq!(node.settle(2), 1);
    assert_eq!(node.in_flight_after(1..2).await, 1);
}

#[tokio::test]
async fn a_long_entry_waits_for_nobody() {
    let node = Node::start(HOUR);
    assert_eq!(node.in_flight_after(0..7000).await, 1);
    assert_eq!(node.settle(1), 7000);
    assert_eq!(node.in_flight_after(0..5000).await, 1);
}
