//! Redis as a peer: an XADD with appendfsync always is about as much as a message
//! here with fsync. Has a client of its own, redis-benchmark.

use std::io::{Error, Result};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use super::client::Tally;
use super::programs;
use super::servers::Server;

/// About as long as what a message says.
pub const DATA: &str = "012345678901234567890123456789012345678901234567";

/// For environment.txt.
pub fn line() -> Result<String> {
    let version = programs::output(Command::new("redis-server").arg("--version"))?;
    let version = version.split(' ').nth(2).unwrap_or("unknown");
    Ok(format!("{version}, redis-benchmark -c CONNECTIONS XADD stream '*' data 48-BYTES"))
}

/// Starts one with nothing in it.
pub fn start(data: &Path) -> Result<Server> {
    std::fs::create_dir_all(data)?;
    // Free once more when the listener is gone, and nobody else's that soon.
    let address = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.local_addr()?;
    let mut command = Command::new("redis-server");
    command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"]);
    command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    command.arg("--dir").arg(data);
    let server = Server::start(command, address)?;
    server.wait_for("Ready to accept connections")?;
    Ok(server)
}

/// So many requests as take about `seconds`: redis-benchmark counts requests.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is positive and small"
)]
fn requests(connections: usize, seconds: f64) -> u64 {
    let per_second = match connections {
        ..10 => 5_000.0,
        10..100 => 30_000.0,
        _ => 40_000.0,
    };
    (seconds * per_second) as u64
}

/// Runs redis-benchmark once; returns what it printed and what that says.
pub fn round(address: SocketAddr, connections: usize, seconds: f64) -> Result<(String, Tally)> {
    let requests = requests(connections, seconds);
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", &address.port().to_string(), "-c", &connections.to_string()]);
    command.args(["-n", &requests.to_string(), "--csv", "XADD", "stream", "*", "data", DATA]);
    let output = programs::output(&mut command)?;
    let tally = tally(&output, requests)?;
    Ok((output, tally))
}

/// Runs redis-benchmark once with so many messages at a time by each of `senders`.
pub fn batches(address: SocketAddr, senders: usize, batch: usize, messages: u64) -> Result<Tally> {
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", &address.port().to_string(), "-c", &senders.to_string()]);
    command.args(["-P", &batch.to_string(), "-n", &messages.to_string()]);
    command.args(["--csv", "XADD", "stream", "*", "data", DATA]);
    tally(&programs::output(&mut command)?, messages)
}

/// Out of the last line: the rate, and percentiles in milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "they are positive and small"
)]
fn tally(output: &str, requests: u64) -> Result<Tally> {
    let fields: Vec<_> = output.lines().last().unwrap_or_default().split("\",\"").collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let (Some(rate), Some(p50), Some(p99)) = (number(1), number(4), number(6)) else {
        return Err(Error::other(format!("redis-benchmark said {output:?}")));
    };
    Ok(Tally {
        requests,
        micros: (requests as f64 / rate * 1e6) as u64,
        p50_us: (p50 * 1e3).round() as u64,
        p99_us: (p99 * 1e3).round() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_redis_benchmark_is_read() {
        let output = r#""test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"XADD stream * data 01","4863.81","0.199","0.128","0.191","0.279","0.327","1.703""#;
        let expected = Tally { requests: 10_000, micros: 2_056_001, p50_us: 191, p99_us: 327 };
        assert_eq!(tally(output, 10_000).unwrap(), expected);
        tally("Could not connect", 1).unwrap_err();
    }
}
