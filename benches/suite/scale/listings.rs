//! Twenty dashboards that show the fastest of a million rockets, beside the intake at
//! full speed.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::load::{post_bulk, quantile, while_sending};
use super::parts::{Bench, MILLION, OTHERS, clients};
use crate::http::Connection;
use crate::rounds::median;
use crate::table::{Figure, Wanted};

const DASHBOARDS: u32 = 20;
const ROUNDS: u64 = 5;
const ROUND: Duration = Duration::from_secs(5);

/// How often each asks for its page.
const INTERVAL: Duration = Duration::from_secs(1);

/// More than can be sent, so that every sender sends as fast as it is answered.
const FULL_SPEED: f64 = 1e9;

/// As a dashboard asks.
const ALLOWING_AGE: &str = "Cache-Control: max-age=2\r\n";

/// As whoever asks that wants to know what there is now.
const NEW: &str = "";

/// Has all of them ask, until told to stop; returns how long each answer took after
/// it was due.
fn dashboards(address: SocketAddr, over: &AtomicBool, allowing: &str) -> Result<Vec<Duration>> {
    let path = "/rockets?limit=50&sort=speed&order=desc";
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{allowing}\r\n");
    let ask = |number| {
        let mut connection = Connection::open(address)?;
        let mut due = Instant::now() + INTERVAL * number / DASHBOARDS;
        let mut times = Vec::new();
        while !over.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let (status, _) = connection.exchange(request.as_bytes())?;
            if status != 200 {
                return Err(Error::other(format!("the service answered {status}")));
            }
            times.push(due.elapsed());
            due += INTERVAL;
        }
        Ok(times)
    };
    thread::scope(|scope| {
        let ask = &ask;
        let asking: Vec<_> = (0..DASHBOARDS).map(|n| scope.spawn(move || ask(n))).collect();
        let mut times = Vec::new();
        for dashboard in asking {
            times.extend(dashboard.join().expect("a dashboard panicked")?);
        }
        Ok(times)
    })
}

/// Rounds without them, with them, and with such that allow no age.
pub fn listings(bench: &Bench) -> Result<Vec<Figure>> {
    let service = bench.start_empty(&["--durability", "memory"])?;
    let address = service.address;
    post_bulk(address, &clients(MILLION, 1))?;
    let (mut alone, mut beside, mut beside_new) = (Vec::new(), Vec::new(), Vec::new());
    let (mut aged, mut new) = (Vec::new(), Vec::new());
    let mut first = OTHERS;
    let mut round = |rates: &mut Vec<f64>, times: Option<(&mut Vec<Duration>, &str)>| {
        first += 100;
        let over = AtomicBool::new(false);
        let (asked, sent) = while_sending(address, FULL_SPEED, first, || {
            let Some((_, allowing)) = &times else {
                thread::sleep(ROUND);
                return Ok(Vec::new());
            };
            thread::scope(|scope| {
                let asking = scope.spawn(|| dashboards(address, &over, allowing));
                thread::sleep(ROUND);
                over.store(true, Ordering::Relaxed);
                asking.join().expect("a dashboard panicked")
            })
        })?;
        let within = sent.iter().map(|(due, took)| *due + *took).max();
        let begun = sent.iter().map(|(due, _)| *due).min();
        let took = within.zip(begun).map_or(ROUND, |(end, begin)| end - begin);
        rates.push(sent.len() as f64 / took.as_secs_f64());
        if let Some((times, _)) = times {
            times.extend(asked);
        }
        Ok::<_, Error>(())
    };
    for _ in 0..ROUNDS {
        round(&mut alone, None)?;
        round(&mut beside, Some((&mut aged, ALLOWING_AGE)))?;
        round(&mut beside_new, Some((&mut new, NEW)))?;
    }
    let raw = format!(
        "single messages per second over 16 connections: {alone:.0?} alone, {beside:.0?} beside \
         them, {beside_new:.0?} beside such that allow no age"
    );
    let median = |rates| median(rates).expect("there are rounds");
    let (alone, beside, beside_new) = (median(alone), median(beside), median(beside_new));
    Ok(vec![
        Figure {
            what: "ingestion at full speed beside 20 dashboards that show the fastest of 1,000,000 rockets, against none".to_owned(),
            value: beside / alone,
            unit: "times",
            wanted: Wanted::AtLeast(0.9),
            raw: raw.clone(),
        },
        Figure {
            what: "the first page by speed of 1,000,000 rockets, for them, with max-age=2, p99"
                .to_owned(),
            value: quantile(aged.iter().copied(), 0.99),
            unit: "ms",
            wanted: Wanted::AtMost(10.0),
            raw: format!("{} pages, p50 {:.2} ms", aged.len(), quantile(aged, 0.5)),
        },
        Figure {
            what: "ingestion beside 20 of them that allow no age, against none".to_owned(),
            value: beside_new / alone,
            unit: "times",
            wanted: Wanted::Note("walks that are shared, one after the other"),
            raw: format!(
                "{} pages, p50 {:.2} ms, p99 {:.2} ms; {raw}",
                new.len(),
                quantile(new.iter().copied(), 0.5),
                quantile(new, 0.99)
            ),
        },
    ])
}
