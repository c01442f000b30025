//! Sockets that a service manager has bound are listened on in place of
//! `--listen`, and connections wait in them from one run to the next.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::http::{Connection, send};
use crate::support::logged::{Logged, over_socket};
use crate::support::messages::launch;
use crate::support::process::{downlink, run};
use crate::support::{Request, eventually};

/// The service in memory, with a socket as systemd passes it on, under a name.
fn with_socket(socket: impl Into<OwnedFd>, name: &str) -> Command {
    let mut command = Command::new("sh");
    let passed = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    command.args(["-c", passed]).arg(downlink().get_program());
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0"]);
    command.env("LISTEN_FDNAMES", name).stdin(Stdio::from(socket.into()));
    command
}

fn of(listener: &TcpListener) -> OwnedFd {
    listener.try_clone().unwrap().into()
}

/// A request on a connection of its own, which must be answered.
fn answered(address: SocketAddr) -> u16 {
    let mut connection = Connection::open(address);
    let message = Request::message(&launch("a")).header("connection", "close");
    connection.request(&message).status
}

#[test]
fn who_comes_while_no_service_runs_is_answered_by_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut early = Connection::new(TcpStream::connect(address).unwrap());
    early.send(&Request::message(&launch("a")).to_bytes());
    let service = Logged::start(with_socket(of(&listener), "downlink.socket"));
    // 503 if it was there before the start was done.
    assert!([200, 503].contains(&early.receive().status));
    assert_eq!(service.addresses(), [address.to_string()]);
    assert_eq!(service.said("listening")[0]["inherited"], true);
    assert_eq!(send(address, &Request::get("/readyz")).status, 200);
    service.stop();
    let mut late = Connection::new(TcpStream::connect(address).unwrap());
    late.send(&Request::get("/").to_bytes());
    let service = Logged::start(with_socket(of(&listener), "downlink.socket"));
    assert_eq!(late.receive().status, 200);
    service.stop();
}

#[test]
fn a_restart_under_load_refuses_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (done, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let client = || {
            while !done.load(Ordering::Relaxed) {
                // Anything else than an answer ends the test.
                let status = answered(address);
                assert!([200, 503].contains(&status), "{status}");
                answers.fetch_add(1, Ordering::Relaxed);
            }
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        let work = || {
            let before = answers.load(Ordering::Relaxed);
            let lost = || clients.iter().any(std::thread::ScopedJoinHandle::is_finished);
            eventually("clients are answered", || {
                lost() || answers.load(Ordering::Relaxed) > before + 100
            });
        };
        for _ in 0..5 {
            let service = Logged::start(with_socket(of(&listener), "downlink.socket"));
            work();
            service.stop();
        }
        let service = Logged::start(with_socket(of(&listener), "downlink.socket"));
        work();
        done.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        service.stop();
    });
}

#[test]
fn a_connection_that_says_nothing_holds_no_restart_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = Logged::start(with_socket(of(&listener), ""));
    let mut silent = Connection::open(listener.local_addr().unwrap());
    // Accepted, since one after it was answered.
    assert_eq!(answered(listener.local_addr().unwrap()), 200);
    service.stop();
    assert!(silent.is_closed());
}

#[test]
fn a_socket_of_a_unix_path_stays_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    for _ in 0..2 {
        let mut early = UnixStream::connect(&path).unwrap();
        early.write_all(&Request::get("/").to_bytes()).unwrap();
        let service = Logged::start(with_socket(listener.try_clone().unwrap(), "x"));
        assert_eq!(service.addresses(), [format!("unix:{}", path.display())]);
        assert!(over_socket(&path, "GET", "/readyz", "").starts_with("HTTP/1.1 200"));
        service.stop();
        assert!(path.exists());
    }
}

#[test]
fn one_that_is_called_admin_is_for_operators() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = listener.local_addr().unwrap();
    let service = Logged::start(with_socket(of(&listener), "admin"));
    assert_eq!(send(admin, &Request::get("/readyz")).status, 200);
    assert_eq!(send(admin, &Request::get("/rockets")).status, 404);
    let main = service.addresses()[0].parse().unwrap();
    assert_eq!(send(main, &Request::get("/readyz")).status, 404);
    assert_eq!(send(main, &Request::get("/rockets")).status, 200);
    service.stop();
}

#[test]
fn what_nobody_connects_to_ends_the_start_and_is_named() {
    let (datagrams, _other) = UnixDatagram::pair().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    for socket in [OwnedFd::from(datagrams), OwnedFd::from(connected)] {
        let (code, _, err) = run(with_socket(socket, "odd.socket"));
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains("odd.socket") && err.contains("Accept=no"), "{err}");
    }
}

#[test]
fn what_was_passed_to_another_process_is_left_alone() {
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0"]);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let service = Logged::start(command);
    assert_eq!(service.said("listening")[0]["inherited"], false);
    service.stop();
}
