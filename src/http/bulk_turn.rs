//! A turn at taking in the lines of a bulk request. Does not own how turns are
//! dealt out (`turns`), nor the lines (`bulk`).

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout};

use super::client::{self, Client, Origin};
use super::context::Context;
use super::problem::Problem;
use super::turns::Turn;

/// Bytes read at a time while lines are taken in.
const READ_IN_A_TURN: usize = 64 * 1024;

/// How long a turn is held for more bytes: longer than a sender takes that has
/// them, and short enough that any number of others does not matter.
const TURN_IDLE: Duration = Duration::from_millis(20);

/// The next piece while a turn is held; none if it does not come soon.
pub async fn soon<S: Stream + Unpin>(body: &mut S) -> Option<Option<S::Item>> {
    let next = timeout(TURN_IDLE, body.next()).await.ok();
    if next.is_none() {
        // What came so far is to be kept first.
        client::tell_current(Client::end_wait);
    }
    next
}

/// A turn at taking lines in, in which much is read at a time.
pub struct TurnAtLines {
    client: Option<Arc<Client>>,
    _turn: Turn,
}

impl TurnAtLines {
    /// Waits for it, for half of `--request-timeout`.
    ///
    /// # Errors
    /// 503 when there was none in time.
    pub async fn take(context: &Context) -> Result<Self, Problem> {
        let client = client::current();
        let origin = client.as_ref().map_or(Origin::of(None), |client| client.origin());
        let deadline = Instant::now() + context.config.request_timeout / 2;
        let turn = context.bulk_turns.take(origin, deadline).await;
        let turn = turn.ok_or_else(|| {
            context.no_bulk_turn.tell();
            Problem::too_many_bulk_requests()
        })?;
        if let Some(client) = &client {
            client.set_read_at_once(READ_IN_A_TURN);
        }
        Ok(Self { client, _turn: turn })
    }
}

impl Drop for TurnAtLines {
    fn drop(&mut self) {
        if let Some(client) = &self.client {
            client.set_read_at_once(client::READ_AT_ONCE);
        }
    }
}
