//! `/readyz` says what is observed: it becomes false while something hangs, says
//! so in time whatever that is, and is true again when it moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use downlink::fleet::checkpoint::{Checkpointer, Interval};
use downlink::fleet::query::Selection;
use downlink::fleet::workers::Shape;
use tokio::time::sleep_until;

use crate::support::faults::{Fault, Faults};
use crate::support::fleet::{TestFleet, deadline, parse, shape};
use crate::support::messages::{launch, speed_up};
use crate::support::odd_journal::{Does, OddJournal};
use crate::support::{PATIENCE, Request, Service, on_one_thread_and_on_several, passing_problem};

/// What the documentation promises, and some time for a machine that has much
/// else to do.
const TOLD_WITHIN: Duration = Duration::from_secs(5 + 5);

/// Waits until the service is not ready, and returns what it says. It must
/// answer at once all the while.
#[track_caller]
fn unready(service: &Service) -> String {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = service.get("/readyz");
        assert!(asked.elapsed() < TOLD_WITHIN, "it took {:?} to answer", asked.elapsed());
        if answer.status == 503 {
            return passing_problem(&answer, 503);
        }
        assert!(begun.elapsed() < TOLD_WITHIN, "it stays ready");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_disk_that_hangs() {
    on_one_thread_and_on_several(|threads| {
        let directory = tempfile::tempdir().unwrap();
        let faults = Faults::default();
        let change = |config: &mut downlink::config::Config| {
            config.threads = threads;
            config.http.request_timeout = PATIENCE;
        };
        let service = Service::opened(change, faults.journal(directory.path()));
        service.wait_until_ready();
        assert_eq!(service.post(&[launch("a")]), "applied");
        faults.set(Fault::Stalled);
        let mut writer = service.connect();
        writer.send(&Request::message(&speed_up("a", 2, 1)).to_bytes());
        let reason = unready(&service);
        assert!(reason.starts_with("no commit of partition "), "{reason}");
        assert_eq!(service.read("/rockets/a")["speed"], 500, "reads go on");
        faults.set(Fault::None);
        assert_eq!(writer.receive().outcome(), "applied");
        service.wait_until_ready();
        // At rest it stays so: nothing is waited for.
        assert_eq!(service.stop(), Ok(()));
    });
}

#[test]
fn a_journal_that_hangs_while_a_checkpoint_is_stored() {
    let journal = OddJournal::new();
    let service = Service::over(journal.clone(), |config| config.checkpoints.records = 1);
    journal.store.set(Does::Waits);
    assert_eq!(service.post(&[launch("a")]), "applied");
    let reason = unready(&service);
    assert!(reason.contains("was stored by its checkpoint for"), "{reason}");
    journal.store.set(Does::Well);
    service.wait_until_ready();
}

#[test]
fn a_worker_that_hangs() {
    let journal = OddJournal::new();
    let service = Service::over(journal.clone(), |config| config.threads = 3);
    journal.append.set(Does::Hangs);
    let mut writer = service.connect();
    writer.send(&Request::message(&launch("a")).to_bytes());
    let reason = unready(&service);
    assert!(reason.starts_with("the worker of partition "), "{reason}");
    assert!(reason.contains("has not moved for"), "{reason}");
    journal.append.set(Does::Well);
    assert_eq!(writer.receive().outcome(), "applied");
    service.wait_until_ready();
}

#[test]
fn checkpoints_that_fail_are_tried_again_and_told_when_they_are_overdue() {
    let journal = OddJournal::new();
    let service = Service::over(journal.clone(), |config| {
        config.checkpoints.time = Duration::from_millis(200);
    });
    journal.trim.set(Does::Fails);
    assert_eq!(service.post(&[launch("a")]), "applied");
    let reason = unready(&service);
    assert!(reason.starts_with("no checkpoint was made for "), "{reason}");
    assert!(journal.trims() > 2, "it was tried {} times", journal.trims());
    assert_eq!(service.post(&[speed_up("a", 2, 1)]), "applied", "messages are taken");
    journal.trim.set(Does::Well);
    service.wait_until_ready();
    assert_eq!(service.stop(), Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_happens_whatever_crowd_of_readers_there_is() {
    let journal = OddJournal::new();
    let fleet = TestFleet::start(Shape { workers: 1, ..shape() }, journal.clone());
    // So many that to answer takes longer than to ask.
    for n in 0..1_000 {
        fleet.fleet.submit(parse(&launch(&n.to_string())), sleep_until(deadline())).await.unwrap();
    }
    let readers: Vec<_> = (0..500)
        .map(|_| {
            let fleet = fleet.fleet.clone();
            tokio::spawn(async move {
                loop {
                    let selection = Arc::new(Selection::default());
                    fleet.rockets(selection, deadline()).await.unwrap();
                }
            })
        })
        .collect();
    let interval = Interval { records: u64::MAX, time: PATIENCE };
    let mut checkpointer = Checkpointer::new(fleet.mailboxes(), journal, interval);
    let made = tokio::time::timeout(PATIENCE / 2, checkpointer.checkpoint()).await;
    made.expect("it happens").unwrap();
    for reader in readers {
        reader.abort();
        // Each may be between two questions, and none has failed.
        assert!(reader.await.unwrap_err().is_cancelled());
    }
    fleet.stop().await;
}
