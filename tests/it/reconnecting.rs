//! Many clients that connect at once, with the real binary.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::process::Process;

/// More than a backlog of 128, and fewer than any system's `somaxconn` of today.
const CLIENTS: usize = 1_000;

#[test]
fn a_fleet_that_connects_at_once_waits_for_no_second_syn() {
    let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    assert!(somaxconn.trim().parse::<usize>().unwrap() > CLIENTS, "this system's is {somaxconn}");
    // None is accepted beyond the first few, so that all the others are in the
    // backlog at once.
    let service = Process::start(&["--max-connections", "1"]);
    let start = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let client = TcpStream::connect_timeout(&service.address, Duration::from_millis(900));
            client.unwrap_or_else(|error| panic!("client {n} after {:?}: {error}", start.elapsed()))
        })
        .collect();
    assert_eq!(clients.len(), CLIENTS);
}
