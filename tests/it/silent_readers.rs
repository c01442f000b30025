//! Readers of large answers that take them slowly, or not at all.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::support::http::send;
use crate::support::messages::{explode, launch_as};
use crate::support::process::Process;
use crate::support::{Connection, Request, eventually, passing_problem};

/// A connection that takes in little at a time.
fn narrow(address: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

fn fill(address: SocketAddr, rockets: usize) {
    let long = "x".repeat(250);
    let lines: Vec<_> = (0..rockets)
        .map(|n| launch_as(&format!("rocket {n}"), &long, 500, &long).to_string())
        .collect();
    let bulk = Request::post(lines.join("\n")).header("content-type", "application/x-ndjson");
    assert_eq!(Connection::open(address).request(&bulk).status, 200);
}

#[test]
fn answers_that_nobody_reads_hold_no_more_than_they_may() {
    // A page is some 700 kB, more than the system keeps of it.
    let service = Process::start(&["--max-answer-bytes-held", "2000000"]);
    fill(service.address, 1000);
    let page = Request::get("/rockets?limit=1000");
    let get = |request: &Request| send(service.address, request);
    let whole = get(&page);
    assert_eq!(whole.status, 200);
    assert_eq!(whole.header("content-length"), Some(whole.body.len().to_string().as_str()));
    assert_eq!(whole.json().as_array().unwrap().len(), 1000);
    assert!(whole.body.len() > 680_000, "{}", whole.body.len());

    let silent = |_: usize| {
        let mut client = Connection::new(narrow(service.address));
        client.send(&page.to_bytes());
        let head = client.receive_head().unwrap();
        (client, head)
    };
    let mut readers: Vec<_> = (0..2).map(silent).collect();
    for (_, head) in &readers {
        assert_eq!(head.status, 200);
    }
    let third = get(&page);
    assert_eq!(third.status, 503);
    let detail = passing_problem(&third, 503);
    assert!(detail.contains("--max-answer-bytes-held"), "{detail}");
    // What is small is not affected, nor are messages.
    assert_eq!(get(&Request::get("/rockets?limit=10")).status, 200);
    let (mut client, head) = readers.pop().unwrap();
    assert_eq!(client.receive_body(&head).unwrap().len(), whole.body.len());
    eventually("its bytes are free", || get(&page).status == 200);
    // One that leaves takes its bytes with it.
    drop((client, readers));
    eventually("all bytes are free", || {
        let both: Vec<_> = (0..2).map(silent).collect();
        both.iter().all(|(_, head)| head.status == 200)
    });
}

/// Texts that hardly become shorter by compression.
fn noise(state: &mut u64, length: usize) -> String {
    let mut next = || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // No quote and no backslash among them.
        char::from(b'#' + u8::try_from((*state >> 33) % 57).unwrap())
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn answers_that_go_compressed_count_as_they_would_without() {
    // Two fit with what compressing them takes, and a third does not.
    for (coding, bound) in [("gzip", "3800000"), ("zstd", "5000000")] {
        let service = Process::start(&["--max-answer-bytes-held", bound]);
        let state = &mut 1;
        let lines: Vec<_> = (0..1000)
            .flat_map(|_| {
                let id = noise(state, 120);
                let launch = launch_as(&id, &noise(state, 250), 500, &noise(state, 250));
                [launch.to_string(), explode(&id, 2, &noise(state, 250)).to_string()]
            })
            .collect();
        let bulk = Request::post(lines.join("\n")).header("content-type", "application/x-ndjson");
        assert_eq!(send(service.address, &bulk).status, 200);
        let page = Request::get("/rockets?limit=1000");
        let length = send(service.address, &page).body.len();
        assert!((1_050_000..1_150_000).contains(&length), "{length}");
        let page = page.header("accept-encoding", coding);
        let mut readers = Vec::new();
        for _ in 0..2 {
            let mut client = Connection::new(narrow(service.address));
            client.send(&page.to_bytes());
            let head = client.receive_head().unwrap();
            assert_eq!(head.header("content-encoding"), Some(coding));
            readers.push(client);
        }
        let third = send(service.address, &page);
        assert_eq!(third.status, 503);
        let detail = passing_problem(&third, 503);
        assert!(detail.contains("--max-answer-bytes-held"), "{detail}");
        drop(readers);
        eventually("all bytes are free", || send(service.address, &page).status == 200);
    }
}

/// Fills the fleet with texts that take six times as much in JSON.
fn fill_escaped(address: SocketAddr, rockets: usize) {
    let lines: Vec<_> = (0..rockets)
        .map(|n| {
            let text = format!("{n}{}", "\u{1}".repeat(250));
            launch_as(&format!("rocket {n}"), &text, 500, &text).to_string()
        })
        .collect();
    let bulk = Request::post(lines.join("\n")).header("content-type", "application/x-ndjson");
    assert_eq!(send(address, &bulk).status, 200);
}

#[test]
fn a_streamed_answer_that_nobody_reads_holds_little_however_long_its_texts() {
    const READERS: usize = 40;
    for path in ["/rockets", "/missions"] {
        let service = Process::start(&[]);
        fill_escaped(service.address, 2000);
        let whole = Request::get(path);
        let length = send(service.address, &whole).body.len();
        assert!(length > 2_900_000, "{length}");
        let before = service.resident();
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                let mut client = Connection::new(narrow(service.address));
                client.send(&whole.to_bytes());
                assert_eq!(client.receive_head().unwrap().status, 200);
                client
            })
            .collect();
        // Others are answered meanwhile, and so they had their turns.
        for _ in 0..100 {
            assert_eq!(send(service.address, &Request::get("/readyz")).status, 200);
        }
        let each = service.resident().saturating_sub(before) / READERS;
        assert!(each < 400_000, "{path}: {each} bytes for each of {READERS} that do not read");
        drop(readers);
    }
}

#[test]
fn a_collected_listing_counts_with_its_rockets_until_it_is_sent() {
    let service = Process::start(&["--max-answer-bytes-held", "2000000"]);
    fill(service.address, 8000);
    let whole = Request::get("/rockets?sort=speed");
    let mut first = Connection::new(narrow(service.address));
    first.send(&whole.to_bytes());
    let head = first.receive_head().unwrap();
    assert_eq!(head.status, 200);
    let detail = passing_problem(&send(service.address, &whole), 503);
    assert!(detail.contains("--max-answer-bytes-held"), "{detail}");
    // In launch order nothing is collected.
    assert_eq!(send(service.address, &Request::get("/rockets")).status, 200);
    let body: serde_json::Value =
        serde_json::from_slice(&first.receive_body(&head).unwrap()).unwrap();
    assert_eq!(body.as_array().unwrap().len(), 8000);
    eventually("its bytes are free", || send(service.address, &whole).status == 200);
}

/// What is not counted is bounded by the number of connections.
#[test]
fn a_client_that_asks_and_does_not_read_is_not_answered_on_and_on() {
    const CLIENTS: usize = 20;
    let service = Process::start(&[]);
    fill(service.address, 80);
    let page = Request::get("/rockets?limit=80");
    let length = send(service.address, &page).body.len();
    // Less than what is counted.
    assert!((50_000..64_000).contains(&length), "{length}");
    let before = service.resident();
    let many = page.to_bytes().repeat(200);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = narrow(service.address);
            client.set_nonblocking(true).unwrap();
            // What does not fit is not taken, which will do.
            let _ = std::io::Write::write(&mut client, &many);
            client
        })
        .collect();
    // Others are answered meanwhile, and so they had their turns.
    for _ in 0..200 {
        assert_eq!(send(service.address, &page).status, 200);
    }
    let each = service.resident().saturating_sub(before) / CLIENTS;
    assert!(each < 400_000, "{each} bytes for each of {CLIENTS} that do not read");
    drop(clients);
}

#[test]
fn a_steady_reader_is_not_cut_while_it_makes_progress() {
    let service = Process::start(&["--idle-timeout", "1s"]);
    fill(service.address, 8000);
    let mut stream = narrow(service.address);
    std::io::Write::write_all(&mut stream, &Request::get("/rockets").to_bytes()).unwrap();
    // 200 KB/s, for several times the time-out.
    let start = Instant::now();
    let mut read = 0;
    let mut buffer = [0; 4000];
    while start.elapsed() < Duration::from_secs(6) {
        let due = Duration::from_micros(read as u64 * 5);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "cut off after {:?} and {read} bytes", start.elapsed());
        read += length;
    }
    let mut rest = Vec::new();
    stream.read_to_end_of_chunks(&mut rest);
    assert!(rest.ends_with(b"]\n\r\n0\r\n\r\n"), "the listing ended early");
}

trait ToEnd {
    fn read_to_end_of_chunks(&mut self, into: &mut Vec<u8>);
}

impl ToEnd for TcpStream {
    fn read_to_end_of_chunks(&mut self, into: &mut Vec<u8>) {
        let mut buffer = [0; 8192];
        while !into.ends_with(b"\r\n0\r\n\r\n") {
            match self.read(&mut buffer).unwrap() {
                0 => return,
                length => into.extend_from_slice(&buffer[..length]),
            }
        }
    }
}
