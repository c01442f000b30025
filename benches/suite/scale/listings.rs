//! Twenty dashboards that show the fastest of a million rockets, beside the intake at
//! full speed: each at a time of its own, as real ones are, and all at the same moment.
//! What each is answered first is counted apart, for nobody has asked before.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::load::{FULL_SPEED, post_bulk, quantile, while_sending};
use super::parts::{Bench, MILLION, OTHERS, clients};
use crate::http::Connection;
use crate::rounds::median;
use crate::table::{Figure, Wanted};

const DASHBOARDS: u32 = 20;
const ROUNDS: u64 = 5;
const ROUND: Duration = Duration::from_secs(5);

/// How often each asks for its page.
const INTERVAL: Duration = Duration::from_secs(1);

/// For all of them to have been answered once.
const FIRST: Duration = Duration::from_secs(2);

/// As a dashboard asks.
const ALLOWING_AGE: &str = "Cache-Control: max-age=2\r\n";

/// As whoever asks that wants to know what there is now.
const NEW: &str = "";

/// How dashboards ask.
#[derive(Clone, Copy)]
struct Manner {
    header: &'static str,
    /// How much of the interval they are spread over.
    spread: f64,
}

/// How long answers took after they were due.
#[derive(Default)]
struct Answered {
    first: Vec<Duration>,
    again: Vec<Duration>,
}

/// Has all of them ask, until told to stop.
fn dashboards(address: SocketAddr, over: &AtomicBool, manner: Manner) -> Result<Answered> {
    let path = "/rockets?limit=50&sort=speed&order=desc";
    let header = manner.header;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n");
    let begun = Instant::now();
    let ask = |number: u32| {
        let mut connection = Connection::open(address)?;
        let share = f64::from(number) / f64::from(DASHBOARDS);
        let mut due = begun + INTERVAL.mul_f64(share * manner.spread);
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
        let mut answered = Answered::default();
        for dashboard in asking {
            let times = dashboard.join().expect("a dashboard panicked")?;
            answered.first.extend(times.first());
            answered.again.extend(times.iter().skip(1));
        }
        Ok(answered)
    })
}

/// What was seen of one manner.
struct Seen {
    rates: Vec<f64>,
    answered: Answered,
}

/// Rounds without them, with them, and with such that allow no age.
pub fn listings(bench: &Bench) -> Result<Vec<Figure>> {
    let service = bench.start_empty(&["--durability", "memory"])?;
    let address = service.address;
    post_bulk(address, &clients(MILLION, 1))?;
    let manners = [
        None,
        Some(Manner { header: ALLOWING_AGE, spread: 1.0 }),
        Some(Manner { header: ALLOWING_AGE, spread: 0.0 }),
        Some(Manner { header: NEW, spread: 1.0 }),
    ];
    let mut seen = manners.map(|_| Seen { rates: Vec::new(), answered: Answered::default() });
    let mut first = OTHERS;
    for _ in 0..ROUNDS {
        for (manner, seen) in manners.iter().zip(&mut seen) {
            first += 100;
            let over = AtomicBool::new(false);
            let (answered, sent) = while_sending(address, FULL_SPEED, first, || {
                let Some(manner) = *manner else {
                    thread::sleep(FIRST + ROUND);
                    return Ok(Answered::default());
                };
                thread::scope(|scope| {
                    let asking = scope.spawn(|| dashboards(address, &over, manner));
                    thread::sleep(FIRST + ROUND);
                    over.store(true, Ordering::Relaxed);
                    asking.join().expect("a dashboard panicked")
                })
            })?;
            let begun = sent.iter().map(|(due, _)| *due).min().expect("there are messages");
            let last = sent.iter().map(|(due, took)| *due + *took).max();
            let took = last.expect("there are messages") - begun;
            seen.rates.push(sent.len() as f64 / took.as_secs_f64());
            seen.answered.first.extend(answered.first);
            seen.answered.again.extend(answered.again);
        }
    }
    let [alone, spread, at_once, new] = &seen;
    let raw = format!(
        "single messages per second over 16 connections: {:.0?} alone, {:.0?} beside them, \
         {:.0?} beside such that ask at the same moment, {:.0?} beside such that allow no age",
        alone.rates, spread.rates, at_once.rates, new.rates
    );
    let of = |seen: &Seen| median_of(seen) / median_of(alone);
    let figure = |what: &str, value, unit, wanted, raw| Figure {
        what: what.to_owned(),
        value,
        unit,
        wanted,
        raw,
    };
    let share = |what: &str, seen, wanted| figure(what, of(seen), "times", wanted, raw.clone());
    let page = |what: &str, Seen { answered: Answered { first, again }, .. }: &Seen, wanted| {
        let quantile = |times: &[Duration], share| quantile(times.iter().copied(), share);
        let raw = format!(
            "{} pages, p50 {:.2} ms, longest {:.2} ms; of {} first ones p50 {:.2} ms, longest {:.2} ms",
            again.len(),
            quantile(again, 0.5),
            quantile(again, 1.0),
            first.len(),
            quantile(first, 0.5),
            quantile(first, 1.0)
        );
        figure(what, quantile(again, 0.99), "ms", wanted, raw)
    };
    Ok(vec![
        share(
            "ingestion at full speed beside 20 dashboards that show the fastest of 1,000,000 rockets, against none",
            spread,
            Wanted::AtLeast(0.9),
        ),
        share("the same beside 20 that all ask at the same moment", at_once, Wanted::AtLeast(0.9)),
        page(
            "the first page by speed of 1,000,000 rockets, asked for again with max-age=2, p99",
            spread,
            Wanted::AtMost(10.0),
        ),
        page("the same by 20 that all ask at the same moment, p99", at_once, Wanted::AtMost(10.0)),
        share(
            "ingestion beside 20 dashboards that allow no age, against none",
            new,
            Wanted::Note("walks that are shared, one after the other"),
        ),
        page("the page for those that allow no age, p99", new, Wanted::Note("no bound")),
    ])
}

fn median_of(seen: &Seen) -> f64 {
    median(seen.rates.clone()).expect("there are rounds")
}
