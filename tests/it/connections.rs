//! Over real sockets: clients that come once, that stay, that are in a hurry,
//! that are slow, and that vanish.

use std::net::SocketAddr;

use crate::support::messages::{launch, launch_as, speed_up};
use crate::support::{Connection, Request, Service, on_one_thread_and_on_several, problem};
use serde_json::{Value, json};

/// Launches and `count - 1` speed changes of one rocket.
fn flight(channel: &str, count: u64) -> Vec<Value> {
    let rest = (2..=count).map(|number| speed_up(channel, number, 1));
    std::iter::once(launch(channel)).chain(rest).collect()
}

#[test]
fn many_clients_with_a_new_connection_for_every_message_lose_nothing() {
    on_one_thread_and_on_several(new_connections);
}

fn new_connections(threads: usize) {
    let service = Service::start_with(|config| config.threads = threads);
    std::thread::scope(|scope| {
        for client in 0..8 {
            let service = &service;
            scope.spawn(move || {
                // Backwards, so that all but the last wait.
                for message in flight(&format!("rocket {client}"), 60).iter().rev() {
                    assert_eq!(service.send(&Request::post(message.to_string())).status, 204);
                }
            });
        }
    });
    let rockets = service.read("/rockets");
    assert_eq!(rockets.as_array().unwrap().len(), 8);
    for rocket in rockets.as_array().unwrap() {
        assert_eq!(rocket["last_message_number"], 60);
        assert_eq!(rocket["speed"], 559);
        assert_eq!(rocket["buffered_messages"], 0);
    }
}

#[test]
fn a_connection_serves_any_number_of_requests_errors_among_them() {
    let service = Service::start();
    let mut connection = service.connect();
    for message in flight("a", 50) {
        assert_eq!(connection.request(&Request::message(&message)).outcome(), "applied");
        assert_eq!(connection.request(&Request::post(message.to_string())).status, 204);
        problem(&connection.request(&Request::post("{")), 400);
        problem(&connection.request(&Request::post("[]")), 422);
        problem(&connection.request(&Request::post(" ".repeat(100_000))), 413);
        problem(&connection.request(&Request::get("/nowhere")), 404);
        problem(&connection.request(&Request::new("DELETE", "/rockets")), 405);
    }
    assert_eq!(connection.request(&Request::get("/rockets/a")).json()["last_message_number"], 50);
}

#[test]
fn bodies_may_come_in_chunks_of_any_size() {
    let service = Service::start();
    let mut connection = service.connect();
    for (number, size) in (2..).zip([1, 2, 3, 64, 1000, 100_000]) {
        let request = Request::message(&speed_up("a", number, 1)).chunked(size);
        assert_eq!(connection.request(&request).outcome(), "buffered");
    }
    let with_extension = launch("a").to_string();
    let head = "POST /messages HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = format!("{:X};a=b\r\n{with_extension}\r\n0\r\nx: y\r\n\r\n", with_extension.len());
    connection.send(head.as_bytes());
    connection.send(body.as_bytes());
    assert_eq!(connection.receive().status, 204);
    assert_eq!(service.read("/rockets/a")["last_message_number"], 7);
}

#[test]
fn requests_may_be_sent_before_the_answers_are_there() {
    let service = Service::start();
    let mut connection = service.connect();
    let mut bytes = Vec::new();
    for message in flight("a", 100) {
        bytes.extend(Request::message(&message).to_bytes());
        bytes.extend(Request::get("/rockets/a").to_bytes());
    }
    connection.send(&bytes);
    for number in 1..=100 {
        assert_eq!(connection.receive().outcome(), "applied");
        // Whoever reads behind its own write sees it.
        assert_eq!(connection.receive().json()["last_message_number"], number);
    }
}

#[test]
fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let service = Service::start();
    let mut connection = service.connect();
    let body = launch("a").to_string();
    let length = body.len();
    let head = format!(
        "POST /messages HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    );
    connection.send(head.as_bytes());
    assert_eq!(connection.receive_head().unwrap().status, 100);
    connection.send(body.as_bytes());
    assert_eq!(connection.receive().status, 204);
}

#[test]
fn an_old_client_is_answered_and_let_go() {
    let service = Service::start();
    let mut connection = service.connect();
    connection.send(b"GET /readyz HTTP/1.0\r\n\r\n");
    assert_eq!(connection.receive().json(), json!({"status": "ready"}));
    assert!(connection.is_closed());
}

#[test]
fn a_client_that_vanishes_halfway_leaves_no_trace() {
    let service = Service::start();
    let whole = Request::message(&launch("a")).to_bytes();
    let chunked = Request::message(&launch("a")).chunked(40).to_bytes();
    for bytes in [&whole, &chunked] {
        for length in [1, 10, 60, bytes.len() - 1] {
            let mut connection = service.connect();
            connection.send(&bytes[..length]);
        }
    }
    // A client that says it is done, halfway, may still be listening.
    let mut connection = service.connect();
    connection.send(&whole[..whole.len() - 1]);
    connection.finish_sending();
    connection.read_until_closed();
    assert_eq!(service.read("/rockets"), Value::Array(Vec::new()));
    assert_eq!(service.post(&[launch("a")]), "applied");
}

#[test]
fn a_message_whose_sender_vanished_before_the_answer_counts_once_when_sent_again() {
    let service = Service::start();
    for number in 1..=50 {
        let message = if number == 1 { launch("a") } else { speed_up("a", number, 1) };
        // Whether this one counts is open: nobody was told that it did.
        service.connect().send(&Request::message(&message).to_bytes());
        let outcome = service.post(&[message]);
        assert!(outcome == "applied" || outcome == "duplicate", "{number}: {outcome}");
    }
    let rocket = service.read("/rockets/a");
    assert_eq!((&rocket["last_message_number"], &rocket["speed"]), (&json!(50), &json!(549)));
}

#[test]
fn what_is_not_http_is_turned_away() {
    let service = Service::start();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /messages HTTP/1.1\r\ncontent-length: many\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut connection = service.connect();
        connection.send(bytes);
        connection.read_until_closed();
    }
    // A length and chunks at once may be two requests to two readers.
    let mut connection = service.connect();
    connection.send(
        b"POST /messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\
          transfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n",
    );
    assert_eq!(connection.receive().status, 400);
    assert_eq!(service.get("/readyz").status, 200);
}

/// A connection that takes in little at a time.
fn narrow(address: SocketAddr) -> Connection {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    Connection::new(stream)
}

/// More rockets than fit into the buffers of a connection.
fn large_fleet(service: &Service) -> usize {
    let long = "x".repeat(250);
    let count = 6_000;
    let mut connection = service.connect();
    for start in (0..count).step_by(200) {
        let mut bytes = Vec::new();
        for n in start..start + 200 {
            let channel = format!("rocket {n:06} {}", "y".repeat(100));
            let message = launch_as(&channel, &long, 500, &long);
            bytes.extend(Request::post(message.to_string()).to_bytes());
        }
        connection.send(&bytes);
        for _ in 0..200 {
            assert_eq!(connection.receive().status, 204);
        }
    }
    count
}

#[test]
fn a_slow_reader_of_a_full_listing_holds_nobody_up() {
    let service = Service::start();
    let count = large_fleet(&service);
    for target in ["/rockets", "/rockets?sort=speed&order=desc", "/rockets?status=launched"] {
        let mut slow = narrow(service.address);
        slow.send(&Request::get(target).to_bytes());
        let head = slow.receive_head().unwrap();
        assert_eq!(head.status, 200);

        // It does not read on. Everybody else does.
        let before = service.read("/rockets?limit=1&sort=id")[0]["last_message_number"].clone();
        let id = format!("rocket {:06} {}", 0, "y".repeat(100));
        let next = before.as_u64().unwrap() + 1;
        let messages: Vec<_> = (next..next + 200).map(|number| speed_up(&id, number, 1)).collect();
        assert_eq!(service.post(&messages), "applied");
        assert_eq!(service.read("/rockets?limit=1&sort=id")[0]["last_message_number"], next + 199);
        assert_eq!(service.read(target).as_array().unwrap().len(), count);

        let body = slow.receive_body(&head).unwrap();
        assert!(body.len() > 3_500_000, "small enough for the connection's buffers");
        let rockets: Vec<Value> = serde_json::from_slice(&body).unwrap();
        assert_eq!(rockets.len(), count);
    }
}

#[test]
fn a_reader_that_stops_reading_is_let_go() {
    let service = Service::start_with(|config| {
        config.http.idle_timeout = std::time::Duration::from_secs(1);
        config.http.max_connections = 1;
    });
    large_fleet(&service);
    for target in ["/rockets", "/rockets?sort=id"] {
        let mut slow = narrow(service.address);
        slow.send(&Request::get(target).to_bytes());
        let head = slow.receive_head().unwrap();
        // There is no other place to be served in.
        assert_eq!(service.get("/readyz").status, 200);
        assert!(slow.receive_body(&head).is_err(), "it was kept on");
    }
}
