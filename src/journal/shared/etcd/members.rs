//! The members of etcd, one of which is asked.
//!
//! Owns the connections, the deadline of each request, and the move to the next member
//! when one fails. etcd's client can balance over several members itself, but goes on
//! sending to one that takes connections and says nothing, as one that is frozen does;
//! so there is a client for each member, and one is asked until it fails, or another one
//! leads: whatever is asked of a follower goes to the leader, and comes back later.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::super::{LogError, LogResult};
use super::failure;

/// How long a member has for a request. An fsync on a majority takes a millisecond or
/// some tens of them under load; what was lost with a leader is never answered, and made
/// again once this is over, when the others (election 1–2 s) are about done.
pub const REQUEST: Duration = Duration::from_secs(1);

/// How long it has for one that moves megabytes.
pub const LARGE_REQUEST: Duration = Duration::from_secs(5);

/// All that were named.
pub struct Members {
    all: Vec<Member>,
    /// Who is asked, a count of moves.
    current: AtomicUsize,
}

struct Member {
    endpoint: Arc<str>,
    options: ConnectOptions,
    client: Mutex<Connected>,
}

/// A client, and how many there were before it.
#[derive(Default)]
struct Connected {
    client: Option<Client>,
    before: u64,
}

/// Which member, and which of its clients, did something.
#[derive(Clone, Debug)]
pub struct Asked {
    move_: usize,
    client: u64,
    /// Where it is.
    pub endpoint: Arc<str>,
}

impl fmt::Debug for Members {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.all.iter().map(|member| &member.endpoint)).finish()
    }
}

impl Members {
    /// Connects to nobody yet.
    pub fn new(endpoints: &[String], options: &ConnectOptions) -> Self {
        let member = |endpoint: &String| Member {
            endpoint: Arc::from(endpoint.as_str()),
            options: options.clone(),
            client: Mutex::default(),
        };
        Self { all: endpoints.iter().map(member).collect(), current: AtomicUsize::new(0) }
    }

    /// Asks a member, and the next one if it fails before the time is over.
    pub async fn ask<T, R, F>(&self, within: Duration, request: R) -> LogResult<T>
    where
        R: Fn(Client) -> F,
        F: Future<Output = Result<T, Error>>,
    {
        self.ask_one(within, request).await.map(|(_, answer)| answer)
    }

    /// The same, and says who answered.
    pub async fn ask_one<T, R, F>(&self, within: Duration, request: R) -> LogResult<(Asked, T)>
    where
        R: Fn(Client) -> F,
        F: Future<Output = Result<T, Error>>,
    {
        let mut failed = LogError::Refused("no member of etcd is named".to_owned());
        for _ in &self.all {
            let move_ = self.current.load(Ordering::Relaxed);
            let member = self.member(move_);
            let mut asked = Asked { move_, client: 0, endpoint: Arc::clone(&member.endpoint) };
            let answer = async {
                let (number, client) = member.client().await?;
                asked.client = number;
                request(client).await
            };
            match timeout(within, answer).await {
                Ok(Ok(answer)) => return Ok((asked, answer)),
                Ok(Err(error)) => match failure::of(&member.endpoint, &error) {
                    error @ LogError::Unreachable(_) => {
                        self.leave(&asked);
                        failed = error;
                    }
                    error => return Err(error),
                },
                Err(_) => {
                    self.leave(&asked);
                    return Err(silent(&member.endpoint, within));
                }
            }
        }
        Err(failed)
    }

    /// Asks all members, and returns what those say that answer, and which they are.
    pub async fn ask_all<T, R, F>(&self, within: Duration, request: R) -> LogResult<Vec<(usize, T)>>
    where
        R: Fn(Client) -> F,
        F: Future<Output = Result<T, Error>>,
    {
        let answers = futures_util::future::join_all(self.all.iter().map(|member| {
            let answer = async { request(member.client().await?.1).await };
            async move {
                match timeout(within, answer).await {
                    Ok(answer) => answer.map_err(|error| failure::of(&member.endpoint, &error)),
                    Err(_) => Err(silent(&member.endpoint, within)),
                }
            }
        }))
        .await;
        let (mut good, mut failed) = (Vec::new(), None);
        for (at, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(answer) => good.push((at, answer)),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if good.is_empty() => Err(error),
            _ => Ok(good),
        }
    }

    /// Turns to the next member, unless somebody did, and connects to this one anew when
    /// it is its turn again.
    pub fn leave(&self, asked: &Asked) {
        let next = asked.move_.wrapping_add(1);
        let relaxed = Ordering::Relaxed;
        let _moved = self.current.compare_exchange(asked.move_, next, relaxed, relaxed);
        // Whoever holds it is connecting, which makes it a new one anyway.
        if let Ok(mut connected) = self.member(asked.move_).client.try_lock()
            && connected.before == asked.client
        {
            *connected = Connected { client: None, before: connected.before + 1 };
        }
    }

    /// Turns to this one of [`ask_all`](Self::ask_all)'s, unless it is its turn.
    pub fn turn_to(&self, at: usize) {
        let (move_, all) = (self.current.load(Ordering::Relaxed), self.all.len());
        let moves = (all + at - move_ % all) % all;
        let relaxed = Ordering::Relaxed;
        let next = move_.wrapping_add(moves);
        let _moved = self.current.compare_exchange(move_, next, relaxed, relaxed);
    }

    /// Whether this one would be asked now.
    pub fn is_asked(&self, asked: &Asked) -> bool {
        self.current.load(Ordering::Relaxed) == asked.move_
    }

    fn member(&self, move_: usize) -> &Member {
        &self.all[move_ % self.all.len()]
    }
}

impl Member {
    async fn client(&self) -> Result<(u64, Client), Error> {
        let mut connected = self.client.lock().await;
        if let Some(client) = &connected.client {
            return Ok((connected.before, client.clone()));
        }
        // Asks for a token if there is a user, and otherwise connects with the first
        // request.
        let client = Client::connect([&*self.endpoint], Some(self.options.clone())).await?;
        connected.client = Some(client.clone());
        Ok((connected.before, client))
    }
}

/// What is said of a member that did not answer.
pub fn silent(endpoint: &str, within: Duration) -> LogError {
    LogError::Unreachable(format!("etcd at {endpoint}: no answer within {within:?}"))
}
