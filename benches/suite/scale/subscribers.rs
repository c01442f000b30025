//! A hundred subscribers of all that changes, beside the intake at full speed.

use std::io::{Error, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::load::{FULL_SPEED, while_sending};
use super::parts::{Bench, OTHERS, per_second};
use crate::rounds::median;
use crate::table::{Figure, Wanted};

const SUBSCRIBERS: usize = 100;
const ROUNDS: u64 = 7;
const ROUND: Duration = Duration::from_secs(5);

/// For a thread that does no more than read one socket.
const STACK: usize = 64 * 1024;

/// Reads all that is told until it is over; counts the bytes.
fn subscribe(
    address: SocketAddr,
    subscribed: &Barrier,
    over: &AtomicBool,
    bytes: &AtomicU64,
) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut buffer = vec![0; 16 * 1024];
    let begun = stream.read(&mut buffer);
    subscribed.wait();
    if !buffer.starts_with(b"HTTP/1.1 200") {
        return Err(Error::other("a subscriber is refused"));
    }
    begun?;
    while !over.load(Ordering::Relaxed) {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err(Error::other("the service ended a subscription"));
        }
        bytes.fetch_add(read as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// Rounds with them and without, in turn.
pub fn subscribers(bench: &Bench) -> Result<Vec<Figure>> {
    let service = bench.start_empty(&["--durability", "memory"])?;
    let address = service.address;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let bytes = AtomicU64::new(0);
    for round in 0..ROUNDS {
        // Whichever comes first has whatever the beginning brings.
        for subscribes in [round % 2 == 0, round % 2 == 1] {
            let over = AtomicBool::new(false);
            let subscribed = Barrier::new(SUBSCRIBERS + 1);
            let rockets = OTHERS + 1000 * round + 100 * u64::from(subscribes);
            let sent = thread::scope(|scope| {
                let mut threads = Vec::new();
                if subscribes {
                    for _ in 0..SUBSCRIBERS {
                        let reading = || subscribe(address, &subscribed, &over, &bytes);
                        let thread = thread::Builder::new().stack_size(STACK);
                        threads.push(thread.spawn_scoped(scope, reading)?);
                    }
                    subscribed.wait();
                }
                let sent = while_sending(address, FULL_SPEED, rockets, || {
                    thread::sleep(ROUND);
                    Ok(())
                });
                over.store(true, Ordering::Relaxed);
                for thread in threads {
                    thread.join().expect("a subscriber panicked")?;
                }
                sent.map(|((), sent)| sent)
            })?;
            let rates = if subscribes { &mut beside } else { &mut alone };
            rates.push(per_second(sent.len() as u64, ROUND));
        }
    }
    let read = bytes.into_inner() as f64 / (ROUNDS * ROUND.as_secs()) as f64 / SUBSCRIBERS as f64;
    let raw = format!(
        "single messages of 16 rockets per second over 16 connections: {alone:.0?} alone, \
         {beside:.0?} beside them; {read:.0} bytes a second to each"
    );
    let median = |rates| median(rates).expect("there are rounds");
    Ok(vec![Figure {
        what: "ingestion at full speed beside 100 subscribers of all that changes, against none"
            .to_owned(),
        value: median(beside) / median(alone),
        unit: "times",
        wanted: Wanted::AtLeast(0.9),
        raw,
    }])
}
