//! Many clients that connect at once, with the real binary.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::process::Process;
use crate::support::{Connection, Request};

/// More than a backlog of 128, and fewer than any system's `somaxconn` of today.
const CLIENTS: usize = 1_000;

#[test]
fn a_fleet_that_connects_at_once_waits_for_no_second_syn() {
    let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    assert!(somaxconn.trim().parse::<usize>().unwrap() > CLIENTS, "this system's is {somaxconn}");
    // Nobody accepts while it is stopped, so that all are in the backlog at once.
    let service = Process::start(&[]);
    service.signal("STOP");
    let start = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let client = TcpStream::connect_timeout(&service.address, Duration::from_millis(900));
            client.unwrap_or_else(|error| panic!("client {n} after {:?}: {error}", start.elapsed()))
        })
        .collect();
    service.signal("CONT");
    for client in clients {
        assert_eq!(Connection::new(client).request(&Request::get("/readyz")).status, 200);
    }
}
