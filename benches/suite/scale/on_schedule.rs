//! Many senders on one thread, each with one message on its way: so that what sends takes
//! little of the processors from what is measured. A message that is due while the one
//! before is not answered yet waits, and is measured from when it was due all the same.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::load::{Sample, message};

/// Shorter than anything that is looked for, and long enough to leave the processor.
const NAP: Duration = Duration::from_micros(50);

/// Sends single messages over so many connections while `work` goes on, so many a second
/// or, without a `rate`, each as soon as the one before is answered; for new rockets from
/// `first` on. Returns what `work` did and all latencies.
pub fn while_sending<T: Send>(
    connections: u32,
    address: SocketAddr,
    rate: Option<f64>,
    first: u64,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, Vec<Sample>)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(connections, address, rate, first, &over));
        let done = work();
        over.store(true, Ordering::Relaxed);
        let samples = sending.join().expect("the client panicked")?;
        Ok((done?, samples))
    })
}

fn send(
    connections: u32,
    address: SocketAddr,
    rate: Option<f64>,
    first: u64,
    over: &AtomicBool,
) -> Result<Vec<Sample>> {
    let mut poll = Poll::new()?;
    let mut senders = (0..connections)
        .map(|at| Sender::open(address, first + u64::from(at)))
        .collect::<Result<Vec<_>>>()?;
    for (at, sender) in senders.iter_mut().enumerate() {
        poll.registry().register(&mut sender.stream, Token(at), Interest::READABLE)?;
    }
    let mut samples = Vec::new();
    let mut events = Events::with_capacity(256);
    let begun = Instant::now();
    let due = |count: usize| rate.map(|rate| begun + Duration::from_secs_f64(count as f64 / rate));
    if rate.is_none() {
        senders.iter_mut().try_for_each(|sender| sender.is_due(begun))?;
    }
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        let now = Instant::now();
        while let Some(due) = due(count).filter(|&due| due <= now) {
            let next = count % senders.len();
            senders[next].is_due(due)?;
            count += 1;
        }
        poll.poll(&mut events, Some(Duration::ZERO))?;
        let now = Instant::now();
        for event in &events {
            let sender = &mut senders[event.token().0];
            while let Some(due) = sender.answered()? {
                samples.push((due, now - due));
                if rate.is_none() {
                    sender.is_due(now)?;
                }
            }
        }
        if events.is_empty() {
            thread::sleep(NAP);
        }
    }
    Ok(samples)
}

struct Sender {
    stream: TcpStream,
    rocket: u64,
    number: u64,
    /// When the message on its way was due, and those that wait for it.
    due: VecDeque<Instant>,
    request: Vec<u8>,
}

impl Sender {
    fn open(address: SocketAddr, rocket: u64) -> Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let (due, request) = (VecDeque::new(), Vec::new());
        Ok(Self { stream: TcpStream::from_std(stream), rocket, number: 0, due, request })
    }

    fn is_due(&mut self, due: Instant) -> Result<()> {
        self.due.push_back(due);
        if self.due.len() == 1 { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<()> {
        self.number += 1;
        let mut body = Vec::new();
        message(self.rocket, self.number, &mut body);
        self.request.clear();
        write!(
            self.request,
            "POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )?;
        self.request.extend_from_slice(&body);
        // It fits into the socket's buffer, where nothing else is.
        let written = self.stream.write(&self.request)?;
        if written == self.request.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    }

    /// Takes an answer, if one has come, and sends what waits: when that which is answered
    /// was due.
    fn answered(&mut self) -> Result<Option<Instant>> {
        let mut buffer = [0; 4096];
        let answer = match self.stream.read(&mut buffer) {
            Ok(length) => &buffer[..length],
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        // An answer without a body, and so small that it comes in one piece.
        if !answer.starts_with(b"HTTP/1.1 204 ") || !answer.ends_with(b"\r\n\r\n") {
            let answer = String::from_utf8_lossy(answer);
            return Err(Error::other(format!("the server answered {answer:?}")));
        }
        let due = self.due.pop_front();
        if !self.due.is_empty() {
            self.send()?;
        }
        Ok(due)
    }
}
