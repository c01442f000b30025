//! Members that are killed and frozen under load: nothing that was acknowledged is
//! missing, everything stands in one order, and all goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use downlink::journal::shared::{LogError, Offset, SharedLog};
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

use super::contract::{self, eventually, told};
use super::members::Etcd;

/// Writers that append until they are told to stop, and repeat until it is done; and a
/// reader that opens another tail whenever one ends.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
    writers: Vec<JoinHandle<u64>>,
    reader: JoinHandle<Vec<(Offset, String, u64)>>,
}

const WRITERS: u64 = 4;

impl Load {
    fn start(log: &Arc<dyn SharedLog>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::<AtomicU64>::default();
        let read = Arc::<AtomicU64>::default();
        let write = |index: u64| {
            let (log, stop) = (Arc::clone(log), Arc::clone(&stop));
            let acknowledged = Arc::clone(&acknowledged);
            tokio::spawn(async move {
                let (node, mut number) = (format!("w{index}"), 0);
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    while let Err(error) = log.append(told(&node, number)).await {
                        assert!(matches!(error, LogError::Unreachable(_)), "{error:?}");
                        sleep(Duration::from_millis(20)).await;
                    }
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                // The last of all, so that the reader knows.
                let last = contract::entry(&node, number + 1, "last");
                while log.append(last.clone()).await.is_err() {
                    sleep(Duration::from_millis(20)).await;
                }
                number
            })
        };
        let writers = (0..WRITERS).map(write).collect();
        let (log, counted) = (Arc::clone(log), Arc::clone(&read));
        let reader = tokio::spawn(async move {
            let (mut all, mut ended) = (Vec::<(Offset, String, u64)>::new(), 0);
            let mut tail = log.tail(Offset(0));
            while ended < WRITERS {
                match contract::next(&mut tail).await {
                    Ok((offset, entry)) if entry.bytes == "last" => {
                        ended += 1;
                        all.push((offset, entry.id.node.to_string(), 0));
                    }
                    Ok((offset, entry)) => {
                        assert_eq!(entry, told(&entry.id.node, entry.id.number));
                        all.push((offset, entry.id.node.to_string(), entry.id.number));
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => {
                        assert!(matches!(error, LogError::Unreachable(_)), "{error:?}");
                        sleep(Duration::from_millis(20)).await;
                        let last = all.last().map(|(offset, ..)| *offset);
                        tail = log.tail(last.unwrap_or_default());
                    }
                }
            }
            all
        });
        Self { stop, acknowledged, read, writers, reader }
    }

    /// Some hundred more are acknowledged and read.
    async fn goes_on(&self) {
        for count in [&self.acknowledged, &self.read] {
            let goal = count.load(Ordering::Relaxed) + 200;
            eventually("it goes on", || async { count.load(Ordering::Relaxed) >= goal }).await;
        }
    }

    /// Stops, and looks that all is there, once, in order.
    async fn ends_whole(self) {
        self.stop.store(true, Ordering::Relaxed);
        let written = join_all(self.writers).await;
        let read = self.reader.await.unwrap();
        assert!(read.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order");
        for (index, written) in written.into_iter().enumerate() {
            let node = format!("w{index}");
            let of_node = read.iter().filter(|(_, of, number)| *of == node && *number > 0);
            let numbers = of_node.map(|(.., number)| *number).collect::<Vec<_>>();
            // One at a time, so in order too.
            assert_eq!(numbers, (1..=written.unwrap()).collect::<Vec<_>>(), "{node}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_killed() {
    let mut etcd = Etcd::start(3).await;
    let load = Load::start(&etcd.log("log"));
    load.goes_on().await;
    for follows in [1, 0, 0] {
        let member = (etcd.leader().await + follows) % 3;
        etcd.kill(member);
        load.goes_on().await;
        etcd.run(member);
        etcd.is_healthy().await;
    }
    load.ends_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_frozen() {
    let etcd = Etcd::start(3).await;
    let load = Load::start(&etcd.log("log"));
    load.goes_on().await;
    // Each in turn: the one that is asked is among them, and so is a leader.
    for member in [etcd.leader().await, 0, 1, 2] {
        etcd.freeze(member);
        load.goes_on().await;
        etcd.thaw(member);
        etcd.is_healthy().await;
    }
    load.ends_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_are_gone_and_come_back() {
    let mut etcd = Etcd::start(3).await;
    let log = etcd.log("log");
    let load = Load::start(&log);
    load.goes_on().await;
    (0..2).for_each(|member| etcd.kill(member));
    let other = etcd.log("log");
    eventually("nothing is said without a majority", || async {
        matches!(other.head().await, Err(LogError::Unreachable(_)))
    })
    .await;
    (0..2).for_each(|member| etcd.run(member));
    load.goes_on().await;
    load.ends_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_while_etcd_is_away_heals() {
    let mut etcd = Etcd::start(1).await;
    etcd.kill(0);
    let log = etcd.log("log");
    let failed = log.append(told("a", 1)).await.unwrap_err();
    assert!(failed.to_string().contains(&etcd.endpoint(0)), "{failed:?}");
    assert!(matches!(failed, LogError::Unreachable(_)), "{failed:?}");
    let mut tail = log.tail(Offset(0));
    assert!(matches!(contract::next(&mut tail).await, Err(LogError::Unreachable(_))));
    etcd.run(0);
    eventually("it is appended", || async { log.append(told("a", 1)).await.is_ok() }).await;
    assert_eq!(contract::take(&mut log.tail(Offset(0)), 1).await[0].1, told("a", 1));
}
