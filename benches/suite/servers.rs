//! The service under measurement, as a child process.

use std::io::{BufRead, BufReader, Error, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Service {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Service {
    /// Starts the service on a free port and waits until it is ready.
    pub fn start(binary: &Path, data: &Path, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--log", "info,downlink::fleet::checkpoint=debug"])
            .arg("--data-dir")
            .arg(data)
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()?;
        let log = Arc::new(Mutex::new(Vec::new()));
        if let Some(stderr) = child.stderr.take() {
            let log = log.clone();
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    log.lock().expect("no reader panics").push((Instant::now(), line));
                }
            });
        }
        let mut service = Self { child, address: SocketAddr::from(([0; 4], 0)), log };
        let listening = service.wait_for("listening address=")?.1;
        service.address = listening
            .rsplit('=')
            .next()
            .and_then(|address| address.trim().parse().ok())
            .ok_or_else(|| Error::other("no address in the log"))?;
        service.wait_for(": ready ")?;
        Ok(service)
    }

    /// The first line of the log that contains `text`, once there is one.
    pub fn wait_for(&self, text: &str) -> Result<(Instant, String)> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let log = self.log.lock().expect("no writer panics");
            if let Some(found) = log.iter().find(|(_, line)| line.contains(text)) {
                return Ok(found.clone());
            }
            drop(log);
            thread::sleep(Duration::from_millis(1));
        }
        Err(Error::other(format!("the service never logged {text:?}")))
    }

    fn status(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/status", self.child.id()))
    }

    /// Bytes in memory.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(self.status())?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = kilobytes.and_then(|text| text.split_whitespace().next()?.parse().ok());
        kilobytes.map(|kb: u64| kb * 1024).ok_or_else(|| Error::other("no VmRSS"))
    }

    /// Kills it as a power cut would, but for the page cache.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Killed before, perhaps.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
