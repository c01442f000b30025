//! The real binary.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use serde_json::Value;

use super::http::{Connection, Request};
use super::{PATIENCE, eventually};

/// The binary, without anything of the environment that would change it.
pub fn downlink() -> Command {
    run_bare(Command::new(env!("CARGO_BIN_EXE_downlink")))
}

fn run_bare(mut command: Command) -> Command {
    #[expect(clippy::disallowed_methods, reason = "to keep it from a child")]
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DOWNLINK_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// As [`downlink`], but none of its files may grow beyond so many bytes. That
/// stands in for a full disk: a real error from a real write.
pub fn under_file_limit(bytes: u32) -> Command {
    let mut command = Command::new("prlimit");
    command.arg(format!("--fsize={bytes}:")).arg(env!("CARGO_BIN_EXE_downlink"));
    run_bare(command)
}

/// A running service.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    log: Option<std::thread::JoinHandle<String>>,
    logged: Arc<Mutex<String>>,
}

impl Process {
    /// Starts the service in memory, on a free port.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = downlink();
        command.args(["--listen", "127.0.0.1:0", "--durability", "memory"]).args(arguments);
        Self::spawn(command)
    }

    /// Runs a service that listens on a port of the system's choice, and waits
    /// until it is ready.
    pub fn spawn(command: Command) -> Self {
        let mut process = Self::spawn_listening(command);
        process.wait_until_ready();
        process
    }

    /// As [`Process::spawn`], but waits only until it listens.
    pub fn spawn_listening(mut command: Command) -> Self {
        let mut child = command
            .args(["--log-format", "json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let (found, address) = mpsc::sync_channel(1);
        let logged = Arc::new(Mutex::new(String::new()));
        let text = logged.clone();
        let log = std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                if entry["fields"]["message"] == "listening" {
                    let address = entry["fields"]["address"].as_str().unwrap_or_default();
                    let _ = found.send(address.parse().unwrap());
                }
                text.lock().unwrap().push_str(&line);
                line.clear();
            }
            std::mem::take(&mut *text.lock().unwrap())
        });
        let address = address.recv_timeout(PATIENCE).expect("the service listens");
        Self { child, address, log: Some(log), logged }
    }

    fn wait_until_ready(&mut self) {
        eventually("the service is ready", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                let log = self.log.take().unwrap().join().unwrap();
                panic!("the service ended before it was ready: {status}\n{log}");
            }
            let stream = TcpStream::connect(self.address).map(Connection::new);
            let answer = stream.and_then(|mut it| it.try_request(&Request::get("/readyz")));
            answer.is_ok_and(|answer| answer.status == 200)
        });
    }

    /// The memory that it has in use, in bytes.
    pub fn resident(&self) -> usize {
        memory_and_files(self.child.id()).0 * 1024
    }

    /// How often the log has `text` by now.
    pub fn logged(&self, text: &str) -> usize {
        self.logged.lock().unwrap().matches(text).count()
    }

    /// The log by now.
    pub fn log_so_far(&self) -> String {
        self.logged.lock().unwrap().clone()
    }

    /// Lets the files of a service that was started [`under_file_limit`] grow.
    pub fn lift_file_limit(&self) {
        let id = self.child.id().to_string();
        let lift = Command::new("prlimit").args(["--fsize=unlimited:", "--pid", &id]).status();
        assert!(lift.unwrap().success());
    }

    /// Has the system allow the service so many open files.
    pub fn limit_open_files(&self, files: usize) {
        let limit = format!("--nofile={files}:{files}");
        let set = Command::new("prlimit").args([&limit, "--pid", &self.id().to_string()]).status();
        assert!(set.unwrap().success());
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    pub fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for the end. Returns the exit status and the log.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = wait(&mut self.child);
        (status, self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only still there when a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has of memory, in KiB, and of open files.
pub fn memory_and_files(id: u32) -> (usize, usize) {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory = line.trim().trim_end_matches(" kB").parse().unwrap();
    (memory, std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count())
}

/// Waits for a process to end.
pub fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the process does not end");
        }
        #[expect(clippy::disallowed_methods, reason = "between looks")]
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Runs a command that is to end by itself: exit code, standard output,
/// standard error.
pub fn run(mut command: Command) -> (Option<i32>, String, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = wait(&mut child);
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (status.code(), out, err)
}
