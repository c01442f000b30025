//! The service of a soak and what its clients share: where it listens now, the
//! token that it wants, its certificates, counts, latencies and what went wrong. Does not own who
//! talks to it.

use std::collections::HashMap;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::data;
use super::fleet::Share;
use crate::http::Connection;
use crate::programs::output;
use crate::servers::Server;
use crate::tls::Certificate;

/// Faults that are kept; the first ones say enough.
const MOST_FAULTS: usize = 20;

/// For what was not acknowledged to be taken at the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// For what was read again to be served.
const READ_AGAIN: Duration = Duration::from_secs(20);

/// The flag from which on the service knows tokens.
const TOKENS: &str = "--ingest-token-file";

/// One counter for each thing that happens.
#[derive(Default)]
pub struct Counts {
    pub acknowledged: AtomicU64,
    pub refused: AtomicU64,
    pub reads: AtomicU64,
    pub bad: AtomicU64,
    pub cut: AtomicU64,
    pub encrypted: AtomicU64,
    pub reloads: AtomicU64,
    pub stops: AtomicU64,
    pub kills: AtomicU64,
}

pub struct Site {
    binary: PathBuf,
    scratch: PathBuf,
    server: RwLock<Option<Server>>,
    over: AtomicBool,
    /// Counts lives from 1.
    pub life: AtomicU32,
    base: AtomicU64,
    tokens: RwLock<Option<Vec<String>>>,
    /// The certificates that were made, as PEM; the last one may not be served yet.
    certificates: RwLock<Vec<String>>,
    pub counts: Counts,
    /// Of single posts since they were last looked at.
    pub latencies: Mutex<Vec<Duration>>,
    faults: Mutex<Vec<String>>,
}

impl Site {
    pub fn start(binary: PathBuf, scratch: &Path) -> Result<Self> {
        let knows_tokens = output(Command::new(&binary).arg("--help"))?.contains(TOKENS);
        let site = Self {
            binary,
            scratch: scratch.to_owned(),
            server: RwLock::default(),
            over: AtomicBool::new(false),
            life: AtomicU32::new(0),
            base: AtomicU64::new(0),
            tokens: RwLock::new(knows_tokens.then(Vec::new)),
            certificates: RwLock::default(),
            counts: Counts::default(),
            latencies: Mutex::default(),
            faults: Mutex::default(),
        };
        site.rotate()?;
        site.certify()?;
        site.begin_life(&mut site.server.write().expect("nobody panics with it"))?;
        Ok(site)
    }

    fn begin_life(&self, server: &mut Option<Server>) -> Result<()> {
        let token_file = self.scratch.join("tokens");
        let token_file = token_file.to_string_lossy();
        let listen = format!("--listen=unix:{}", self.socket().display());
        let [cert, key] = Certificate::within(&self.scratch).flags();
        let mut flags = vec!["--checkpoint-interval", "5s", "--log", "warn,downlink=info"];
        flags.extend([&*listen, &*cert, &*key]);
        if self.tokens.read().expect("nobody panics with it").is_some() {
            flags.extend([TOKENS, &token_file]);
        }
        let started = Server::service(&self.binary, &data(&self.scratch), &flags)?;
        self.base.store(started.descriptors()? as u64, Ordering::Relaxed);
        self.life.fetch_add(1, Ordering::Relaxed);
        *server = Some(started);
        Ok(())
    }

    /// Stops it as an operator does, and starts it again.
    pub fn stop_and_start(&self) -> Result<()> {
        self.counts.stops.fetch_add(1, Ordering::Relaxed);
        let mut server = self.server.write().expect("nobody panics with it");
        server.take().expect("it runs").stop()?;
        self.begin_life(&mut server)
    }

    /// Kills it, and starts it again.
    pub fn kill_and_start(&self) -> Result<()> {
        self.counts.kills.fetch_add(1, Ordering::Relaxed);
        let mut server = self.server.write().expect("nobody panics with it");
        server.take().expect("it runs").kill()?;
        self.begin_life(&mut server)
    }

    /// Has it read again what may change while it runs: tokens, if it knows any,
    /// and certificates. Waits until it serves the new one.
    pub fn reload(&self) -> Result<()> {
        self.rotate()?;
        let newest = self.certify()?;
        self.counts.reloads.fetch_add(1, Ordering::Relaxed);
        let address = self.with(|server| server.signal("HUP").map(|()| server.address))?;
        let begun = Instant::now();
        while let Err(error) =
            Connection::open_trusting(address, &newest).and_then(|mut it| it.get("/livez"))
        {
            if begun.elapsed() > READ_AGAIN {
                self.fault(format!("a new certificate is not served: {error}"));
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// A new certificate in place of the last one, which is served until it is read.
    /// Returns a file with the new one.
    fn certify(&self) -> Result<PathBuf> {
        let mut certificates = self.certificates.write().expect("nobody panics with it");
        let made = Certificate::put_into(&self.scratch)?;
        certificates.push(std::fs::read_to_string(&made.cert)?);
        let kept = certificates.len().saturating_sub(2);
        certificates.drain(..kept);
        // Under another name first: clients read it all the time.
        let trusted = self.scratch.join("trusted.new");
        std::fs::write(&trusted, certificates.concat())?;
        std::fs::rename(trusted, self.scratch.join("trusted.pem"))?;
        Ok(made.cert)
    }

    /// Where it speaks without TLS.
    fn socket(&self) -> PathBuf {
        self.scratch.join("plain.sock")
    }

    /// A new token beside the last one, which some clients still use.
    fn rotate(&self) -> Result<()> {
        let mut tokens = self.tokens.write().expect("nobody panics with it");
        let Some(tokens) = &mut *tokens else { return Ok(()) };
        tokens.push(format!("soak-{:032x}", rand::random::<u128>()));
        let kept = tokens.len().saturating_sub(3);
        tokens.drain(..kept);
        std::fs::write(self.scratch.join("tokens"), tokens.join("\n") + "\n")
    }

    /// The header that posts need. Not the newest token: it may not be read yet.
    pub fn authorization(&self) -> String {
        let tokens = self.tokens.read().expect("nobody panics with it");
        let known = tokens.as_ref().and_then(|all| all.iter().rev().nth(1).or(all.last()));
        known.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"))
    }

    /// A new connection to it, with TLS or without, once it can be had; `None` when it is over.
    pub fn connect(&self) -> Option<Connection> {
        while !self.is_over() {
            let connected = if rand::random() {
                self.counts.encrypted.fetch_add(1, Ordering::Relaxed);
                let trusted = self.scratch.join("trusted.pem");
                self.with(|server| Connection::open_trusting(server.address, &trusted))
            } else {
                self.with(|_| Connection::open_unix(&self.socket()))
            };
            if let Ok(connection) = connected {
                return Some(connection);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    fn with<T>(&self, ask: impl FnOnce(&Server) -> Result<T>) -> Result<T> {
        let server = self.server.read().expect("nobody panics with it");
        server.as_ref().map_or_else(|| Err(Error::other("it does not run")), ask)
    }

    pub fn resident(&self) -> Result<u64> {
        self.with(Server::resident)
    }

    pub fn descriptors(&self) -> Result<usize> {
        self.with(Server::descriptors)
    }

    /// Descriptors with which this life began.
    pub fn base(&self) -> usize {
        usize::try_from(self.base.load(Ordering::Relaxed)).expect("it was one")
    }

    pub fn disk(&self) -> u64 {
        let entries = std::fs::read_dir(data(&self.scratch)).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|it| it.len()).sum()
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub fn fault(&self, fault: String) {
        let mut faults = self.faults.lock().expect("nobody panics with it");
        if faults.len() < MOST_FAULTS {
            faults.push(fault);
        }
    }

    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().expect("nobody panics with it").clone()
    }

    /// Sends what was not acknowledged, and compares every rocket.
    pub fn verify(&self, shares: &mut [Share], when: &str) -> Result<()> {
        let mut connection = Connection::open_unix(&self.socket())?;
        let begun = Instant::now();
        for share in &mut *shares {
            while let Some(message) = share.pending.pop() {
                let (status, body) = connection.exchange(&self.post("", message.as_bytes()))?;
                if !(200..300).contains(&status) {
                    if !matches!(status, 429 | 503) || begun.elapsed() > PATIENCE {
                        let body = String::from_utf8_lossy(&body).into_owned();
                        return Err(Error::other(format!("{when}: {status} {body}: {message}")));
                    }
                    // The one that it waits for may be among the others.
                    share.pending.insert(0, message);
                }
            }
        }
        let listing: Vec<Value> = serde_json::from_slice(&connection.read("/rockets")?)?;
        let by_id = |rocket: Value| Some((rocket["id"].as_str()?.to_owned(), rocket));
        let shown: HashMap<String, Value> = listing.into_iter().filter_map(by_id).collect();
        let wrong: Vec<String> = shares.iter().flat_map(|share| share.compare(&shown)).collect();
        println!("{when}: {} rockets compared, {} differences", shown.len(), wrong.len());
        for wrong in wrong {
            self.fault(format!("{when}: {wrong}"));
        }
        Ok(())
    }

    /// A request with a body; `headers` end with CR LF, if there are any.
    pub fn post(&self, headers: &str, body: &[u8]) -> Vec<u8> {
        let (authorization, length) = (self.authorization(), body.len());
        let mut request = format!(
            "POST /messages HTTP/1.1\r\nHost: localhost\r\n{authorization}{headers}Content-Length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        request
    }

    pub fn summary(&self) -> String {
        let Counts { acknowledged, refused, reads, bad, cut, encrypted, reloads, stops, kills } =
            &self.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        format!(
            "{} messages acknowledged, {} requests refused for the moment, {} reads, {} bad requests, \
             {} connections cut, {} connections with TLS, {} reloads of tokens and certificates, {} clean stops, {} kills",
            of(acknowledged),
            of(refused),
            of(reads),
            of(bad),
            of(cut),
            of(encrypted),
            of(reloads),
            of(stops),
            of(kills)
        )
    }

    pub fn stop(self) -> Result<()> {
        let server = self.server.into_inner().expect("nobody panics with it");
        server.expect("it runs").stop().map(drop)
    }
}
