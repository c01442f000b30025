//! `downlink top`: in a real terminal (tmux), against a service that is made up and
//! says what a test wants, and for scripts against the service itself.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::{Request, send};
use crate::support::messages::{explode, launch, speed_up};
use crate::support::process::{Process, downlink, run};

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const STOPPING: u8 = 2;

/// Answers as a service does, in the phase that it is in.
struct Stub {
    address: SocketAddr,
    phase: Arc<AtomicU8>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    fn in_phase(phase: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let phase = Arc::new(AtomicU8::new(phase));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (shared, heard) = (phase.clone(), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (phase, asked) = (shared.clone(), heard.clone());
                // Whoever asked may go before the answer's end.
                thread::spawn(move || drop(answer(stream.unwrap(), &phase, &asked)));
            }
        });
        Self { address, phase, asked }
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::SeqCst);
    }

    fn was_asked(&self, part: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|head| head.contains(part))
    }
}

fn answer(stream: TcpStream, phase: &AtomicU8, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut head = String::new();
    while let Some(line) = lines.next().transpose()?
        && !line.is_empty()
    {
        head += &(line + "\n");
    }
    asked.lock().unwrap().push(head.clone());
    let mut stream = &stream;
    let mut say = |status: &str, body: &str| {
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nX-Total-Count: 1234\r\n\r\n{body}"
        )
    };
    if phase.load(Ordering::SeqCst) != SERVING {
        return say("503 Service Unavailable", r#"{"detail":"the journal is read"}"#);
    }
    if head.starts_with("GET /gaps") {
        let gap = json!([{"id": "Waiting 1", "awaited_message_number": 8,
            "highest_message_number": 9, "buffered_messages": 2,
            "waiting_since": "2026-11-28T20:00:00Z", "launch_missing": false}]);
        return say("200 OK", &gap.to_string());
    }
    if head.starts_with("GET /rockets") {
        let status = if head.contains("Exploded") { "Exploded" } else { "Launched" };
        let rocket = json!([{"id": "Voyager\u{1b}[31m\u{202e} 1", "mission": "ARTEMIS",
            "rocket_type": "Titan", "status": status, "speed": 4711, "last_message_number": 7,
            "last_update_time": "2026-11-28T20:00:00Z"}]);
        return say("200 OK", &rocket.to_string());
    }
    assert!(head.starts_with("GET /events"), "{head}");
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n")?;
    let mut event =
        |event: &str, data: Value| writeln!(stream, "{}", json!({"event": event, "data": data}));
    event("hello", json!({"epoch": "e", "version": 1, "partitions": 1, "build": "7.7.7"}))?;
    event("explosion", json!({"id": "Phoenix", "explosion_reason": "FROZEN_O_RINGS"}))?;
    while phase.load(Ordering::SeqCst) == SERVING {
        event(
            "stats",
            json!({"time": "2026-11-28T20:00:00Z", "rockets": {"launched": 77, "exploded": 3},
                "messages_per_second": {"applied": 1234.0, "buffered": 0, "duplicate": 0},
                "waiting_rockets": 1, "longest_wait_since": "2026-11-28T20:00:00Z",
                "buffered_messages": 2, "subscribers": 1, "version": 9}),
        )?;
        thread::sleep(Duration::from_millis(50));
    }
    event("bye", json!({"reason": "it stops"}))
}

/// A terminal of its own.
struct Terminal {
    directory: tempfile::TempDir,
}

impl Terminal {
    /// With `downlink top` in it; none where there is no tmux.
    fn with_top(stub: &Stub) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            println!("SKIPPED: there is no tmux here, which .ci/run installs");
            return None;
        }
        let terminal = Self { directory: tempfile::tempdir().unwrap() };
        let top = env!("CARGO_BIN_EXE_downlink");
        let pid = terminal.directory.path().join("pid");
        // What it leaves on the terminal is looked at, behind its end.
        let line = format!(
            "echo before; sh -c 'echo $$ > {}; exec {top} top http://{}'; echo ended $?; exec cat",
            pid.display(),
            stub.address
        );
        let session = ["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", &line];
        terminal.tmux(&session);
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(self.directory.path().join("socket"));
        command.args(arguments).env("LANG", "C.UTF-8").env_remove("TMUX");
        let (code, out, err) = run(command);
        assert_eq!(code, Some(0), "{arguments:?}: {err}");
        out
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn shows(&self, parts: &[&str]) {
        let mut screen = String::new();
        let mut shown = || {
            screen = self.tmux(&["capture-pane", "-p"]);
            parts.iter().all(|part| screen.contains(part))
        };
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually("it is shown", &mut shown);
        }));
        assert!(found.is_ok(), "{parts:?} in\n{screen}");
    }

    fn terminate(&self) {
        let pid = fs::read_to_string(self.directory.path().join("pid")).unwrap();
        assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.directory.path().join("socket")).arg("kill-server");
        drop(command.output());
    }
}

#[test]
fn it_follows_a_service_that_starts_stops_and_comes_back() {
    let stub = Stub::in_phase(STARTING);
    let Some(terminal) = Terminal::with_top(&stub) else { return };
    terminal.shows(&["✗ no feed\nthe journal is read (503); again in", "q quit"]);
    stub.enter(SERVING);
    terminal.shows(&[
        "● live, downlink 7.7.7",
        "applied 1,234/s",
        "launched 77   exploded 3   waiting ! 1",
        "fleet 1 of 1,234 by launch_time ↑",
        "Voyager\\u{1b}[31m\\u{202e} 1",
        "4,711",
        "! Waiting 1 waits",
        "✗ Phoenix",
    ]);
    // The table is asked for by those who may be given what another has just got.
    assert!(stub.was_asked("cache-control: max-age=2"));
    stub.enter(STOPPING);
    terminal.shows(&["\nthe service says goodbye: it stops; again in", "4,711"]);
    stub.enter(SERVING);
    terminal.shows(&["● live"]);
    terminal.press(&["q"]);
    terminal.shows(&["before\nended 0\n"]);
}

#[test]
fn keys_sort_filter_and_explain_on_a_terminal_of_any_size() {
    let stub = Stub::in_phase(SERVING);
    let Some(terminal) = Terminal::with_top(&stub) else { return };
    terminal.shows(&["● live"]);
    terminal.press(&["s", "r"]);
    terminal.shows(&["by id ↓"]);
    eventually("it is asked for", || stub.was_asked("/rockets?sort=id&order=desc&limit=100 "));
    terminal.press(&["/", "A", "R"]);
    terminal.shows(&["mission: AR▏"]);
    terminal.press(&["Tab", "Enter"]);
    terminal.shows(&["ID AR…"]);
    eventually("it is asked for", || stub.was_asked("&id_prefix=AR "));
    terminal.press(&["?"]);
    terminal.shows(&["the other way round"]);
    terminal.press(&["x"]);
    terminal.tmux(&["resize-window", "-x", "60", "-y", "20"]);
    terminal.shows(&["by id ↓, ID AR…", "4,711", "q quit"]);
    terminal.terminate();
    // The terminal is as it was.
    terminal.shows(&["before\nended 0\n"]);
}

fn top(arguments: &[&str], address: SocketAddr) -> (Option<i32>, String, String) {
    let mut command = downlink();
    command.arg("top").arg(format!("http://{address}")).args(arguments);
    run(command)
}

#[test]
fn scripts_get_a_picture_or_json_of_the_service_itself() {
    let process = Process::start(&[]);
    let messages = [launch("a"), launch("b"), speed_up("b", 4, 500), explode("a", 2, "WHY")];
    for message in messages {
        assert!(send(process.address, &Request::message(&message)).status < 300);
    }
    let (code, out, err) = top(&["--once", "--sort=id", "--reverse"], process.address);
    assert_eq!(code, Some(0), "{err}");
    for part in ["fleet 2 by id ↓", "✗ exploded", "waiting 1", "b waits", "for #2, 1 held", "WHY"]
    {
        assert!(out.contains(part), "{part} in\n{out}");
    }
    assert!(!out.contains('\u{1b}'), "{out:?}");
    let (code, out, err) = top(&["--once", "--json", "--sort=id"], process.address);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(out.lines().count(), 1);
    let known: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(known["rockets_total"], 2);
    assert_eq!(known["rockets"][0]["explosion_reason"], "WHY");
    assert_eq!(known["gaps"][0]["id"], "b");
    let rows = |arguments: &[&str]| {
        let arguments = [&["--once", "--json", "--sort=id"], arguments].concat();
        let (code, out, err) = top(&arguments, process.address);
        assert_eq!(code, Some(0), "{err}");
        let known: Value = serde_json::from_str(&out).unwrap();
        let rockets = known["rockets"].as_array().unwrap();
        let ids = rockets.iter().map(|rocket| rocket["id"].as_str().unwrap());
        (ids.collect::<String>(), known["rockets_total"].as_u64().unwrap())
    };
    assert_eq!(rows(&["--status=exploded"]), ("a".to_owned(), 1));
    assert_eq!(rows(&["--waiting"]), ("b".to_owned(), 1));
    assert_eq!(rows(&["--waiting=false"]), ("a".to_owned(), 1));
    assert_eq!(rows(&["--type=no such"]), (String::new(), 0));
    assert_eq!(rows(&["--limit=1"]), ("a".to_owned(), 2));
    // For scripts there is no end but theirs.
    let line = format!(
        "{} top http://{} --json | head -n 2",
        env!("CARGO_BIN_EXE_downlink"),
        process.address
    );
    let mut command = Command::new("sh");
    command.args(["-c", &line]);
    let (_, out, err) = run(command);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), err.as_str()), (2, ""));
}

#[test]
fn what_is_wrong_is_told_in_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    fs::write(&tokens, "reader 0123456789abcdefghijklmnopqrstuvwxyz\n").unwrap();
    let process = Process::start(&["--read-token-file", tokens.to_str().unwrap()]);
    let (code, out, err) = top(&["--once"], process.address);
    assert_eq!(code, Some(1));
    assert!(err.contains("a token is asked for (401)") && err.lines().count() == 1, "{err}");
    assert!(out.contains("a token is asked for (401)"), "{out}");
    let token = format!("--token-file={}", tokens.display());
    let (code, _, err) = top(&["--once", &token], process.address);
    assert_eq!((code, err.as_str()), (Some(0), ""));

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, out, err) = top(&["--once", "--json"], nobody);
    assert_eq!(code, Some(1));
    assert!(err.contains("connection refused"), "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["feed"], "lost");
    // Here there is no terminal.
    let (code, _, err) = top(&[], nobody);
    assert_eq!(code, Some(1));
    assert!(err.contains("not a terminal; see --once"), "{err}");
    for (arguments, says) in [
        (["--sort=height"], "--sort"),
        (["--token-file=/missing"], "--token-file"),
        (["--nope"], "--nope"),
    ] {
        let (code, _, err) = top(&arguments, nobody);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains(says), "{err}");
    }
}
