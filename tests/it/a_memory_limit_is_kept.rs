//! `--memory-limit` is a limit whatever is sent: bounds that follow from it hold
//! for rockets and early messages with the longest IDs and texts, no two alike.

use std::collections::BTreeMap;

use crate::support::messages;
use crate::support::process::{Process, downlink};
use crate::support::{Connection, Request};
use serde_json::Value;

const MIB: usize = 1 << 20;

/// Messages of one request.
const MANY: usize = 2_000;

/// A text of so many bytes that no other number has.
fn own(number: usize, bytes: usize) -> String {
    format!("{number:0bytes$}")
}

/// Sends requests of ever new messages until one of them is refused; how many
/// were accepted.
fn fill(connection: &mut Connection, message: impl Fn(usize) -> Value) -> usize {
    for first in (0..).step_by(MANY) {
        let lines: String = (first..first + MANY).map(|n| format!("{}\n", message(n))).collect();
        let many = Request::post(lines).header("content-type", "application/x-ndjson");
        let answer = connection.request(&many).json();
        let counts: BTreeMap<String, Value> =
            serde_json::from_value(answer.clone()).unwrap_or_default();
        let count = |name| counts.get(name).and_then(Value::as_u64).unwrap_or_default();
        let accepted = count("applied") + count("buffered");
        if accepted < MANY as u64 {
            let why = answer["errors"][0]["error"].to_string();
            assert!(why.contains("the fleet"), "{why}");
            return first + usize::try_from(accepted).unwrap();
        }
    }
    unreachable!("there is always a next request")
}

fn holds(limit: usize) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--durability", "os", "--workers", "2"]);
    command.args(["--checkpoint-interval", "1s", "--memory-limit", &limit.to_string()]);
    command.arg("--data-dir").arg(directory.path());
    let service = Process::spawn(command);
    let empty = service.resident();
    let mut connection = Connection::open(service.address);
    let early = fill(&mut connection, |n| {
        // Many to a rocket, so that the bound on early ones is reached first.
        let channel = own(n / 5_000, 128);
        let mut message = messages::launch_as(&channel, &own(2 * n, 256), 1, &own(2 * n + 1, 256));
        message["metadata"]["messageNumber"] = (n % 5_000 + 2).into();
        message
    });
    let rockets = fill(&mut connection, |n| {
        let n = n + 1_000_000;
        messages::launch_as(&own(n, 128), &own(2 * n, 256), 1, &own(2 * n + 1, 256))
    });
    assert!(early > 0 && rockets > 0);
    let resident = service.resident();
    let told = format!(
        "{} MiB with {early} early messages and {rockets} rockets under {} MiB, {} MiB of it the \
         program's own",
        resident / MIB,
        limit / MIB,
        empty / MIB
    );
    println!("{told}");
    assert!(resident < limit, "{told}");
    service.terminate();
    assert!(service.wait().0.success());
}

/// More than the least that may be set: this program is larger than a release.
#[test]
fn the_largest_messages_do_not_go_beyond_it() {
    holds(128 * MIB);
}
