//! How long the slowest of a thousand messages take: with fsync, on schedule at half of
//! what the service takes at most, each measured from when it was due.

use std::io::Result;
use std::thread;
use std::time::Duration;

use super::load::{Sample, post_bulk, quantile};
use super::on_schedule::while_sending;
use super::parts::{Bench, LATENCY_TIME, MILLION, OTHERS, clients};
use crate::http::Connection;
use crate::table::{Figure, Wanted};

const CONNECTIONS: u32 = 64;

/// Of 64 senders: alone, beside whole listings, and during a checkpoint of all rockets.
pub fn tails(bench: &Bench) -> Result<Vec<Figure>> {
    const INTERVAL: &str = "60s";
    let never = ["--checkpoint-messages", "1000000000", "--checkpoint-interval", INTERVAL];
    let service = bench.start_empty(&never)?;
    post_bulk(service.address, &clients(MILLION, 1))?;
    let address = service.address;
    let pause = |time| {
        move || {
            thread::sleep(time);
            Ok(())
        }
    };
    let top_time = Duration::from_secs(4);
    let ((), top) = while_sending(CONNECTIONS, address, None, OTHERS, pause(top_time))?;
    let rate = top.len() as f64 / top_time.as_secs_f64() / 2.0;
    let ((), quiet) =
        while_sending(CONNECTIONS, address, Some(rate), OTHERS + 100, pause(2 * LATENCY_TIME))?;
    let (listings, beside) = while_sending(CONNECTIONS, address, Some(rate), OTHERS + 200, || {
        let mut connection = Connection::open(address)?;
        let begun = std::time::Instant::now();
        let mut listings = 0;
        while begun.elapsed() < LATENCY_TIME {
            connection.get("/rockets")?;
            listings += 1;
        }
        Ok(listings)
    })?;
    let ((begin, end), all) =
        while_sending(CONNECTIONS, address, Some(rate), OTHERS + 300, || {
            let begin = service.wait_for("a checkpoint begins")?.0;
            Ok((begin, service.wait_for("the checkpoint is complete")?.0))
        })?;
    let during: Vec<Sample> =
        all.into_iter().filter(|&(due, latency)| due <= end && due + latency >= begin).collect();
    let at = |samples: &[Sample], share| quantile(samples.iter().map(|&(_, it)| it), share);
    let told = |samples: &[Sample]| {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| at(samples, share));
        format!("{} messages, p50 {p50:.2}, p99 {p99:.2}, p99.9 {p999:.2} ms", samples.len())
    };
    let against = |what: &str, samples: &[Sample], more: &str| Figure {
        what: format!("p99 of 64 senders at half of the top rate, fsync, {what}, against alone"),
        value: at(samples, 0.99) / at(&quiet, 0.99),
        unit: "times",
        wanted: Wanted::AtMost(3.0),
        raw: format!("{}{more}", told(samples)),
    };
    let took = (end - begin).as_secs_f64();
    Ok(vec![
        Figure {
            what: "p99.9 of 64 senders at half of the top rate, fsync, 1,000,000 rockets"
                .to_owned(),
            value: at(&quiet, 0.999),
            unit: "ms",
            wanted: Wanted::Note("stated"),
            raw: format!("{rate:.0} messages/s; {}", told(&quiet)),
        },
        against("beside whole listings", &beside, &format!("; {listings} listings")),
        against("during a checkpoint of 1,000,000 rockets", &during, &format!("; {took:.1} s")),
    ])
}
