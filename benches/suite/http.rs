//! As much of an HTTP client as the measurements need: one kept connection,
//! blocking.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustls::StreamOwned;

use super::trust;

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// A connection that is kept.
pub struct Connection(BufReader<Box<dyn Stream + Send>>);

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::with_capacity(64 * 1024, Box::new(stream))))
    }

    /// The same over a Unix socket.
    pub fn open_unix(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path)?;
        Ok(Self(BufReader::with_capacity(64 * 1024, Box::new(stream))))
    }

    /// The same with TLS, trusting the certificates in a file.
    pub fn open_trusting(address: SocketAddr, file: &Path) -> Result<Self> {
        let session = trust::session(trust::trust(file)?)?;
        let stream = StreamOwned::new(session, TcpStream::connect(address)?);
        Ok(Self(BufReader::new(Box::new(stream))))
    }

    /// Posts a body and returns the answer's.
    pub fn post(&mut self, media: &str, body: &[u8]) -> Result<Vec<u8>> {
        self.post_coded(media, "identity", body)
    }

    /// Posts a body in this coding, as it says with it, and returns the answer's.
    pub fn post_coded(&mut self, media: &str, coding: &str, body: &[u8]) -> Result<Vec<u8>> {
        let coding = match coding {
            "identity" => String::new(),
            coding => format!("Content-Encoding: {coding}\r\n"),
        };
        let head = format!(
            "POST /messages HTTP/1.1\r\nHost: localhost\r\n{coding}Content-Type: {media}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = self.0.get_mut();
        if body.len() < 16 * 1024 {
            stream.write_all(&[head.as_bytes(), body].concat())?;
        } else {
            stream.write_all(head.as_bytes())?;
            stream.write_all(body)?;
        }
        let mut answer = Vec::new();
        self.answer(&mut |piece| answer.extend_from_slice(piece))?;
        Ok(answer)
    }

    /// Gets a path; returns the body.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>> {
        write!(self.0.get_mut(), "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut body = Vec::new();
        self.answer(&mut |piece| body.extend_from_slice(piece))?;
        Ok(body)
    }

    /// Gets a path; returns the number of bytes in the body, which is thrown
    /// away.
    pub fn get(&mut self, path: &str) -> Result<usize> {
        write!(self.0.get_mut(), "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut length = 0;
        self.answer(&mut |piece| length += piece.len())?;
        Ok(length)
    }

    /// Sends a request as it is; returns the status and the body of the answer.
    pub fn exchange(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        self.send(request)?;
        let mut body = Vec::new();
        let status = self.receive(&mut |piece| body.extend_from_slice(piece))?;
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok((code.ok_or_else(|| Error::other(format!("no status in {status:?}")))?, body))
    }

    /// Sends bytes and awaits nothing.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Reads an answer, which must be a 2xx.
    fn answer(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<()> {
        let status = self.receive(take)?;
        if status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
            Ok(())
        } else {
            Err(Error::other(format!("the service answered {status}")))
        }
    }

    /// Reads an answer; returns the line with its status.
    fn receive(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<String> {
        let status = self.line()?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let header = self.line()?.to_ascii_lowercase();
            match header.split_once(':') {
                None => break,
                Some(("content-length", value)) => {
                    length = value.trim().parse().map_err(Error::other)?;
                }
                Some(("transfer-encoding", _)) => chunked = true,
                Some(_) => {}
            }
        }
        if chunked {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).map_err(Error::other)?;
                self.take(size, take)?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else {
            self.take(length, take)?;
        }
        Ok(status)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        if line.is_empty() {
            return Err(Error::other("the connection closed"));
        }
        Ok(line.trim_end().to_owned())
    }

    fn take(&mut self, mut left: usize, take: &mut dyn FnMut(&[u8])) -> Result<()> {
        let mut buffer = vec![0; left.min(64 * 1024)];
        while left > 0 {
            let most = left.min(buffer.len());
            let count = self.0.read(&mut buffer[..most])?;
            if count == 0 {
                return Err(Error::other("the connection closed"));
            }
            take(&buffer[..count]);
            left -= count;
        }
        Ok(())
    }
}
