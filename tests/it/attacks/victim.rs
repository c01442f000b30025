//! The service under attack, as a process, and what it holds: memory and open
//! files, as the system counts them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::raw::{self, Exchange, Then};
use crate::support::eventually;
use crate::support::process::{Process, memory_and_files};

/// Within so long of the end of an attack its connections are gone, and within
/// so long of that the memory that they took.
const RECOVERY: Duration = Duration::from_secs(10);

/// What the allocator may keep of it, in KiB: what is spread over pages that
/// are in use.
pub const MARGIN: usize = 12 * 1024;

pub struct Victim {
    process: Process,
    memory: usize,
    descriptors: usize,
}

impl Victim {
    /// A service in memory with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::of(Process::start(arguments))
    }

    /// Notes what a service holds that has served somebody and is left alone.
    pub fn of(process: Process) -> Self {
        let mut victim = Self { process, memory: 0, descriptors: 0 };
        for n in 0..20 {
            let warm_up = [raw::post(&format!("warm-up-{n}")), raw::get("/missions")].concat();
            assert_eq!(victim.talk(&warm_up, "/rockets?limit=1").statuses, [204, 200, 200]);
        }
        victim.note();
        victim
    }

    /// Takes what it holds now for what it may hold.
    pub fn note(&mut self) {
        let mut looks = Vec::new();
        eventually("its open files stay the same", || {
            std::thread::sleep(Duration::from_millis(20));
            looks.push(self.descriptors_now());
            looks.iter().rev().take(20).all(|look| look == looks.last().unwrap())
                && looks.len() >= 20
        });
        self.descriptors = self.descriptors_now();
        self.memory = self.memory_now();
    }

    /// As it is after something that is no attack.
    pub fn noted_after(mut self, usual: impl FnOnce(&Self)) -> Self {
        usual(&self);
        self.note();
        self
    }

    pub fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// Sends these bytes and a request behind them, and reads all answers.
    #[track_caller]
    pub fn talk(&self, bytes: &[u8], last: &str) -> Exchange {
        raw::talk(self.address(), bytes, Then::Get(last))
    }

    /// Whether this rocket's launch was applied.
    pub fn has(&self, rocket: &str) -> bool {
        match self.talk(b"", &format!("/rockets/{rocket}")).statuses[..] {
            [200] => true,
            [404] => false,
            ref other => panic!("{rocket}: {other:?}"),
        }
    }

    /// How many rockets it has.
    pub fn count(&self) -> usize {
        let answer = self.talk(b"", "/rockets?limit=1");
        let text = String::from_utf8_lossy(&answer.bytes);
        let count = text.split("x-total-count: ").nth(1).unwrap().split("\r\n").next().unwrap();
        count.parse().unwrap()
    }

    /// Whether it answers now.
    pub fn answers(&self) -> bool {
        raw::try_talk(self.address(), b"", Then::Get("/readyz"))
            .is_ok_and(|it| it.statuses == [200])
    }

    /// Resident memory, in KiB.
    pub fn memory_now(&self) -> usize {
        memory_and_files(self.process.id()).0
    }

    /// Open files.
    pub fn descriptors_now(&self) -> usize {
        memory_and_files(self.process.id()).1
    }

    /// Waits until it holds no more than before the attack; that must not take
    /// long. It must answer, and take messages.
    #[track_caller]
    pub fn recovers_from(&self, attack: &str) {
        eventually("it answers", || self.answers());
        let (memory, descriptors) = (self.memory_now(), self.descriptors_now());
        let closed = back("open files", self.descriptors, || self.descriptors_now());
        let freed = back("KiB", self.memory + MARGIN, || self.memory_now());
        println!(
            "{attack}: {descriptors} files, after {closed:?} {} again; {memory} KiB, after {freed:?} \
             more {}, before it {}",
            self.descriptors,
            self.memory_now(),
            self.memory,
        );
        let message = raw::post(&format!("after {attack}"));
        assert_eq!(self.talk(&message, "/readyz").statuses, [204, 200], "{attack}");
    }

    /// How often its log has `text`.
    pub fn logged(&self, text: &str) -> usize {
        self.process.logged(text)
    }
}

/// Waits until there is no more than `most` of something. Returns for how long.
#[track_caller]
pub fn back(what: &str, most: usize, now: impl Fn() -> usize) -> Duration {
    let start = Instant::now();
    loop {
        let is = now();
        if is <= most {
            return start.elapsed();
        }
        assert!(start.elapsed() < RECOVERY, "{is} {what} where at most {most} may be");
        std::thread::sleep(Duration::from_millis(50));
    }
}
