//! The live connections, and which of them a stop cuts. Does not own what is
//! done on them, nor what is known of their clients (`client`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::client::{self, Client};
use super::figures::ServerFigures;

/// How long a connection may stand still during a stop, unless it is for us to go
/// on: long enough for a packet that was lost to be sent again.
const STANDSTILL: Duration = Duration::from_secs(1);

/// How long a stop waits for the first bytes on connections that were just taken
/// in, where the next run could have served them. They are on their way with the
/// connection itself, so a round trip is enough.
const FIRST_BYTES: Duration = Duration::from_millis(200);

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// All connections that there are.
pub struct Connections {
    tasks: JoinSet<()>,
    live: HashMap<Id, (AbortHandle, Arc<Client>)>,
    /// Followed by each of them to its end.
    all: watch::Sender<()>,
    figures: Arc<ServerFigures>,
}

impl Connections {
    /// None yet; how many there are is counted there.
    #[must_use]
    pub fn counted(figures: Arc<ServerFigures>) -> Self {
        let all = watch::Sender::new(());
        Self { tasks: JoinSet::new(), live: HashMap::new(), all, figures }
    }

    /// Serves one more, which may be cut with what is returned.
    pub fn spawn(
        &mut self,
        client: Arc<Client>,
        connection: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let here = self.all.subscribe();
        let connection = connection.map(|()| drop(here));
        let handle = self.tasks.spawn(client::scope(client.clone(), connection));
        self.live.insert(handle.id(), (handle.clone(), client));
        self.count();
        handle
    }

    /// Joins one that has ended, as [`JoinSet::join_next_with_id`] does.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, ()), JoinError>> {
        let ended = self.tasks.join_next_with_id().await?;
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        self.live.remove(&id);
        self.count();
        Some(ended)
    }

    fn count(&self) {
        self.figures.connections.open.set(self.live.len() as u64);
    }

    /// Waits for something to come on each connection. One on which nothing came
    /// is closed by a stop without a word, with what is on its way.
    pub async fn hear_newcomers_out(&mut self) {
        let is_new = |(handle, client): &(AbortHandle, Arc<Client>)| {
            client.moves() == 0 && !handle.is_finished()
        };
        let wait = async {
            while self.live.values().any(is_new) {
                sleep(LOOK).await;
            }
        };
        // Some connect and do not speak.
        let _ = timeout(FIRST_BYTES, wait).await;
    }

    /// Has no request taken in any more, and waits until those that were are answered.
    pub async fn end_soon(&self) {
        self.live.values().for_each(|(_, client)| client.end_soon());
        self.all.closed().await;
    }

    /// Cuts connections that stand still: half of a request came, or a reader does
    /// not read. Goes on until it is dropped; tells when it cut the first.
    pub async fn cut_those_that_stand_still(&self, cut: &mut bool) {
        let mut before: HashMap<Id, u32> = HashMap::new();
        loop {
            // Nobody has asked for anything there, so there is nothing to finish.
            for (handle, _) in self.live.values().filter(|(_, client)| client.shakes_hands()) {
                handle.abort();
            }
            let waiting = self.live.iter().filter(|(_, (handle, client))| {
                !(client.waits_for_us() || client.shakes_hands() || handle.is_finished())
            });
            let now: HashMap<Id, u32> =
                waiting.map(|(&id, (_, client))| (id, client.moves())).collect();
            for (id, moves) in &now {
                if before.get(id) == Some(moves) {
                    self.live[id].0.abort();
                    *cut = true;
                }
            }
            before = now;
            sleep(STANDSTILL).await;
        }
    }

    /// Cuts all that are left, and joins them.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}
