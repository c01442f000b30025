//! Whole exchanges over a raw socket: bytes go out as they are, and what comes
//! back is taken apart without trust in how many answers there are.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::support::PATIENCE;
use crate::support::messages::launch;

/// What comes after the bytes of an attack.
#[derive(Clone, Copy, Debug)]
pub enum Then<'a> {
    /// A request for this, the last one; its answer closes the connection.
    Get(&'a str),
    /// Nothing: the service has to close the connection by itself.
    Nothing,
    /// The client's end.
    End,
}

/// What came back on a connection until the service closed it.
#[derive(Debug)]
pub struct Exchange {
    pub statuses: Vec<u16>,
    pub bytes: Vec<u8>,
}

impl Exchange {
    pub fn shows(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

pub fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// The launch of a rocket.
pub fn post(rocket: &str) -> Vec<u8> {
    let body = body(rocket);
    [head(&format!("content-length: {}\r\n", body.len())), body].concat()
}

/// The body of [`post`].
pub fn body(rocket: &str) -> Vec<u8> {
    launch(rocket).to_string().into_bytes()
}

/// The head of a message with these headers.
pub fn head(headers: &str) -> Vec<u8> {
    format!("POST /messages HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").into_bytes()
}

pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

pub fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[track_caller]
pub fn talk(to: SocketAddr, bytes: &[u8], then: Then) -> Exchange {
    try_talk(to, bytes, then).unwrap()
}

/// Sends bytes and what is to follow, and reads until the service closes the
/// connection.
pub fn try_talk(to: SocketAddr, bytes: &[u8], then: Then) -> io::Result<Exchange> {
    let mut stream = connect(to)?;
    let mut all = bytes.to_vec();
    if let Then::Get(target) = then {
        let last = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        all.extend(last.into_bytes());
    }
    let mut writer = stream.try_clone()?;
    let mut read = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // It may be let go before it is through; what is read shows that.
            let _ = writer.write_all(&all);
            if let Then::End = then {
                let _ = writer.shutdown(Shutdown::Write);
            }
        });
        match stream.read_to_end(&mut read) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(()),
        }
    })?;
    Ok(Exchange { statuses: statuses(&read), bytes: read })
}

/// Takes answers apart by their lengths.
fn statuses(mut rest: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&rest[..end + 2]).to_ascii_lowercase();
        rest = &rest[end + 4..];
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        statuses.push(status.unwrap_or_else(|| panic!("no answer: {head:?}")));
        let length = head.split("content-length: ").nth(1);
        let length = length.map_or(0, |it| it.split("\r\n").next().unwrap().parse().unwrap());
        rest = rest.get(length..).unwrap_or_default();
    }
    statuses
}
