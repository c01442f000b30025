//! Clients that send half of something, or a byte now and then, each for as long
//! as it is let: they are let go in time, by what they stand at, and meanwhile
//! everybody else is served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::raw::{body, chunk, connect, get, head, post};
use super::victim::Victim;
use crate::support::PATIENCE;

/// How many of each kind.
const CLIENTS: usize = 40;

struct Kind {
    name: &'static str,
    /// Sent at once.
    start: Vec<u8>,
    /// Sent now and then.
    drop: &'static [u8],
    /// What is read before the end; nothing if there is no answer.
    answer: &'static str,
}

fn kinds() -> Vec<Kind> {
    let chunked = head("transfer-encoding: chunked\r\n");
    let started = [&chunked[..], &chunk(b"{")].concat();
    let whole = [&chunked[..], &chunk(&body("without-an-end"))].concat();
    let get = |headers: &str| {
        format!("GET /missions HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").into_bytes()
    };
    let kind =
        |name, start: &[u8], drop, answer| Kind { name, start: start.to_vec(), drop, answer };
    let timed_out = "HTTP/1.1 408 ";
    vec![
        kind("nothing", b"", b"", ""),
        kind("line ends", b"", b"\r\n", ""),
        kind("a line", b"GET /", b"a", ""),
        kind("headers", b"GET / HTTP/1.1\r\nhost: localhost\r\n", b"x: y\r\n", ""),
        kind("a value", b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ", b"y", ""),
        kind("a second head", &self::get("/missions"), b"GET", "HTTP/1.1 200 "),
        kind("no body", &head("content-length: 60000\r\n"), b"", timed_out),
        kind("a body", &head("content-length: 60000\r\n"), b" ", timed_out),
        kind(
            "lines",
            &head("content-type: application/x-ndjson\r\ncontent-length: 60000\r\n"),
            b"\n",
            timed_out,
        ),
        kind("chunks", &started, b"1\r\n \r\n", timed_out),
        kind("a size", &started, b"0", timed_out),
        kind("an extension", &[&started[..], b"5;"].concat(), b"a", timed_out),
        kind("no end", &whole, b"", timed_out),
        kind("trailers", &[&whole[..], b"0\r\n"].concat(), b"x: y\r\n", timed_out),
        kind("a body of GET", &get("content-length: 60000\r\n"), b" ", "HTTP/1.1 200 "),
        kind(
            "chunks of GET",
            &get("transfer-encoding: chunked\r\n"),
            b"1\r\n \r\n",
            "HTTP/1.1 200 ",
        ),
        kind(
            "a body after being told to go on",
            &head("expect: 100-continue\r\ncontent-length: 60000\r\n"),
            b"",
            "HTTP/1.1 100 ",
        ),
    ]
}

/// What the client has read once the service closed the connection.
fn ended(client: &mut TcpStream, read: &mut Vec<u8>) -> bool {
    loop {
        let mut buffer = [0; 4096];
        match client.read(&mut buffer) {
            Ok(0) => return true,
            Ok(length) => read.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
            Err(_) => return true,
        }
    }
}

#[test]
fn clients_that_trickle_are_let_go_in_time_and_hold_nobody_up() {
    let victim = Victim::start(&["--idle-timeout", "2s", "--request-timeout", "1s"]);
    let kinds = kinds();
    let mut clients: Vec<_> = (0..CLIENTS * kinds.len())
        .map(|n| {
            let mut client = connect(victim.address()).unwrap();
            client.write_all(&kinds[n % kinds.len()].start).unwrap();
            client.set_nonblocking(true).unwrap();
            (n % kinds.len(), client, Vec::new())
        })
        .collect();
    let start = Instant::now();
    let mut served = 0;
    while !clients.is_empty() {
        clients.retain_mut(|(kind, client, read)| {
            let kind = &kinds[*kind];
            // It may just be gone.
            let _ = client.write(kind.drop);
            let is_over = ended(client, read);
            if is_over {
                let text = String::from_utf8_lossy(read);
                let answered =
                    text.starts_with(kind.answer) && text.is_empty() == kind.answer.is_empty();
                assert!(answered, "{}: {text:?}", kind.name);
            }
            !is_over
        });
        let rocket = format!("among them {served}");
        assert_eq!(
            victim.talk(&[post(&rocket), get("/missions")].concat(), "/readyz").statuses.len(),
            3
        );
        served += 1;
        let left: Vec<_> = clients.iter().map(|(kind, ..)| kinds[*kind].name).collect();
        assert!(start.elapsed() < PATIENCE, "still there: {left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("{served} others were served in {:?}", start.elapsed());
    assert!(!victim.has("without-an-end"));
    victim.recovers_from("trickling");
}
