//! A small blocking HTTP/1.1 client. It sends what it is told, byte for byte,
//! and adds no header but the length of the body, and `host` if there is none. Every
//! answer to a request must be as the service describes it (`described`).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

use super::{PATIENCE, described};

/// A request. Its headers go out as given.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunk: Option<usize>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, headers: Vec::new(), body: None, chunk: None }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A message for the service, with no header about it.
    pub fn post(body: impl AsRef<[u8]>) -> Self {
        Self { body: Some(body.as_ref().to_vec()), ..Self::new("POST", "/messages") }
    }

    /// A message whose sender reads the answer.
    pub fn message(message: &Value) -> Self {
        Self::post(message.to_string()).header("accept", "*/*")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends the body in chunks of so many bytes, without its length.
    pub fn chunked(mut self, bytes: usize) -> Self {
        self.chunk = Some(bytes);
        self
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if !self.headers.iter().any(|(name, _)| name == "host") {
            bytes.extend(b"host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        match (&self.body, self.chunk) {
            (None, _) => bytes.extend(b"\r\n"),
            (Some(body), None) => {
                bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
                bytes.extend(body);
            }
            (Some(body), Some(size)) => {
                bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
                for chunk in body.chunks(size) {
                    bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
        }
        bytes
    }
}

/// An answer. Header names are in lower case.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The only header of that name.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is given twice");
        value
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.text()))
    }

    /// The field `outcome` of an accepted message.
    #[track_caller]
    pub fn outcome(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        let body = self.json();
        assert_eq!(body["status"], "success");
        body["outcome"].as_str().unwrap().to_owned()
    }
}

/// A connection to the service, kept until it is dropped.
#[derive(Debug)]
pub struct Connection<S: Read = TcpStream>(BufReader<S>);

impl Connection {
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Tells the other side that nothing more will be sent.
    pub fn finish_sending(&self) {
        self.0.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    /// Whether something is there to be read, or the connection is closed.
    pub fn has_data(&self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).unwrap();
        let found = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        !found.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl<S: Read + Write> Connection<S> {
    /// Over what is connected.
    pub fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub fn get_ref(&self) -> &S {
        self.0.get_ref()
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    #[track_caller]
    pub fn request(&mut self, request: &Request) -> Response {
        self.try_request(request).unwrap()
    }

    #[track_caller]
    pub fn try_request(&mut self, request: &Request) -> io::Result<Response> {
        self.try_send(&request.to_bytes())?;
        let mut response = self.receive_head()?;
        if request.method != "HEAD" {
            response.body = self.receive_body(&response)?;
        }
        described::check(&request.method, &request.target, &response);
        Ok(response)
    }

    #[track_caller]
    pub fn receive(&mut self) -> Response {
        let mut response = self.receive_head().unwrap();
        response.body = self.receive_body(&response).unwrap();
        response
    }

    /// Reads the status and the headers of an answer.
    pub fn receive_head(&mut self) -> io::Result<Response> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status in {first:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Response { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other("no colon"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Reads what follows `head`.
    pub fn receive_body(&mut self, head: &Response) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if matches!(head.status, 204 | 304) {
            return Ok(body);
        }
        if head.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
                let start = body.len();
                body.resize(start + size, 0);
                self.0.read_exact(&mut body[start..])?;
                self.line()?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        match head.header("content-length") {
            Some(length) => {
                body.resize(length.parse().map_err(io::Error::other)?, 0);
                self.0.read_exact(&mut body)?;
            }
            None => drop(self.0.read_to_end(&mut body)?),
        }
        Ok(body)
    }

    /// Reads one chunk of a body that comes in chunks; none at its end.
    pub fn receive_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size];
        self.0.read_exact(&mut chunk)?;
        self.line()?;
        Ok((size > 0).then_some(chunk))
    }

    /// Waits for the other side to close the connection. Whether it did so
    /// without another byte.
    pub fn is_closed(&mut self) -> bool {
        match self.0.fill_buf() {
            Ok(rest) => rest.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Reads and drops what comes until the other side closes the connection.
    #[track_caller]
    pub fn read_until_closed(&mut self) {
        match io::copy(&mut self.0, &mut io::sink()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("got {line:?}"))),
        }
    }
}

/// One request over a connection of its own.
#[track_caller]
pub fn send(address: SocketAddr, request: &Request) -> Response {
    Connection::open(address).request(request)
}

/// Where the `Link` header of the answer to `target` leads, which is relative to
/// that.
#[track_caller]
pub fn next_page(target: &str, page: &Response) -> Option<String> {
    let link = page.header("link")?;
    let (query, rest) = link.strip_prefix("<?").and_then(|link| link.split_once('>')).unwrap();
    assert_eq!(rest, "; rel=\"next\"");
    Some(format!("{}?{query}", target.split('?').next().unwrap()))
}

/// Percent-encodes a path segment or the value of a parameter.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
