//! Many clients at once, and one after the other: with every kind of request half
//! sent, and with answers that are never read.
//!
//! `DOWNLINK_ATTACK_CONNECTIONS` says how many at once; five times as many come
//! one after the other.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use super::raw::{body, chunk, get, head, post};
use super::victim::Victim;
use crate::support::http::send;
use crate::support::messages::launch_as;
use crate::support::process::{Process, downlink};
use crate::support::{PATIENCE, Request, eventually};

/// Connections at once in a usual run.
const USUAL: usize = 1500;

/// How many of them there are to be, as far as the system lets this process have
/// them, with some files to spare for other tests.
#[expect(clippy::disallowed_methods, reason = "it is the tests' own, and no flag")]
fn at_once() -> usize {
    let wanted = std::env::var("DOWNLINK_ATTACK_CONNECTIONS");
    let wanted = wanted.map_or(USUAL, |number| number.parse().expect("it is a number"));
    let needed = wanted as u64 + 2000;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current else { return wanted };
    let raised = needed.min(maximum.unwrap_or(u64::MAX));
    if raised > current {
        setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).unwrap();
    }
    let possible = usize::try_from(raised.max(current).saturating_sub(2000)).unwrap().max(200);
    println!("{} connections of {wanted} at once", wanted.min(possible));
    wanted.min(possible)
}

/// Connects from addresses of its own, so that other tests have their ports.
struct Sources {
    runtime: Runtime,
    used: u32,
}

impl Sources {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        Self { runtime, used: 0 }
    }

    fn connect(&mut self, to: SocketAddr) -> TcpStream {
        self.open(to, None).unwrap()
    }

    /// With a small buffer for what it gets, if it is not to get much.
    fn open(&mut self, to: SocketAddr, buffer: Option<u32>) -> std::io::Result<TcpStream> {
        self.used += 1;
        // 127.8.0.1 to 127.8.0.200.
        let source = Ipv4Addr::from(0x7f08_0001 + self.used % 200);
        let stream = self.runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            if let Some(bytes) = buffer {
                socket.set_recv_buffer_size(bytes)?;
            }
            socket.bind((source, 0).into())?;
            socket.connect(to).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

/// Requests that are not all there, of each kind; none of them may be applied.
fn halves() -> Vec<Vec<u8>> {
    let lines = "content-type: application/x-ndjson\r\n";
    let gzip = "content-encoding: gzip\r\n";
    vec![
        Vec::new(),
        b"POST /mess".to_vec(),
        [&b"GET /missions HTTP/1.1\r\nx: "[..], &[b'y'; 20_000]].concat(),
        head("content-length: 60000\r\n"),
        [head("content-length: 60000\r\n"), vec![b' '; 30_000]].concat(),
        [head(&format!("{lines}content-length: 600000\r\n")), vec![b'x'; 30_000]].concat(),
        [
            head(&format!("{gzip}content-length: 60000\r\n")),
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(),
        ]
        .concat(),
        [head("transfer-encoding: chunked\r\n"), chunk(&body("half")), b"0\r\n".to_vec()].concat(),
        get("/missions"),
    ]
}

#[test]
fn many_connections_at_once_leave_nothing_behind() {
    let count = at_once();
    // None is let go while others still come.
    let victim = Victim::start(&["--request-timeout", "5m"]);
    let halves = halves();
    let mut sources = Sources::new();
    let mut clients = Vec::new();
    for n in 0..count {
        let mut client = sources.connect(victim.address());
        client.write_all(&halves[n % halves.len()]).unwrap();
        clients.push(client);
    }
    eventually("all are taken in", || victim.descriptors_now() >= count);
    println!("{count} connections: {} KiB", victim.memory_now());
    assert_eq!(victim.talk(&post("among-them"), "/readyz").statuses, [204, 200]);
    drop(clients);
    victim.recovers_from("many at once");
    assert!(!victim.has("half"));
    assert!(victim.has("among-them"));
    // Once more, with bodies alone: what they took is in other arenas of the
    // allocator, which nobody uses from then on.
    let body = [head("content-length: 60000\r\n"), vec![b' '; 30_000]].concat();
    let mut clients: Vec<_> =
        (0..count.min(2000)).map(|_| sources.connect(victim.address())).collect();
    for client in &mut clients {
        client.write_all(&body).unwrap();
    }
    eventually("they are held", || victim.memory_now() > clients.len() * 30);
    drop(clients);
    victim.recovers_from("bodies at once");
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let count = 5 * at_once();
    let victim = Victim::start(&[]);
    let halves = halves();
    let mut sources = Sources::new();
    for n in 0..count {
        let mut client = sources.connect(victim.address());
        match n % 4 {
            // Gone, after half of something or nothing.
            0 => client.write_all(&halves[n / 4 % halves.len()]).unwrap(),
            // Gone before the answer, which then meets nobody.
            1 => client.write_all(&post(&format!("gone-{}", n % 1000))).unwrap(),
            // The service ends it.
            2 => {
                client.write_all(b"no HTTP\r\n\r\n").unwrap();
                let _ = client.read_to_end(&mut Vec::new());
            }
            _ => {
                client.write_all(&get("/missions")).unwrap();
                assert!(client.read(&mut [0; 4096]).unwrap() > 0);
            }
        }
    }
    println!("{count} connections came and went");
    victim.recovers_from("coming and going");
    assert!(!victim.has("half"));
}

#[test]
fn running_out_of_open_files_passes_with_those_who_took_them() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 100; exec \"$0\" \"$@\""]).arg(downlink().get_program());
    command.args(["--listen", "127.0.0.1:0", "--durability", "memory"]);
    let victim = Victim::of(Process::spawn(command));
    let halves = halves();
    let mut sources = Sources::new();
    for round in 0..3 {
        let mut clients: Vec<_> = (0..400).map(|_| sources.connect(victim.address())).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            // Some are turned away.
            let _ = client.write_all(&halves[n % halves.len()]);
        }
        // Places are dealt out once a second to those who wait.
        eventually("somebody is served among them", || victim.answers());
        assert!(victim.descriptors_now() <= 100, "round {round}");
    }
    victim.recovers_from("no open files");
}

#[test]
fn readers_that_take_nothing_are_let_go_and_hold_nothing_on() {
    let victim = Victim::start(&["--idle-timeout", "2s"]);
    let long = "x".repeat(250);
    let lines: Vec<_> = (0..8000)
        .map(|n| launch_as(&format!("rocket {n}"), &long, 500, &long).to_string())
        .collect();
    let bulk = Request::post(lines.join("\n")).header("content-type", "application/x-ndjson");
    assert_eq!(send(victim.address(), &bulk).status, 200);
    // The fleet is not what is to go.
    let victim = victim.noted_after(|victim| {
        let whole = send(victim.address(), &Request::get("/rockets"));
        assert!(whole.body.len() > 5_000_000, "{}", whole.body.len());
    });
    let mut sources = Sources::new();
    let mut readers = Vec::new();
    for n in 0..200 {
        let mut reader = sources.open(victim.address(), Some(4096)).unwrap();
        let target = ["/rockets", "/rockets?limit=1000", "/rockets?sort=id&order=desc"][n % 3];
        // Further requests wait behind the answer.
        let twice = get(target).repeat(2);
        reader.write_all(&twice).unwrap();
        readers.push(reader);
    }
    println!("200 readers: {} KiB", victim.memory_now());
    assert_eq!(victim.talk(&post("among-them"), "/rockets?limit=10").statuses, [204, 200]);
    // They never read, and never leave: it is the service that ends them.
    eventually("they are let go", || victim.descriptors_now() < 100);
    victim.recovers_from("silent readers");
    drop(readers);
}
