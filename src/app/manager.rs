//! Tells the service manager that started us, such as systemd, how the service
//! is: `Type=notify` and its watchdog. Owns what is told, and when; does not own
//! whether it is true (`fleet/health.rs`). Without a manager that listens there
//! is no thread and nothing is told.
//!
//! A word is handed to a thread of its own and lost where too many wait, for to
//! tell it waits for the manager to read, which nothing of the service may.

use std::convert::Infallible;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;
use tracing::{error, warn};

use crate::config::manager::Manager;
use crate::fleet::health::{Health, LOOK, Phase};

/// Words that wait to be told.
const MAX_WAITING: usize = 16;

/// How often it is looked how far a start is.
const START_LOOK: Duration = Duration::from_secs(1);

/// What a start that makes progress may take until the next: checks of a large
/// database take long before there is any.
const MORE_TIME: Duration = Duration::from_secs(60);

/// How long the end waits for the last words to be told.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The way to the manager.
#[derive(Debug, Default)]
pub struct Notifier {
    line: Option<Line>,
    watchdog: Option<Duration>,
    /// The status that was told last.
    status: Mutex<String>,
}

/// What is told.
#[derive(Debug)]
enum Word {
    Ready(String),
    Stopping,
    Status(String),
    /// The start goes on.
    Progress(String),
    /// Everything moves.
    Alive,
}

#[derive(Debug)]
struct Line {
    words: Option<SyncSender<Word>>,
    /// Closed once the last word is told.
    ended: Mutex<Receiver<Infallible>>,
}

impl Notifier {
    /// The way to this manager, if it listens.
    #[must_use]
    pub fn to(manager: &Manager) -> Self {
        let watchdog = manager.watchdog.filter(|_| manager.listens);
        let line = if manager.listens { Line::open() } else { None };
        Self { line, watchdog, status: Mutex::default() }
    }

    /// How often it must be looked whether everything moves.
    #[must_use]
    pub fn every(&self) -> Duration {
        // Half, as systemd wants it, so that one look may be late.
        self.watchdog.map_or(LOOK, |most| most / 2)
    }

    /// Tells how far a start is, and asks for more time as long as it goes on.
    pub async fn follow_start(&self, health: &Health) -> Infallible {
        loop {
            if let Some(status) = self.news(health) {
                self.tell(Word::Progress(status));
            }
            sleep(START_LOOK).await;
        }
    }

    /// The start is complete.
    pub fn ready(&self, health: &Health) {
        let status = self.news(health).unwrap_or_default();
        self.tell(Word::Ready(status));
    }

    /// It was looked at what is observed. A process that does not move tells
    /// nothing, and that is what the watchdog waits for.
    pub fn looked(&self, health: &Health) {
        if let Some(status) = self.news(health) {
            self.tell(Word::Status(status));
        }
        if self.watchdog.is_some() {
            match health.alive() {
                Ok(()) => self.tell(Word::Alive),
                Err(hangs) => error!(%hangs, "the watchdog of the service manager is not fed"),
            }
        }
    }

    /// The stop has begun.
    pub fn stopping(&self) {
        self.tell(Word::Stopping);
    }

    /// How the service is, unless that was told.
    fn news(&self, health: &Health) -> Option<String> {
        self.line.as_ref()?;
        let status = match (health.phase(), health.ready()) {
            (Phase::Starting(reason), _) => format!("starting: {reason}"),
            (_, Ok(())) => "ready".to_owned(),
            (_, Err(reason)) => format!("not ready: {reason}"),
        };
        // A line of its own would be another word.
        let status = status.replace('\n', " ");
        let mut told = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        (*told != status).then(|| told.clone_from(&status))?;
        Some(status)
    }

    fn tell(&self, word: Word) {
        let words = self.line.as_ref().and_then(|line| line.words.as_ref());
        if let Some(words) = words {
            // What is lost is told again: alive at the next look, and the rest
            // nobody waits for who does not read.
            let _ = words.try_send(word);
        }
    }
}

impl Line {
    fn open() -> Option<Self> {
        let (words, told) = mpsc::sync_channel::<Word>(MAX_WAITING);
        let (end, ended) = mpsc::sync_channel(1);
        let speaker = std::thread::Builder::new().name("manager".to_owned()).spawn(move || {
            // Closed by the end of this.
            let _end: SyncSender<Infallible> = end;
            let mut failed = false;
            for word in told {
                if let Err(error) = word.tell()
                    && !std::mem::replace(&mut failed, true)
                {
                    warn!(%error, "the service manager cannot be told how the service is");
                }
            }
        });
        match speaker {
            Ok(_) => Some(Self { words: Some(words), ended: Mutex::new(ended) }),
            Err(error) => {
                warn!(%error, "the service manager cannot be told how the service is");
                None
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.words = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(LAST_WORDS) == Err(RecvTimeoutError::Timeout) {
            warn!("the service manager does not read what it is told");
        }
    }
}

impl Word {
    /// Waits for the manager to have room for it.
    fn tell(&self) -> std::io::Result<()> {
        let more = u32::try_from(MORE_TIME.as_micros()).expect("it is a minute");
        match self {
            Self::Ready(status) => {
                sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)])
            }
            Self::Stopping => {
                sd_notify::notify(&[NotifyState::Stopping, NotifyState::Status("stopping")])
            }
            Self::Status(status) => sd_notify::notify(&[NotifyState::Status(status)]),
            Self::Progress(status) => sd_notify::notify(&[
                NotifyState::Status(status),
                NotifyState::ExtendTimeoutUsec(more),
            ]),
            Self::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        }
    }
}
