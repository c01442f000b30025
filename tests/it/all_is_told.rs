//! What the log tells once a second at most is told whole: what came too soon for a
//! line of its own is told soon after, also when nothing more comes, and at a stop.

use serde_json::Value;

use crate::support::http::send;
use crate::support::messages::{explode, launch, speed_up};
use crate::support::process::Process;
use crate::support::{Request, eventually};

const ANOMALOUS: &str = "anomalous messages; shown is the latest";
const FULL: &str = "messages are refused: too many of one rocket wait for an earlier one";

/// A service of one worker, in which three of each were counted at once.
fn counted() -> Process {
    let service = Process::start(&["--workers=1", "--max-buffered-per-rocket=1"]);
    let post = |message: &Value| send(service.address, &Request::message(message));
    assert_eq!(post(&launch("a")).outcome(), "applied");
    assert_eq!(post(&speed_up("waits", 2, 1)).outcome(), "buffered");
    assert_eq!(post(&explode("a", 2, "X")).outcome(), "applied");
    for n in 3..6 {
        assert_eq!(post(&explode("a", n, "Y")).outcome(), "applied");
        assert_eq!(post(&speed_up("waits", n, 1)).status, 429);
    }
    service
}

/// How many the lines with this message tell of.
fn told(log: &str, message: &str) -> u64 {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fields = lines.map(|line| line["fields"].clone());
    fields.filter(|it| it["message"] == message).map(|it| it["count"].as_u64().unwrap()).sum()
}

#[test]
fn what_was_counted_is_told_when_nothing_more_comes() {
    let service = counted();
    for message in [ANOMALOUS, FULL] {
        eventually("all three are told", || told(&service.log_so_far(), message) == 3);
    }
    service.terminate();
    let (status, log) = service.wait();
    assert!(status.success() && told(&log, FULL) == 3, "{log}");
}

#[test]
fn what_was_counted_is_told_at_a_stop() {
    let service = counted();
    service.terminate();
    let (status, log) = service.wait();
    assert!(status.success(), "{log}");
    assert_eq!((told(&log, ANOMALOUS), told(&log, FULL)), (3, 3), "{log}");
}
