//! What goes over TLS: messages, large bodies, early answers, listings that are
//! read slowly, and an end that both sides know to be one.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::http::send;
use crate::support::logged::{Logged, over_socket};
use crate::support::messages::{launch, launch_as, speed_up};
use crate::support::process::downlink;
use crate::support::tls::{Authority, Files, Trust};
use crate::support::{Connection, Request, Service, eventually, kind, problem};

/// A service, and a client that trusts it.
fn start() -> (Service, Trust) {
    let authority = Authority::new("authority");
    let service = Service::over_tls(Files::new(&authority.issue()).names(), |_| {});
    let trust = Trust::in_authority(&authority);
    wait_until_ready(&service, &trust);
    (service, trust)
}

fn wait_until_ready(service: &Service, trust: &Trust) {
    eventually("the service is ready", || {
        trust.connect(service.address).request(&Request::get("/readyz")).status == 200
    });
}

#[test]
fn messages_go_over_both_versions_and_the_end_is_told() {
    let authority = Authority::new("authority");
    let service = Service::over_tls(Files::new(&authority.issue()).names(), |_| {});
    for (channel, version) in [("a", &rustls::version::TLS12), ("b", &rustls::version::TLS13)] {
        let trust = Trust::with(&authority, None, &[version]);
        wait_until_ready(&service, &trust);
        let mut client = trust.connect(service.address);
        let session = &client.get_ref().conn;
        assert_eq!(session.protocol_version(), Some(version.version));
        assert_eq!(client.request(&Request::message(&launch(channel))).outcome(), "applied");
        for number in 2..50 {
            let message = speed_up(channel, number, 10);
            assert_eq!(client.request(&Request::message(&message)).outcome(), "applied");
        }
        let rocket = client.request(&Request::get(&format!("/rockets/{channel}"))).json();
        assert_eq!(rocket["last_message_number"], 49);
        let last = Request::get("/missions").header("connection", "close");
        assert_eq!(client.request(&last).status, 200);
        // By a close_notify: a client that only sees the connection end is told
        // that something may be missing, which is an error.
        assert!(client.is_closed());
    }
}

#[test]
fn a_stop_tells_clients_at_rest_that_this_is_the_end() {
    let (service, trust) = start();
    let mut used = trust.connect(service.address);
    assert_eq!(used.request(&Request::get("/readyz")).status, 200);
    let mut unused = trust.connect(service.address);
    // It is served by now, and not only accepted.
    assert_eq!(used.request(&Request::get("/readyz")).status, 200);
    assert_eq!(service.stop(), Ok(()));
    assert!(used.is_closed());
    assert!(unused.is_closed());
}

#[test]
fn a_body_of_megabytes_is_taken_in() {
    let (service, trust) = start();
    let lines: String = (0..20_000).map(|n| format!("{}\n", launch(&format!("{n}")))).collect();
    assert!(lines.len() > 3_000_000);
    let mut client = trust.connect(service.address);
    let bulk = Request::post(lines).header("content-type", "application/x-ndjson");
    let answer = client.request(&bulk);
    assert_eq!((answer.status, &answer.json()["applied"]), (200, &Value::from(20_000)));
}

#[test]
fn a_client_that_writes_all_before_it_reads_sees_the_status() {
    let (service, trust) = start();
    let body = vec![b'x'; 10_000_000];
    for (target, status) in [("/nowhere", 404), ("/rockets", 405), ("/messages", 413)] {
        let mut client = trust.connect(service.address);
        let head =
            format!("POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\n");
        client.send(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes());
        client.send(&body);
        let answer = client.receive();
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        assert_eq!(answer.header("connection"), Some("close"), "{target}");
        assert!(client.is_closed(), "{target}");
    }
}

#[test]
fn a_large_listing_that_is_read_slowly_comes_whole() {
    let (service, trust) = start();
    let long = "x".repeat(250);
    let lines: Vec<_> = (0..8000)
        .map(|n| launch_as(&format!("rocket {n}"), &long, 500, &long).to_string())
        .collect();
    let bulk = Request::post(lines.join("\n")).header("content-type", "application/x-ndjson");
    assert_eq!(trust.connect(service.address).request(&bulk).status, 200);
    // Far more than the system holds of it, to a reader with little room.
    let mut client = trust.try_over(narrow(&service)).unwrap();
    client.send(&Request::get("/rockets").to_bytes());
    let head = client.receive_head().unwrap();
    // Others are answered while this one waits.
    assert_eq!(trust.connect(service.address).request(&Request::get("/missions")).status, 200);
    let body = client.receive_body(&head).unwrap();
    assert!(body.len() > 5_000_000);
    let rockets: Vec<Value> = serde_json::from_slice(&body).unwrap();
    assert_eq!(rockets.len(), 8000);
    assert_eq!(client.request(&Request::get("/readyz")).status, 200);
}

/// A connection that takes in little at a time.
fn narrow(service: &Service) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(service.address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

#[test]
fn plain_http_is_told_that_this_is_https() {
    let (service, trust) = start();
    for body in [0, 10_000_000] {
        let request = Request::post("x".repeat(body));
        let mut client = Connection::open(service.address);
        // A client that writes all before it reads sees it too.
        client.send(&request.to_bytes());
        let answer = client.receive();
        let detail = problem(&answer, 400);
        assert!(detail.contains("https://"), "{detail}");
        assert_eq!(kind(&answer), "/problems/plain-http");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.is_closed());
    }
    assert_eq!(trust.connect(service.address).request(&Request::get("/rockets")).text(), "[]\n");
}

#[test]
fn a_handshake_where_plain_http_is_spoken_is_400() {
    let service = Service::start();
    let mut client = service.connect();
    client.send(&Trust::in_authority(&Authority::new("any")).hello());
    assert_eq!(client.receive_head().unwrap().status, 400);
    client.read_until_closed();
}

#[test]
fn garbage_is_let_go_without_an_answer_in_plain_text() {
    let (service, trust) = start();
    let hello = trust.hello();
    let mut cut = hello.clone();
    cut[20..].fill(0xff);
    let garbage: [&[u8]; 6] =
        [b"\0", b"\x80\x2e\x01\x03\x01", b"\r\n\r\n", &[0xff; 3000], b"\x16garbage garbage", &cut];
    for bytes in garbage {
        let mut stream = TcpStream::connect(service.address).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{bytes:?}");
        }
        // Nothing, or an alert of TLS.
        assert!(answer.is_empty() || answer[0] == 0x15, "{bytes:?}: {answer:?}");
    }
    assert_eq!(trust.connect(service.address).request(&Request::get("/readyz")).status, 200);
}

#[test]
fn the_log_says_https_and_a_unix_socket_stays_plain() {
    let authority = Authority::new("authority");
    let files = Files::new(&authority.issue());
    let socket = files.path("s");
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen=127.0.0.1:0"]).args(files.flags());
    command.arg(format!("--listen=unix:{}", socket.display()));
    let service = Logged::start(command);
    let addresses = service.addresses();
    let answer = over_socket(&socket, "GET", "/readyz", "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let address = addresses[0].parse().unwrap();
    let mut client = Trust::in_authority(&authority).connect(address);
    assert_eq!(client.request(&Request::get("/readyz")).status, 200);
    assert_eq!(send(address, &Request::get("/readyz")).status, 400);
    let url = format!("https://{},{}", addresses[0], addresses[1]);
    assert_eq!(service.said("downlink")[0]["url"], url);
    assert_eq!(service.said("ready")[0]["tls"], true);
    // Neither who is at rest nor who never asked for anything is cut at the stop.
    let mut unused = Trust::in_authority(&authority).connect(address);
    let lines = format!("{:?}", service.stop());
    assert!(!lines.contains("were cut"), "{lines}");
    assert!(client.is_closed() && unused.is_closed());
}
