//! Messages prepared beforehand, and ways to send them.

use std::io::Result;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::Connection;
use crate::message::{self, Frame};

/// Appends one message: the launch if it is the first, or else a change of speed.
pub fn message(rocket: u64, number: u64, out: &mut Vec<u8>) {
    let spread = rocket.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let channel = format!("{:08x}-{:04x}-4000-8000-{rocket:012x}", spread >> 32, spread & 0xffff);
    let event = if number == 1 { message::LAUNCHED } else { message::FASTER };
    out.extend_from_slice(Frame::new(channel, event).message(number).as_bytes());
}

/// Bodies of `lines` messages each: for every number, one message of each rocket.
pub fn bodies(
    rockets: std::ops::Range<u64>,
    numbers: std::ops::RangeInclusive<u64>,
    lines: usize,
) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    let mut body = Vec::new();
    let mut count = 0;
    for number in numbers {
        for rocket in rockets.clone() {
            message(rocket, number, &mut body);
            body.push(b'\n');
            count += 1;
            if count == lines {
                bodies.push(std::mem::take(&mut body));
                count = 0;
            }
        }
    }
    bodies.extend((!body.is_empty()).then_some(body));
    bodies
}

/// Posts each client's bodies on a connection of its own; returns how long all
/// of them took.
pub fn post_bulk(address: SocketAddr, clients: &[Vec<Vec<u8>>]) -> Result<Duration> {
    post_bulk_coded(address, "identity", clients)
}

/// The same with bodies in this coding.
pub fn post_bulk_coded(
    address: SocketAddr,
    coding: &str,
    clients: &[Vec<Vec<u8>>],
) -> Result<Duration> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let posting: Vec<_> = clients
            .iter()
            .map(|bodies| {
                scope.spawn(move || {
                    let mut connection = Connection::open(address)?;
                    for body in bodies {
                        let answer = connection.post_coded("application/x-ndjson", coding, body)?;
                        let answer = String::from_utf8_lossy(&answer);
                        if !answer.contains(r#""rejected":0"#) {
                            return Err(std::io::Error::other(answer.into_owned()));
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        posting.into_iter().try_for_each(|client| client.join().expect("a client panicked"))
    })?;
    Ok(begun.elapsed())
}

/// More than can be sent, so that every sender sends as fast as it is answered.
pub const FULL_SPEED: f64 = 1e9;

/// When a message was due, and how long after that it was acknowledged.
pub type Sample = (Instant, Duration);

/// Sends `rate` single messages a second on schedule over 16 connections while
/// `work` goes on, for new rockets from `first` on; returns what `work` did and
/// all latencies.
pub fn while_sending<T: Send>(
    address: SocketAddr,
    rate: f64,
    first: u64,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, Vec<Sample>)> {
    const CONNECTIONS: u32 = 16;
    let over = AtomicBool::new(false);
    let start = Instant::now();
    let interval = Duration::from_secs_f64(f64::from(CONNECTIONS) / rate);
    thread::scope(|scope| {
        let sending: Vec<_> = (0..CONNECTIONS)
            .map(|client| {
                let over = &over;
                scope.spawn(move || -> Result<Vec<Sample>> {
                    let mut connection = Connection::open(address)?;
                    let mut samples = Vec::new();
                    let mut body = Vec::new();
                    let mut due = start + interval * client / CONNECTIONS;
                    for number in 1.. {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        body.clear();
                        message(first + u64::from(client), number, &mut body);
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        connection.post("application/json", &body)?;
                        samples.push((due, due.elapsed()));
                        due += interval;
                    }
                    Ok(samples)
                })
            })
            .collect();
        let done = work();
        over.store(true, Ordering::Relaxed);
        let mut samples = Vec::new();
        for client in sending {
            samples.extend(client.join().expect("a client panicked")?);
        }
        Ok((done?, samples))
    })
}

/// A quantile of times, in milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is at most their number"
)]
pub fn quantile(times: impl IntoIterator<Item = Duration>, share: f64) -> f64 {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort_unstable();
    let at = (times.len() as f64 * share) as usize;
    times.get(at.min(times.len().saturating_sub(1))).map_or(f64::NAN, Duration::as_secs_f64) * 1e3
}
