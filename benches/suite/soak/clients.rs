//! Who talks to the service in a soak: posters of one message and of many, as
//! they are and compressed, readers, and clients that send what is wrong or
//! vanish. Does not own what messages say (`fleet`).

use std::io::Result;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{Scope, ScopedJoinHandle, sleep};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::fleet::Share;
use super::site::Site;
use crate::http::Connection;

const SINGLE: u32 = 4;
const BULK: u32 = 3;

/// Messages in a bulk request.
const LINES: usize = 200;

/// How many of those at hand are out of order.
const DISORDER: usize = 12;

const READS: [&str; 9] = [
    "/rockets?limit=50",
    "/rockets?sort=speed&order=desc&limit=20",
    "/rockets?mission=m7&limit=10",
    "/rockets/50a4c0de-38fd-52e2-916f-000000000001",
    "/missions",
    "/missions/M0?limit=10",
    "/readyz",
    "/rockets?sort=mission",
    "/rockets",
];

/// What is refused, and with which status.
const BAD: [(&str, u16); 8] = [
    ("GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    ("DELETE /rockets HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    ("GET /rockets?limit=x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ("GET /rockets?cursor=e30 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ("CONNECT x:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n", 400),
    ("\u{16}\u{3}\u{1} no TLS here\r\n\r\n", 400),
    ("GET /rockets/none HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
];

/// Bodies that are refused, with the header before them.
const BAD_BODIES: [(&str, &str, u16); 5] = [
    ("", "{", 400),
    ("", r#"{"metadata":{}}"#, 422),
    ("Content-Encoding: gzip\r\n", "no gzip", 400),
    ("Content-Encoding: br\r\n", "{}", 415),
    ("Content-Type: application/x-ndjson\r\n", "x\ny\n{}\n", 422),
];

type Client<'a> = ScopedJoinHandle<'a, Option<Share>>;

/// Starts all of them; those that post give back what they sent.
pub fn start<'a>(
    scope: &'a Scope<'a, '_>,
    site: &'a Site,
    rockets: u32,
    rate: f64,
) -> Vec<Client<'a>> {
    // A tenth of the rockets for those that send one at a time.
    let few = rockets.div_ceil(10 * SINGLE);
    let many = (rockets - few * SINGLE).div_ceil(BULK);
    let mut clients = Vec::new();
    for client in 0..SINGLE {
        let share = Share::new(few * client..few * (client + 1));
        let pause = Duration::from_secs_f64(f64::from(SINGLE) / rate);
        clients.push(scope.spawn(move || Some(post_single(site, share, pause))));
    }
    for client in 0..BULK {
        let first = few * SINGLE + many * client;
        let share = Share::new(first..first + many);
        let lines = f64::from(u32::try_from(LINES).expect("a small number"));
        let pause = Duration::from_secs_f64(f64::from(BULK) * lines / (10.0 * rate));
        clients.push(scope.spawn(move || Some(post_bulk(site, share, pause))));
    }
    let others: [fn(&Site); 3] = [read, send_bad, read_slowly];
    for other in others {
        clients.push(scope.spawn(move || {
            other(site);
            None
        }));
    }
    clients
}

/// A connection that is made anew when it broke.
struct Line<'a> {
    site: &'a Site,
    connection: Option<Connection>,
}

impl Line<'_> {
    fn exchange(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        if self.connection.is_none() {
            self.connection = self.site.connect();
        }
        let over = || std::io::Error::other("it is over");
        let answered = self.connection.as_mut().ok_or_else(over)?.exchange(request);
        if answered.is_err() {
            self.connection = None;
        }
        answered
    }
}

/// Whether it counts as sent; tells what should not have been.
fn is_taken(site: &Site, answered: &Result<(u16, Vec<u8>)>) -> bool {
    match answered {
        Ok((200..=204, _)) => true,
        Ok((429 | 503, _)) => {
            site.counts.refused.fetch_add(1, Relaxed);
            false
        }
        Ok((status, body)) => {
            site.fault(format!("a good request got {status}: {}", String::from_utf8_lossy(body)));
            false
        }
        // The service may be on its way out.
        Err(_) => false,
    }
}

fn post_single(site: &Site, mut share: Share, pause: Duration) -> Share {
    let mut random = StdRng::seed_from_u64(rand::random());
    let mut line = Line { site, connection: None };
    let mut due = Instant::now();
    while !site.is_over() {
        while share.pending.len() < DISORDER {
            let next = share.next(&mut random);
            share.pending.push(next);
        }
        let at = random.random_range(0..share.pending.len());
        let message = share.pending.swap_remove(at);
        let request = site.post("", message.as_bytes());
        let begun = Instant::now();
        let answered = line.exchange(&request);
        if is_taken(site, &answered) {
            site.latencies.lock().expect("nobody panics with it").push(begun.elapsed());
            site.counts.acknowledged.fetch_add(1, Relaxed);
        } else {
            share.pending.push(message.clone());
        }
        if random.random_ratio(1, 20) {
            // Once more: it is a duplicate, or was lost the first time.
            is_taken(site, &line.exchange(&request));
        }
        if random.random_ratio(1, 500) {
            line.connection = None;
        }
        // What was missed is not caught up with.
        due = (due + pause).max(Instant::now());
        sleep(due.saturating_duration_since(Instant::now()));
    }
    share
}

fn post_bulk(site: &Site, mut share: Share, pause: Duration) -> Share {
    let mut random = StdRng::seed_from_u64(rand::random());
    let mut line = Line { site, connection: None };
    while !site.is_over() {
        let mut messages = std::mem::take(&mut share.pending);
        while messages.len() < LINES {
            messages.push(share.next(&mut random));
        }
        messages.chunks_mut(DISORDER).for_each(|some| some.shuffle(&mut random));
        let request = site_request(site, &messages, &mut random);
        if random.random_ratio(1, 20) {
            // Cut off in the middle: some of it may be taken, so all is sent again.
            if let Some(mut connection) = site.connect() {
                let _ = connection.send(&request[..random.random_range(1..request.len())]);
                site.counts.cut.fetch_add(1, Relaxed);
            }
            share.pending = messages;
            continue;
        }
        let answered = line.exchange(&request);
        let all =
            answered.as_ref().is_ok_and(|(_, body)| body.starts_with(br#"{"status":"success""#));
        if is_taken(site, &answered) && all {
            site.counts.acknowledged.fetch_add(messages.len() as u64, Relaxed);
        } else {
            share.pending = messages;
        }
        sleep(pause);
    }
    share
}

/// As lines or an array, as it is or compressed.
fn site_request(site: &Site, messages: &[String], random: &mut StdRng) -> Vec<u8> {
    let (media, body) = if random.random() {
        ("application/x-ndjson", messages.join("\n"))
    } else {
        ("application/json", format!("[{}]", messages.join(",")))
    };
    let (coding, body) = match random.random_range(0..3) {
        0 => ("identity", body.into_bytes()),
        1 => ("gzip", gzip(body.as_bytes())),
        _ => ("zstd", zstd::encode_all(body.as_bytes(), 1).expect("memory is all that it needs")),
    };
    site.post(&format!("Content-Type: {media}\r\nContent-Encoding: {coding}\r\n"), &body)
}

fn gzip(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let compressed = encoder.write_all(body).and_then(|()| encoder.finish());
    compressed.expect("memory is all that it needs")
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

fn read(site: &Site) {
    let mut line = Line { site, connection: None };
    for at in 0.. {
        if site.is_over() {
            return;
        }
        match line.exchange(&get(READS[at % READS.len()])) {
            Ok((200 | 404 | 503, _)) => drop(site.counts.reads.fetch_add(1, Relaxed)),
            Ok((status, body)) => {
                let body = String::from_utf8_lossy(&body).into_owned();
                site.fault(format!("{} got {status}: {body}", READS[at % READS.len()]));
            }
            Err(_) => {}
        }
        sleep(Duration::from_millis(50));
    }
}

/// What is wrong gets the status that it should; then a client vanishes.
fn send_bad(site: &Site) {
    for at in 0.. {
        let (request, expected) = if at % 2 == 0 {
            let (request, expected) = BAD[at / 2 % BAD.len()];
            (request.as_bytes().to_vec(), expected)
        } else {
            let (headers, body, expected) = BAD_BODIES[at / 2 % BAD_BODIES.len()];
            (site.post(headers, body.as_bytes()), expected)
        };
        let Some(mut connection) = site.connect() else { return };
        match connection.exchange(&request) {
            Ok((status, _)) if status == expected || status == 503 => {
                site.counts.bad.fetch_add(1, Relaxed);
            }
            Ok((status, body)) => {
                let (request, body) =
                    (String::from_utf8_lossy(&request), String::from_utf8_lossy(&body));
                site.fault(format!("{request:?} got {status} {body}, and not {expected}"));
            }
            Err(_) => {}
        }
        let half = site.post("", b"{\"metadata\":{\"channel\":\"half\",\"message");
        if let Some(mut connection) = site.connect() {
            let _ = connection.send(&half[..half.len() - 1 - at % half.len() / 2]);
            site.counts.cut.fetch_add(1, Relaxed);
        }
        sleep(Duration::from_millis(50));
    }
}

/// Asks for the whole fleet and does not read it for a while, or never.
fn read_slowly(site: &Site) {
    while let Some(mut connection) = site.connect() {
        if connection.send(&get("/rockets")).is_ok() {
            sleep(Duration::from_millis(500));
            site.counts.cut.fetch_add(1, Relaxed);
        }
    }
}
