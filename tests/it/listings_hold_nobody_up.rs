//! A listing that looks at every rocket leaves the thread that it runs on to others
//! again and again, however large the fleet is.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::support::fleet::{TestFleet, deadline, parse, shape};
use crate::support::messages::launch_as;
use crate::support::service::wide;
use downlink::fleet::query::{Field, Selection, Sort};
use downlink::fleet::workers::Shape;
use downlink::journal::memory::MemoryJournal;
use tokio::task::yield_now;
use tokio::time::sleep_until;

/// Twenty slices of a walk.
const ROCKETS: usize = 20 * 1024;

#[tokio::test]
async fn others_get_their_turn_between_the_slices_of_a_walk() {
    let shape = Shape { workers: 1, limits: wide(), ..shape() };
    let fleet = TestFleet::start(shape, Arc::new(MemoryJournal::default()));
    for n in 0..ROCKETS {
        let launch = parse(&launch_as(&n.to_string(), "T", (n % 100) as i64, "M"));
        fleet.fleet.submit(launch, sleep_until(deadline())).await.unwrap();
    }
    for limit in [None, Some(10)] {
        let sort = Sort { field: Field::Speed, descending: false };
        let selection = Arc::new(Selection { sort, limit, ..Selection::default() });
        let mut listing = pin!(fleet.fleet.rockets(selection, deadline()));
        let mut turns = 0;
        let page = loop {
            let polled = poll_fn(|context| Poll::Ready(listing.as_mut().poll(context))).await;
            match polled {
                Poll::Ready(page) => break page.unwrap(),
                Poll::Pending => turns += 1,
            }
            // A connection on the same thread, for instance.
            yield_now().await;
        };
        assert_eq!(page.rockets.len(), limit.unwrap_or(ROCKETS));
        assert!(turns >= 20, "only {turns} turns");
    }
    fleet.stop().await;
}

/// What a reader leaves is given up somewhere else, and the fleet goes on.
#[tokio::test]
async fn a_whole_listing_may_be_left_at_any_time() {
    let shape = Shape { workers: 2, limits: wide(), ..shape() };
    let fleet = TestFleet::start(shape, Arc::new(MemoryJournal::default()));
    for n in 0..5 * 1024 {
        fleet
            .fleet
            .submit(parse(&launch_as(&n.to_string(), "T", n, "M")), sleep_until(deadline()))
            .await
            .unwrap();
    }
    let sort = Sort { field: Field::Speed, descending: true };
    let selection = Arc::new(Selection { sort, ..Selection::default() });
    for turns in 0..12 {
        let mut listing = pin!(fleet.fleet.whole(selection.clone(), deadline()));
        for _ in 0..turns {
            if poll_fn(|context| Poll::Ready(listing.as_mut().poll(context))).await.is_ready() {
                break;
            }
            yield_now().await;
        }
    }
    let mut whole = fleet.fleet.whole(selection, deadline()).await.unwrap();
    let speeds: Vec<_> = whole.next(2000).iter().map(|rocket| rocket.speed).collect();
    assert_eq!(speeds, (0..5 * 1024).rev().take(2000).collect::<Vec<_>>());
    drop(whole);
    fleet.stop().await;
}
