//! What is measured, part by part.

use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::{Error, Result};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use downlink::telemetry::wire;

use super::load::{Sample, bodies, post_bulk, quantile, while_sending};
use crate::http::Connection;
use crate::rounds::median;
use crate::servers::Server;
use crate::table::{Figure, Wanted};

pub const MILLION: u64 = 1_000_000;
/// Lines in a bulk request, and clients that send them.
pub const LINES: usize = 10_000;
const CLIENTS: u64 = 4;
const ROUNDS: usize = 5;
/// Rockets of the messages that are sent one at a time: none that a part has
/// launched before.
pub const OTHERS: u64 = 1 << 40;
/// How long latencies are taken.
pub const LATENCY_TIME: Duration = Duration::from_secs(8);
const IDLE_CONNECTIONS: usize = 10_000;

pub struct Bench {
    pub service: PathBuf,
    /// For data directories.
    pub data: PathBuf,
}

/// Measures something with services of its own.
pub type Part = fn(&Bench) -> Result<Vec<Figure>>;

pub const ALL: [(&str, Part); 10] = [
    ("disk", disk),
    ("bulk", bulk),
    ("fleet", fleet),
    ("gaps", super::gaps::gaps),
    ("listings", super::listings::listings),
    ("subscribers", super::subscribers::subscribers),
    ("tails", super::tails::tails),
    ("idle", idle),
    ("checkpoint", checkpoint),
    ("restart", restart),
];

impl Bench {
    fn start(&self, arguments: &[&str]) -> Result<Server> {
        let log = ["--log", "info,downlink::fleet::checkpoint=debug"];
        Server::service(&self.service, &self.data, &[&log, arguments].concat())
    }

    /// With nothing kept from before.
    pub fn start_empty(&self, arguments: &[&str]) -> Result<Server> {
        if self.data.exists() {
            std::fs::remove_dir_all(&self.data)?;
        }
        self.start(arguments)
    }
}

/// Bodies for each client: so many messages of each of its rockets.
pub fn clients(rockets: u64, messages_each: u64) -> Vec<Vec<Vec<u8>>> {
    let share = |client| rockets * client / CLIENTS..rockets * (client + 1) / CLIENTS;
    let of = |rockets: Range<u64>| bodies(rockets, 1..=messages_each, LINES);
    (0..CLIENTS).map(share).map(of).collect()
}

pub fn per_second(messages: u64, time: Duration) -> f64 {
    let messages = messages as f64;
    messages / time.as_secs_f64()
}

fn p99(samples: &[Sample]) -> f64 {
    quantile(samples.iter().map(|&(_, latency)| latency), 0.99)
}

/// The floor of every durable acknowledgement: writing a page over and syncing it.
fn disk(bench: &Bench) -> Result<Vec<Figure>> {
    std::fs::create_dir_all(&bench.data)?;
    let path = bench.data.join("page");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    file.write_all_at(&vec![0; 4 << 20], 0)?;
    file.sync_all()?;
    let mut times = Vec::new();
    for page in 0..1024 {
        file.write_all_at(&[7; 4096], page * 4096)?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(vec![Figure {
        what: "fdatasync of one page written over, p50".to_owned(),
        value: quantile(times.iter().copied(), 0.5),
        unit: "ms",
        wanted: Wanted::Note("a floor"),
        raw: format!("1024 syncs; p99 {:.3} ms", quantile(times, 0.99)),
    }])
}

/// Many messages in a request, against a thread that only parses the same.
fn bulk(bench: &Bench) -> Result<Vec<Figure>> {
    if cfg!(debug_assertions) {
        return Err(Error::other("the parser to compare with needs a release build of the suite"));
    }
    let clients = clients(1000, 1000);
    let (mut parsed, mut memory, mut fsync) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for body in clients.iter().flatten() {
            for line in body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                black_box(wire::parse(line).map_err(Error::other)?);
            }
        }
        parsed.push(per_second(MILLION, begun.elapsed()));
        for (rates, durability) in [(&mut memory, "memory"), (&mut fsync, "fsync")] {
            let service = bench.start_empty(&["--durability", durability])?;
            rates.push(per_second(MILLION, post_bulk(service.address, &clients)?));
        }
    }
    let raw = format!("per second: parsed {parsed:.0?}, memory {memory:.0?}, fsync {fsync:.0?}");
    let median = |rates| median(rates).expect("there are rounds");
    let (parsed, memory, fsync) = (median(parsed), median(memory), median(fsync));
    Ok(vec![
        Figure {
            what: "bulk in memory, 10,000 lines a request, 4 clients, against one thread that only parses".to_owned(),
            value: memory / parsed,
            unit: "times",
            wanted: Wanted::AtLeast(1.0),
            raw: raw.clone(),
        },
        Figure {
            what: "bulk with fsync against bulk in memory".to_owned(),
            value: fsync / memory,
            unit: "times",
            wanted: Wanted::AtLeast(0.65),
            raw,
        },
    ])
}

/// A million rockets: memory, pages, and a full listing beside the intake.
fn fleet(bench: &Bench) -> Result<Vec<Figure>> {
    let service = bench.start_empty(&["--durability", "memory"])?;
    let empty = service.resident()?;
    post_bulk(service.address, &clients(MILLION, 1))?;
    let full = service.resident()?;
    let pages = |path: &'static str| {
        let mut connection = Connection::open(service.address)?;
        let begun = Instant::now();
        let mut times = Vec::new();
        while begun.elapsed() < LATENCY_TIME {
            let asked = Instant::now();
            connection.get(path)?;
            times.push(asked.elapsed());
        }
        Ok(times)
    };
    let address = service.address;
    let (listed, _) = while_sending(address, 20_000.0, OTHERS, || pages("/rockets?limit=50"))?;
    let (sorted, _) = while_sending(address, 2_000.0, OTHERS + 100, || {
        pages("/rockets?limit=50&sort=speed&order=desc")
    })?;
    let ((), quiet) = while_sending(address, 2_000.0, OTHERS + 200, || {
        thread::sleep(LATENCY_TIME);
        Ok(())
    })?;
    // Where the system takes back memory that nobody has touched for some seconds, the
    // first walk over it measures that.
    Connection::open(address)?.get("/rockets")?;
    let (full_listings, beside) =
        while_sending(address, 2_000.0, OTHERS + 300, || pages("/rockets"))?;
    let (sorted_listings, beside_sorted) =
        while_sending(address, 2_000.0, OTHERS + 400, || pages("/rockets?sort=speed"))?;
    let per_rocket = (full - empty) as f64 / MILLION as f64;
    Ok(vec![
        Figure {
            what: "1,000,000 launched rockets, resident above the empty service, each".to_owned(),
            value: per_rocket,
            unit: "bytes",
            wanted: Wanted::AtMost(200.0),
            raw: format!("{empty} bytes empty, {full} bytes with the rockets"),
        },
        Figure {
            what: "GET /rockets?limit=50 of 1,000,000 rockets while 20,000 messages/s come in, p99"
                .to_owned(),
            value: quantile(listed.iter().copied(), 0.99),
            unit: "ms",
            wanted: Wanted::AtMost(5.0),
            raw: format!("{} pages, p50 {:.2} ms", listed.len(), quantile(listed, 0.5)),
        },
        Figure {
            what: "the same by speed, which looks at every rocket, at 2,000 messages/s, p99"
                .to_owned(),
            value: quantile(sorted.iter().copied(), 0.99),
            unit: "ms",
            wanted: Wanted::Note("no bound"),
            raw: format!("{} pages, p50 {:.2} ms", sorted.len(), quantile(sorted, 0.5)),
        },
        Figure {
            what: "ingestion p99 while full listings of 1,000,000 rockets stream, against idle"
                .to_owned(),
            value: p99(&beside) / p99(&quiet),
            unit: "times",
            wanted: Wanted::AtMost(3.0),
            raw: format!(
                "2000 messages/s; p99 {:.2} ms idle, {:.2} ms beside {} listings",
                p99(&quiet),
                p99(&beside),
                full_listings.len()
            ),
        },
        Figure {
            what: "ingestion p99 while full listings by speed of 1,000,000 rockets are made and stream"
                .to_owned(),
            value: p99(&beside_sorted),
            unit: "ms",
            wanted: Wanted::AtMost(f64::max(5.0, 3.0 * p99(&quiet))),
            raw: format!(
                "2000 messages/s; p99 {:.2} ms idle, {:.2} ms beside {} listings, p50 {:.0} ms each",
                p99(&quiet),
                p99(&beside_sorted),
                sorted_listings.len(),
                quantile(sorted_listings.iter().copied(), 0.5)
            ),
        },
    ])
}

/// Connections that do nothing.
fn idle(bench: &Bench) -> Result<Vec<Figure>> {
    let service = bench.start_empty(&["--durability", "memory"])?;
    let measure = |first| {
        let pause = || {
            thread::sleep(LATENCY_TIME / 2);
            Ok(())
        };
        while_sending(service.address, 5_000.0, first, pause).map(|((), samples)| p99(&samples))
    };
    let before = measure(OTHERS)?;
    let empty = service.resident()?;
    let mut connections = Vec::new();
    for _ in 0..IDLE_CONNECTIONS {
        let mut connection = Connection::open(service.address)?;
        // Kept alive after a request, as a client's pool does.
        connection.get("/readyz")?;
        connections.push(connection);
    }
    let full = service.resident()?;
    let after = measure(OTHERS + 100)?;
    let each = (full - empty) as f64 / IDLE_CONNECTIONS as f64 / 1024.0;
    Ok(vec![
        Figure {
            what: "10,000 idle kept connections, resident memory each".to_owned(),
            value: each,
            unit: "KiB",
            wanted: Wanted::AtMost(20.0),
            raw: format!("{empty} bytes without, {full} bytes with them"),
        },
        Figure {
            what: "ingestion p99 beside 10,000 idle connections against none".to_owned(),
            value: after / before,
            unit: "times",
            wanted: Wanted::Note("unharmed"),
            raw: format!("5000 messages/s; p99 {before:.2} ms before, {after:.2} ms after"),
        },
    ])
}

/// Ingestion while a million changed rockets are stored.
fn checkpoint(bench: &Bench) -> Result<Vec<Figure>> {
    const INTERVAL: &str = "15s";
    let never = ["--checkpoint-messages", "1000000000", "--checkpoint-interval", INTERVAL];
    let service = bench.start_empty(&never)?;
    post_bulk(service.address, &clients(MILLION, 1))?;
    thread::sleep(Duration::from_secs(1));
    // From well before the checkpoint until it is done.
    let ((begin, end), samples) = while_sending(service.address, 2_000.0, OTHERS, || {
        let begin = service.wait_for("a checkpoint begins")?.0;
        Ok((begin, service.wait_for("the checkpoint is complete")?.0))
    })?;
    let (during, idle): (Vec<Sample>, Vec<Sample>) = samples
        .into_iter()
        .filter(|&(due, _)| due <= end)
        .partition(|&(due, latency)| due + latency >= begin);
    Ok(vec![Figure {
        what:
            "ingestion p99 with fsync while a checkpoint of 1,000,000 rockets is made, against idle"
                .to_owned(),
        value: p99(&during) / p99(&idle),
        unit: "times",
        wanted: Wanted::AtMost(5.0),
        raw: format!(
            "2000 messages/s; p99 {:.2} ms of {} messages idle, {:.2} ms of {} during {:.1} s",
            p99(&idle),
            idle.len(),
            p99(&during),
            during.len(),
            (end - begin).as_secs_f64()
        ),
    }])
}

/// A restart after a kill, with as much behind it as the issue of a fleet's life.
fn restart(bench: &Bench) -> Result<Vec<Figure>> {
    let service = bench.start_empty(&[])?;
    post_bulk(service.address, &clients(MILLION, 5))?;
    service.kill()?;
    let begun = Instant::now();
    let service = bench.start(&[])?;
    let took = begun.elapsed();
    let (_, line) = service.wait_for("the journal is read")?;
    let parts = line.split_once("the journal is read").map_or("", |(_, parts)| parts.trim());
    Ok(vec![Figure {
        what: "restart with 1,000,000 rockets after 5,000,000 messages and a kill, until ready"
            .to_owned(),
        value: took.as_secs_f64(),
        unit: "s",
        wanted: Wanted::AtMost(5.0),
        raw: parts.to_owned(),
    }])
}
