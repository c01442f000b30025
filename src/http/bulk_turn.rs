//! A turn at taking in the lines of a bulk request. Does not own how turns are
//! dealt out (`turns`), nor the lines (`bulk`).

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout};

use super::body::at_once;
use super::client::{self, Client};
use super::context::Context;
use super::origin::Origin;
use super::pace::Pace;
use super::problem::Problem;
use super::turns::Turn;

/// Bytes read at a time while lines are taken in.
const READ_IN_A_TURN: usize = 64 * 1024;

/// How long a turn is held for more bytes: longer than a sender takes that has
/// them, and short enough that any number of others does not matter.
const TURN_IDLE: Duration = Duration::from_millis(20);

/// How long it lasts while others wait for one, however much comes, and however
/// little.
const TURN: Duration = Duration::from_millis(50);

/// A turn at taking lines in, in which much is read at a time.
pub struct TurnAtLines {
    client: Option<Arc<Client>>,
    begun: Instant,
    turn: Turn,
}

impl TurnAtLines {
    /// Waits for it, for half of `--request-timeout`.
    ///
    /// # Errors
    /// 503 when there was none in time.
    pub async fn take(context: &Context) -> Result<Self, Problem> {
        let client = client::current();
        let origin = client.as_ref().map_or(Origin::of(None), |client| client.sender());
        let deadline = Instant::now() + context.config.request_timeout / 2;
        let turn = context.bulk_turns.take(origin, deadline).await;
        let turn = turn.ok_or_else(|| {
            context.no_bulk_turn.tell();
            Problem::too_many_bulk_requests()
        })?;
        if let Some(client) = &client {
            client.set_read_at_once(READ_IN_A_TURN);
        }
        Ok(Self { client, begun: Instant::now(), turn })
    }

    /// The next piece of the body; none if the turn is over.
    ///
    /// # Errors
    /// 408 when it did not come as it should.
    pub async fn next_piece<S: Stream + Unpin>(
        &self,
        body: &mut S,
        pace: &mut Pace,
    ) -> Result<Option<Option<S::Item>>, Problem> {
        if self.begun.elapsed() >= TURN && self.turn.is_awaited() {
            return Ok(None);
        }
        if let Poll::Ready(next) = at_once(body).await {
            return Ok(Some(next));
        }
        let start = Instant::now();
        let patience = pace.patience();
        let next = timeout(patience.min(TURN_IDLE), body.next()).await;
        let waited = pace.waited_since(start);
        match next {
            Ok(next) => Ok(Some(next)),
            Err(_) if patience <= TURN_IDLE && patience <= waited => Err(Problem::body_too_slow()),
            Err(_) => {
                // What came so far is to be kept first.
                client::tell_current(Client::end_wait);
                Ok(None)
            }
        }
    }
}

impl Drop for TurnAtLines {
    fn drop(&mut self) {
        if let Some(client) = &self.client {
            client.set_read_at_once(client::READ_AT_ONCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::super::turns::Turns;
    use super::*;

    #[tokio::test]
    async fn who_sends_too_little_is_cut_in_a_turn_too() {
        let begun = Instant::now();
        let turn = Turns::new(1).take(Origin::of(None), begun).await.unwrap();
        let turn = TurnAtLines { client: None, begun, turn };
        let mut pace = Pace::new(Duration::from_millis(100), 1024);
        let trickle = stream::repeat(()).then(|()| tokio::time::sleep(TURN_IDLE / 4));
        let mut body = Box::pin(trickle);
        let mut pieces = 0;
        while turn.next_piece(&mut body, &mut pace).await.is_ok() {
            pieces += 1;
            pace.receive(1);
            assert!(pieces < 1000, "it goes on and on");
        }
        assert!(pieces > 0);
    }
}
