//! Nodes as processes of their own, and a client of theirs. Owns no assertions about
//! what they answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::contract::PATIENCE;

/// How long a request may take: a node that is frozen answers nothing.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Where a node is; its port changes with every start.
pub type Place = Arc<AtomicU16>;

pub struct Node {
    pub name: String,
    arguments: Vec<String>,
    pub place: Place,
    child: Option<Child>,
    logged: Arc<Mutex<String>>,
}

impl Node {
    /// Starts it, and does not wait until it is ready.
    pub fn start(name: &str, directory: &Path, cluster: &str, more: &[&str]) -> Self {
        Self::start_at(&Place::default(), name, directory, cluster, more)
    }

    /// The same, at a place that others know.
    pub fn start_at(
        place: &Place,
        name: &str,
        directory: &Path,
        cluster: &str,
        more: &[&str],
    ) -> Self {
        let mut arguments = vec![
            format!("--cluster={cluster}"),
            format!("--node={name}"),
            format!("--data-dir={}", directory.display()),
            "--listen=127.0.0.1:0".to_owned(),
            "--log-format=json".to_owned(),
        ];
        arguments.extend(more.iter().map(|&it| it.to_owned()));
        let (place, logged) = (place.clone(), Arc::default());
        let mut node = Self { name: name.to_owned(), arguments, place, child: None, logged };
        node.run(&[]);
        node
    }

    /// Starts it again, with these flags besides for now.
    pub fn run(&mut self, more: &[String]) {
        assert!(self.child.is_none(), "it runs");
        let mut child = Command::new(env!("CARGO_BIN_EXE_downlink"))
            .args(&self.arguments)
            .args(more)
            .env_remove("DOWNLINK_CLUSTER_ROUNDS")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let (found, port) = mpsc::sync_channel(1);
        let logged = self.logged.clone();
        std::thread::spawn(move || {
            for line in lines {
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                if entry["fields"]["message"] == "listening" {
                    let address = entry["fields"]["address"].as_str().unwrap_or_default();
                    let address: std::net::SocketAddr = address.parse().unwrap();
                    let _ = found.send(address.port());
                }
                let mut logged = logged.lock().unwrap();
                logged.push_str(&line);
                logged.push('\n');
            }
        });
        let port = port.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{}", self.told()));
        self.place.store(port, Ordering::Relaxed);
        self.child = Some(child);
    }

    /// Its log since its first start.
    pub fn told(&self) -> String {
        format!("{}:\n{}", self.name, self.logged.lock().unwrap())
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let child = self.child.as_ref().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Tells it to stop, and waits for that.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.child.take().unwrap().wait().unwrap()
    }

    /// Waits until it is ready.
    pub fn is_ready(&mut self) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("it ended: {status}\n{}", self.told());
            }
            let answer = get(&self.place, "/readyz");
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{answer:?}\n{}", self.told());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it is not, for a reason with this in it.
    pub fn is_unready(&self, why: &str) {
        let begun = Instant::now();
        loop {
            let answer = get(&self.place, "/readyz?verbose");
            let says = |answer: &Answer| answer.status == 503 && answer.body.contains(why);
            if answer.as_ref().is_ok_and(says) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{why}: {answer:?}\n{}", self.told());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What is at a path, in JSON, once it answers.
    pub fn json(&self, path: &str) -> Value {
        let begun = Instant::now();
        loop {
            match get(&self.place, path) {
                Ok(answer) if answer.status == 200 => {
                    return serde_json::from_str(&answer.body).unwrap();
                }
                answer => assert!(begun.elapsed() < PATIENCE, "{answer:?}\n{}", self.told()),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

pub fn get(place: &Place, path: &str) -> io::Result<Answer> {
    let mut connection = Connection::open(place)?;
    connection.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
    connection.receive()
}

/// One that is kept.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn open(place: &Place) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", place.load(Ordering::Relaxed)))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, request: &str) -> io::Result<()> {
        self.0.get_mut().write_all(request.as_bytes())
    }

    /// Whether the other side has not closed it, as far as is known here: who keeps
    /// connections looks before he sends.
    pub fn is_open(&self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).unwrap();
        let found = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        found.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Longer than one waits otherwise.
    pub fn waits_for(self, timeout: Duration) -> Self {
        self.0.get_ref().set_read_timeout(Some(timeout)).unwrap();
        self.0.get_ref().set_write_timeout(Some(timeout)).unwrap();
        self
    }

    /// Sends a message, whose answer is received next.
    pub fn post(&mut self, message: &Value) -> io::Result<()> {
        self.post_body("application/json", &message.to_string())
    }

    /// The same, of many.
    pub fn post_many(&mut self, messages: &[Value]) -> io::Result<()> {
        let lines: Vec<_> = messages.iter().map(Value::to_string).collect();
        self.post_body("application/x-ndjson", &lines.join("\n"))
    }

    fn post_body(&mut self, kind: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        self.send(&format!(
            "POST /messages HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\
             Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    pub fn receive(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let header = |name: &str| header(&head, name);
        let mut body = Vec::new();
        if let Some(length) = header("content-length").and_then(|length| length.parse().ok()) {
            body.resize(length, 0);
            self.0.read_exact(&mut body)?;
        } else if header("transfer-encoding").is_some() {
            loop {
                let mut line = String::new();
                self.0.read_line(&mut line)?;
                let length = usize::from_str_radix(line.trim(), 16);
                let length = length.map_err(|_| io::Error::other("no chunk"))?;
                let begin = body.len();
                body.resize(begin + length, 0);
                self.0.read_exact(&mut body[begin..])?;
                self.0.read_exact(&mut [0; 2])?;
                if length == 0 {
                    break;
                }
            }
        }
        let status = status.ok_or_else(|| io::Error::other(head.clone()))?;
        let body = String::from_utf8(body).map_err(io::Error::other)?;
        Ok(Answer { status, head, body })
    }
}
