//! What the tests share: the service in process and as a process, a fleet
//! without HTTP, an HTTP client that can misbehave, messages, and an oracle.
//!
//! Nothing waits for a fixed time. [`PATIENCE`] only turns a hang into a
//! failure, so it is far longer than anything here takes.

pub mod between;
pub mod described;
pub mod events;
pub mod faults;
pub mod fleet;
pub mod http;
pub mod journal;
pub mod logged;
pub mod messages;
pub mod model;
pub mod odd_journal;
pub mod oracle;
pub mod past;
pub mod process;
pub mod scrape;
pub mod service;
pub mod shared_log;
pub mod tls;

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

pub use http::{Connection, Request, Response};
pub use service::{Service, on_one_thread_and_on_several};

/// After so long something hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `holds`.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        #[expect(clippy::disallowed_methods, reason = "between looks")]
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until nobody has the data directory that a service of this process
/// had. A child that another test starts has it too, for a moment between its
/// fork and its exec.
pub fn wait_until_free(directory: &Path) {
    eventually("the data directory is free", || {
        [directory.to_owned(), directory.join("lock")].iter().all(|path| {
            // One that was never used is.
            let Ok(file) = File::open(path) else { return true };
            let free = file.try_lock().is_ok();
            // Closing it would not do: such a child may have this one as well.
            file.unlock().unwrap();
            free
        })
    });
}

/// Asserts that an answer is an error as the contract has it, and returns its
/// `detail`.
#[track_caller]
pub fn problem(response: &Response, status: u16) -> String {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    let body = response.json();
    assert_eq!(body["status"], status, "{body}");
    for field in ["type", "title", "detail", "error"] {
        let text = body[field].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{field} is missing: {body}");
    }
    assert_eq!(body["error"], body["detail"]);
    assert!(body["type"].as_str().unwrap().starts_with("/problems/"), "{body}");
    assert!(response.text().ends_with("}\n"), "{body}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(5), "{body}");
    body["detail"].as_str().unwrap().to_owned()
}

/// What kind of problem an answer is.
#[track_caller]
pub fn kind(response: &Response) -> String {
    response.json()["type"].as_str().unwrap().to_owned()
}

/// As [`problem`], of an error that may pass: it says when to try again.
#[track_caller]
pub fn passing_problem(response: &Response, status: u16) -> String {
    let detail = problem(response, status);
    let seconds = response.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
    assert!(seconds.is_some(), "no Retry-After: {:?}", response.headers);
    detail
}
