//! The service itself, in memory. Owns its process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

pub struct Service {
    child: Child,
    pub port: u16,
    /// Without a path.
    pub origin: String,
}

impl Service {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// On a free port, once it is ready.
    pub fn start_with(arguments: &[String]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_downlink"))
            .args(["--durability=memory", "--listen=127.0.0.1:0", "--log-format=json"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Read to its end, so that nothing waits to be read.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listening = lines.find(|line| line.contains("listening")).unwrap();
        let address = listening.split("127.0.0.1:").nth(1).unwrap();
        let port = address.split('"').next().unwrap().parse().unwrap();
        lines.find(|line| line.contains("\"ready\"")).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port, origin: format!("http://127.0.0.1:{port}") }
    }

    /// What is at a path, in JSON.
    pub fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        // As HTTP/1.0, so that the answer ends with the connection.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n\r\n", self.port).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{head}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
