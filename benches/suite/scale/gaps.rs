//! A million rockets, a tenth of which wait for a missing message.

use std::io::Result;
use std::time::Instant;

use super::load::{bodies, post_bulk, quantile, while_sending};
use super::parts::{Bench, LATENCY_TIME, LINES, MILLION, OTHERS, clients};
use crate::http::Connection;
use crate::table::{Figure, Wanted};

/// Pages of those that wait longest, beside the intake.
pub fn gaps(bench: &Bench) -> Result<Vec<Figure>> {
    let service = bench.start_empty(&["--durability", "memory"])?;
    post_bulk(service.address, &clients(MILLION, 1))?;
    let before = service.resident()?;
    // Their second messages are missing.
    post_bulk(service.address, &[bodies(0..MILLION / 10, 3..=3, LINES)])?;
    let after = service.resident()?;
    let address = service.address;
    let (pages, _) = while_sending(address, 20_000.0, OTHERS, || {
        let mut connection = Connection::open(address)?;
        let begun = Instant::now();
        let mut times = Vec::new();
        while begun.elapsed() < LATENCY_TIME {
            let asked = Instant::now();
            connection.get("/gaps?limit=50")?;
            times.push(asked.elapsed());
        }
        Ok(times)
    })?;
    let each = (after - before) as f64 / (MILLION / 10) as f64;
    Ok(vec![
        Figure {
            what: "GET /gaps?limit=50 of 1,000,000 rockets with 100,000 waiting while 20,000 messages/s come in, p99".to_owned(),
            value: quantile(pages.iter().copied(), 0.99),
            unit: "ms",
            wanted: Wanted::AtMost(5.0),
            raw: format!("{} pages, p50 {:.2} ms", pages.len(), quantile(pages, 0.5)),
        },
        Figure {
            what: "a rocket that begins to wait with one message, resident memory each".to_owned(),
            value: each,
            unit: "bytes",
            wanted: Wanted::Note("the map, the message and the index"),
            raw: format!("{before} bytes before, {after} bytes after"),
        },
    ])
}
