//! The real binary, with its log kept line by line. Unlike
//! [`super::process::Process`] it may listen on anything.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::eventually;
use super::process::wait;

/// A child that does not outlive its test.
#[derive(Debug)]
pub struct Guarded(pub Child);

impl Guarded {
    pub fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.0)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Only still there when a test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running service and what it said.
#[derive(Debug)]
pub struct Logged {
    pub child: Guarded,
    lines: Arc<Mutex<Vec<Value>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Logged {
    /// Starts it and waits until it says that it is ready.
    pub fn start(command: Command) -> Self {
        Self::start_when(command, |_| {})
    }

    /// As [`Logged::start`], once `prepare` was done beside it.
    pub fn start_when(mut command: Command, prepare: impl FnOnce(&Guarded)) -> Self {
        command.args(["--log-format", "json"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let pipe = child.stderr.take().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_else(|_| line.clone().into());
                kept.lock().unwrap().push(line);
            }
        });
        let mut logged = Self { child: Guarded(child), lines, reader: Some(reader) };
        prepare(&logged.child);
        eventually("the service is ready", || {
            let ended = logged.child.0.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {:?}", logged.lines());
            !logged.said("ready").is_empty()
        });
        logged
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// The fields of all lines with this message.
    pub fn said(&self, message: &str) -> Vec<Value> {
        let lines = self.lines();
        let fields = lines.into_iter().map(|line| line["fields"].clone());
        fields.filter(|fields| fields["message"] == message).collect()
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<String> {
        let said = self.said("listening");
        said.iter().map(|fields| fields["address"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits for the end. Returns the exit code and the log.
    pub fn wait(mut self) -> (Option<i32>, Vec<Value>) {
        let code = self.child.wait().code();
        self.reader.take().unwrap().join().unwrap();
        (code, self.lines())
    }

    /// Stops it, which must end well.
    pub fn stop(self) -> Vec<Value> {
        self.child.signal("TERM");
        let (code, lines) = self.wait();
        assert_eq!(code, Some(0), "{lines:?}");
        lines
    }
}

/// The whole answer to a request over a Unix socket, after which the connection
/// is closed.
pub fn over_socket(path: &std::path::Path, method: &str, target: &str, body: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = UnixStream::connect(path).unwrap();
    let head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
