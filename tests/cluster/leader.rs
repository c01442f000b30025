//! Whoever leads is asked: to lead is another one's turn now and then, and a log follows.

use std::sync::Arc;

use downlink::journal::shared::etcd::{EtcdLog, EtcdOptions};
use downlink::journal::shared::{Offset, SharedLog};

use super::contract::{eventually, next, told};
use super::links::{Link, Links, Way};
use super::members::Etcd;

/// Has this member lead.
async fn lead(etcd: &Etcd, member: usize) {
    let target = etcd.client(member).await.status().await.unwrap();
    let target = target.header().unwrap().member_id();
    eventually("it leads", || async {
        let leader = etcd.leader().await;
        if leader == member {
            return true;
        }
        // It may not have heard of all yet, or not be the leader any more.
        let _ = etcd.client(leader).await.move_leader(target).await;
        false
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leads_is_asked() {
    let etcd = Etcd::start(3).await;
    let links = Links::to(etcd.places());
    let endpoints = links.each().iter().map(Link::endpoint).collect();
    let options = EtcdOptions { endpoints, ..etcd.options("log") };
    let log: Arc<dyn SharedLog> = Arc::new(EtcdLog::connect(&options).unwrap());
    let mut tail = log.tail(Offset(0));
    // The last one leads on.
    for (leader, number) in [2, 0, 1, 2, 2].into_iter().zip((1..).step_by(2)) {
        Box::pin(lead(&etcd, leader)).await;
        // By whoever was asked before, who may not have heard yet.
        eventually("it is appended", || async { log.append(told("a", number)).await.is_ok() })
            .await;
        assert_eq!(next(&mut tail).await.unwrap().1, told("a", number));
        log.size().await.unwrap();
        let others = links.each().iter().enumerate().filter(|(at, _)| *at != leader);
        let set_others = |way| {
            for (_, link) in others.clone() {
                link.set(way);
            }
        };
        set_others(Way::Silent);
        log.append(told("a", number + 1)).await.expect("the leader is asked");
        let read = next(&mut tail).await.expect("the leader is listened to");
        assert_eq!(read.1, told("a", number + 1));
        set_others(Way::Clear);
    }
}
