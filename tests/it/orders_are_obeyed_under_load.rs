//! A worker obeys its orders however many messages come, as it answers queries:
//! else a checkpoint would wait until the senders pause, and the journal grow.

use std::sync::Arc;

use crate::support::fleet::{TestFleet, parse, shape};
use crate::support::messages;
use downlink::fleet::order::Order;
use downlink::fleet::workers::Shape;
use downlink::journal::memory::MemoryJournal;
use tokio::sync::oneshot;

/// Messages that a worker takes at a time.
const BATCH: usize = 1024;

/// More batches than a task is given turns for at a stretch.
const BATCHES: usize = 400;

#[tokio::test]
async fn a_checkpoint_does_not_wait_for_the_messages_to_end() {
    let inbox_capacity = BATCH * BATCHES;
    let shape = Shape { workers: 1, inbox_capacity, ..shape() };
    let fleet = TestFleet::start(shape, Arc::new(MemoryJournal::default()));
    let mailbox = &fleet.mailboxes()[0];
    // Repeats: what matters is that they are there.
    let launch = parse(&messages::launch("a"));
    let submit = || {
        let (reply, verdicts) = oneshot::channel();
        mailbox.submit_many(vec![launch.clone(); BATCH], reply).unwrap();
        verdicts
    };
    let mut all: Vec<_> = (0..BATCHES).map(|_| submit()).collect();
    let mut last = all.pop().unwrap();
    let (reply, done) = oneshot::channel();
    mailbox.order(Order::Snapshot { reply }).unwrap();
    assert_eq!(done.await.unwrap(), Ok(()));
    assert!(last.try_recv().is_err(), "messages are left");
    last.await.unwrap();
    fleet.stop().await;
}
