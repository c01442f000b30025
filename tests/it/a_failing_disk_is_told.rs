//! What clients see when the disk fails, stalls or is slow, and what is there
//! after the restart.

use std::path::Path;
use std::time::Duration;

use crate::support::faults::{Fault, Faults};
use crate::support::{self, Connection, Request, Service, eventually, messages, passing_problem};
use serde_json::Value;

const A: &str = "0e9e9df5-38fd-52e2-916f-c858b9eb4ea5";

fn start(faults: &Faults, directory: &Path, timeout: Duration) -> Service {
    let service =
        Service::opened(|config| config.http.request_timeout = timeout, faults.journal(directory));
    eventually("the service is ready", || service.get("/readyz").status == 200);
    service
}

fn restart(directory: &Path) -> Service {
    start(&Faults::default(), directory, support::PATIENCE)
}

/// A service whose disk fails with the second message of a rocket.
fn fail_at_second(fault: Fault, directory: &Path) -> Service {
    let faults = Faults::default();
    let service = start(&faults, directory, support::PATIENCE);
    assert_eq!(service.post(&[messages::launch(A)]), "applied");
    faults.set(fault);
    let refused = service.send(&Request::message(&messages::speed_up(A, 2, 7)));
    let detail = passing_problem(&refused, 503);
    assert!(detail.contains("the journal failed: injected"), "{detail}");
    // The disk is well again, and nothing helps but a restart.
    faults.set(Fault::None);
    service
}

fn speed(service: &Service) -> Value {
    service.read(&format!("/rockets/{A}"))["speed"].clone()
}

#[test]
fn after_a_failed_commit_nothing_is_written_and_reads_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let service = fail_at_second(Fault::Fails, directory.path());
    for again in [messages::speed_up(A, 2, 7), messages::speed_up(A, 3, 7), messages::launch("b")] {
        let refused = service.send(&Request::message(&again));
        let detail = passing_problem(&refused, 503);
        assert!(detail.contains("injected: no contact"), "{detail}");
    }
    let not_ready = passing_problem(&service.get("/readyz"), 503);
    assert!(not_ready.contains("injected: no contact"), "{not_ready}");
    assert_eq!(speed(&service), 500);
    assert_eq!(service.read("/missions")["missions"][0], "ARTEMIS");
    // What was durable before is known to be.
    service.stop_after_failure();

    let service = restart(directory.path());
    assert_eq!(speed(&service), 500);
    assert_eq!(service.post(&[messages::launch(A)]), "duplicate");
    assert_eq!(service.post(&[messages::speed_up(A, 2, 7)]), "applied");
}

#[test]
fn a_commit_that_only_seems_to_fail_is_not_acknowledged_and_not_applied_twice() {
    let directory = tempfile::tempdir().unwrap();
    let service = fail_at_second(Fault::FailsAfterwards, directory.path());
    assert_eq!(speed(&service), 500, "what was not acknowledged is not shown");
    passing_problem(&service.get("/readyz"), 503);
    service.stop_after_failure();

    let service = restart(directory.path());
    assert_eq!(service.post(&[messages::speed_up(A, 2, 7)]), "duplicate");
    assert_eq!(speed(&service), 507);
}

#[test]
fn a_slow_disk_delays_acknowledgements_and_not_reads() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let service = start(&faults, directory.path(), support::PATIENCE);
    assert_eq!(service.post(&[messages::launch(A)]), "applied");
    faults.set(Fault::Slow(Duration::from_millis(300)));
    let mut writer = service.connect();
    writer.send(&Request::message(&messages::speed_up(A, 2, 7)).to_bytes());
    // Many reads while one commit is under way.
    for _ in 0..20 {
        assert_eq!(speed(&service), 500);
    }
    assert_eq!(writer.receive().outcome(), "applied");
    assert_eq!(speed(&service), 507);
}

#[test]
fn a_stalled_disk_refuses_at_the_deadline_and_takes_no_more_than_its_inbox() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let service = Service::opened(
        |config| {
            config.http.request_timeout = Duration::from_millis(300);
            config.workers = 1;
            config.inbox_capacity = 5;
        },
        faults.journal(directory.path()),
    );
    eventually("the service is ready", || service.get("/readyz").status == 200);
    assert_eq!(service.post(&[messages::launch(A)]), "applied");
    faults.set(Fault::Stalled);
    // Each waits for its deadline; together they are more than the inbox and
    // the batches in flight can hold.
    let mut waiting: Vec<Connection> = Vec::new();
    let mut number = 2;
    let busy = loop {
        let mut connection = service.connect();
        connection.send(&Request::message(&messages::speed_up(A, number, 1)).to_bytes());
        number += 1;
        waiting.push(connection);
        let mut probe = service.connect();
        let answer = probe.request(&Request::message(&messages::speed_up(A, number, 1)));
        number += 1;
        let detail = passing_problem(&answer, 503);
        assert_eq!(speed(&service), 500);
        if detail.contains("too many messages wait") {
            break waiting.len();
        }
        assert!(detail.contains("not acknowledged in time"), "{detail}");
    };
    assert!(busy < 20, "the inbox took {busy} messages and more");
    for mut connection in waiting {
        passing_problem(&connection.receive(), 503);
    }
    faults.set(Fault::None);
    let again = Request::message(&messages::speed_up(A, 2, 1));
    eventually("messages are taken again", || service.send(&again).status == 200);
    eventually("what was in the inbox is applied", || speed(&service) != 500);
}
