//! A client for throughput comparisons that costs as little as can be, since it
//! shares the machine with the server that it measures: one thread, one read and
//! one write a message. wrk makes five system calls for one, and runs Lua.
//!
//! Keeps one message on its way on each connection: some rockets in turns, each
//! in order from its launch on, so that with several connections they arrive
//! nearly in order. Prints one line for the suite: RESULT, answers, microseconds,
//! two zeros where wrk counts failures, p50 and p99 in microseconds. Ends with an
//! error at the first answer that is not a whole 204.

#![expect(clippy::print_stdout, reason = "the suite reads it there")]

mod message;
mod trust;

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::{ClientConfig, ClientConnection};

use message::Frame;

const ROCKETS: u32 = 20;
/// Longer than any server under measurement may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Parser)]
struct Arguments {
    /// Address and port of the server
    address: SocketAddr,

    /// Connections, each with one message on its way
    #[arg(long, default_value_t = 64)]
    connections: usize,

    /// How long to go on
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,

    /// Speak TLS, trusting the certificates in this file
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// Send this token with each message
    #[arg(long)]
    token: Option<String>,

    /// A number that no earlier run against the same server had
    #[arg(long, default_value_t = 0)]
    run: u32,
}

/// Writes a request with the message of this number.
fn write_request(
    frame: &Frame,
    number: u64,
    authorization: &str,
    request: &mut Vec<u8>,
) -> Result<()> {
    let Frame { before, after } = frame;
    let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
    let length = before.len() + digits + after.len();
    write!(
        request,
        "POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{authorization}\r\n{before}{number}{after}"
    )
}

struct Rocket {
    launch: Frame,
    faster: Frame,
    number: u64,
}

impl Rocket {
    fn new(run: u32, n: u32) -> Self {
        let channel = message::channel(run, n);
        Self {
            launch: Frame::new(&channel, message::LAUNCHED),
            faster: Frame::new(&channel, message::FASTER),
            number: 0,
        }
    }
}

/// Makes requests, each with a message that was not sent before.
struct Requests {
    rockets: Vec<Rocket>,
    turn: usize,
    /// A header line, if there is a token.
    authorization: String,
    request: Vec<u8>,
}

impl Requests {
    fn next(&mut self) -> Result<&[u8]> {
        self.turn = (self.turn + 1) % self.rockets.len();
        let rocket = &mut self.rockets[self.turn];
        rocket.number += 1;
        let frame = if rocket.number == 1 { &rocket.launch } else { &rocket.faster };
        self.request.clear();
        write_request(frame, rocket.number, &self.authorization, &mut self.request)?;
        Ok(&self.request)
    }
}

struct Connection {
    stream: TcpStream,
    session: Option<ClientConnection>,
    sent: Instant,
}

impl Connection {
    fn open(address: SocketAddr, trusted: Option<Arc<ClientConfig>>) -> Result<Self> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut session = trusted.map(trust::session).transpose()?;
        if let Some(session) = &mut session {
            while session.is_handshaking() {
                session.complete_io(&mut stream)?;
            }
        }
        stream.set_nonblocking(true)?;
        Ok(Self { stream: TcpStream::from_std(stream), session, sent: Instant::now() })
    }

    /// Sends one request, at `now`.
    fn send(&mut self, request: &[u8], now: Instant) -> Result<()> {
        self.sent = now;
        // It fits into the socket's buffer, where nothing else is.
        let written = match &mut self.session {
            None => self.stream.write(request)?,
            Some(session) => {
                let written = session.writer().write(request)?;
                while session.wants_write() {
                    session.write_tls(&mut self.stream)?;
                }
                written
            }
        };
        if written == request.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    }

    /// Reads what there is of an answer.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Some(session) = &mut self.session else { return self.stream.read(buffer) };
        session.read_tls(&mut self.stream)?;
        session.process_new_packets().map_err(Error::other)?;
        // Nothing yet, if it was a ticket.
        session.reader().read(buffer)
    }

    /// Takes an answer, if one has come.
    fn answered(&mut self) -> Result<bool> {
        let mut buffer = [0; 4096];
        let answer = match self.read(&mut buffer) {
            Ok(0) => return Err(Error::other("the server closed a connection")),
            Ok(length) => &buffer[..length],
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        // An answer without a body, and so small that it comes in one piece.
        if answer.starts_with(b"HTTP/1.1 204 ") && answer.ends_with(b"\r\n\r\n") {
            return Ok(true);
        }
        Err(Error::other(format!("the server answered {:?}", String::from_utf8_lossy(answer))))
    }
}

fn main() -> Result<()> {
    let Arguments { address, connections, seconds, ca_file, token, run } = Arguments::parse();
    let trusted = ca_file.as_deref().map(trust::trust).transpose()?;
    let mut requests = Requests {
        rockets: (0..ROCKETS).map(|n| Rocket::new(run, n)).collect(),
        turn: 0,
        authorization: token
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .unwrap_or_default(),
        request: Vec::new(),
    };
    let mut poll = Poll::new()?;
    let mut connections: Vec<_> = (0..connections)
        .map(|_| Connection::open(address, trusted.clone()))
        .collect::<Result<_>>()?;
    for (n, connection) in connections.iter_mut().enumerate() {
        poll.registry().register(&mut connection.stream, Token(n), Interest::READABLE)?;
    }
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    for connection in &mut connections {
        connection.send(requests.next()?, Instant::now())?;
    }
    let longest = u64::try_from(PATIENCE.as_micros()).map_err(Error::other)?;
    let mut latencies = Histogram::<u64>::new_with_max(longest, 3).map_err(Error::other)?;
    let mut events = Events::with_capacity(256);
    let mut now = begun;
    while now < end {
        poll.poll(&mut events, Some(PATIENCE))?;
        if events.is_empty() {
            return Err(Error::other(format!("no answer in {PATIENCE:?}")));
        }
        for event in &events {
            let connection = &mut connections[event.token().0];
            if connection.answered()? {
                now = Instant::now();
                let micros = (now - connection.sent).as_micros();
                latencies.saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
                connection.send(requests.next()?, now)?;
            }
        }
    }
    println!(
        "RESULT {} {} 0 0 {} {}",
        latencies.len(),
        begun.elapsed().as_micros(),
        latencies.value_at_quantile(0.5),
        latencies.value_at_quantile(0.99),
    );
    Ok(())
}
