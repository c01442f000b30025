//! Answers to requests whose body was not read to its end: 404, 405, 413, 415,
//! 503 and any other that is known early. One way for all routes.
//!
//! What is left of a small body is read first, so that the connection can be
//! used again. Otherwise the answer closes it: `Connection: close`, so that the
//! next request is never taken for the rest of a body; the client gets to see
//! the answer however much it still sends (`socket`).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use http_body_util::BodyDataStream;
use hyper::Request;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use warp::http::header::CONNECTION;
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use super::body::at_once;
use super::client::{self, Client};
use super::post_headers::PostHeaders;

/// Most bytes that are left of a body, and the time for them to come, in all and
/// while nothing comes, that are waited for so that the connection can be used
/// again.
const MAX_AWAITED: usize = 1 << 20;
const AWAITED_TIME: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_millis(500);

/// A request's body, and how far it was read. Tells the client while it is waited
/// for.
#[derive(Debug)]
pub struct Tracked<S> {
    body: S,
    progress: Progress,
    /// What came next was not there when it was asked for.
    waits: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Who waits to be told to go on has not been.
    Untouched,
    Begun,
    Ended,
}

impl<S: Stream + Unpin> Tracked<S> {
    /// Of a body that nobody has read from.
    pub fn new(body: S) -> Self {
        Self { body, progress: Progress::Untouched, waits: false }
    }
}

impl<S: Stream + Unpin> Stream for Tracked<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.body).poll_next(context);
        let ended = matches!(next, Poll::Ready(None));
        self.progress = if ended { Progress::Ended } else { Progress::Begun };
        // Most bodies are there, and nothing needs to be told.
        if next.is_pending() {
            self.waits = true;
            client::tell_current(Client::begin_wait);
        } else if std::mem::take(&mut self.waits) {
            client::tell_current(Client::end_wait);
        }
        next
    }
}

/// Makes sure of what comes after an answer: the next request, or the end.
pub async fn settle<B, E>(
    answer: Response,
    headers: PostHeaders,
    body: &mut Tracked<impl Stream<Item = Result<B, E>> + Unpin>,
) -> Response
where
    B: bytes::Buf,
{
    let mut keeps = body.progress == Progress::Ended;
    if !keeps {
        // Boxed, for there is mostly nothing left.
        keeps = Box::pin(may_go_on(&answer, headers, body)).await;
    }
    client::tell_current(|client| {
        client.answer();
        // See `framing`.
        keeps &= !client.sent_trailers();
    });
    if keeps { answer } else { close(answer) }
}

/// The answer to a request that goes to no handler.
pub async fn refuse(request: Request<Incoming>, answer: Response) -> Response {
    let headers = PostHeaders::of(request.headers());
    let mut body = Tracked::new(BodyDataStream::new(request.into_body()));
    settle(answer, headers, &mut body).await
}

/// An answer after which the connection is closed, whatever the client sends.
#[must_use]
pub fn close(mut answer: Response) -> Response {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    client::tell_current(Client::leave_unread);
    answer
}

/// Reads what is left of a body if that is little. Whether it is at its end.
async fn may_go_on<B, E>(
    answer: &Response,
    headers: PostHeaders,
    body: &mut Tracked<impl Stream<Item = Result<B, E>> + Unpin>,
) -> bool
where
    B: bytes::Buf,
{
    let unasked = headers.asks_first && body.progress == Progress::Untouched;
    let hopeless = headers.announced_length > MAX_AWAITED as u64
        || answer.status() == StatusCode::REQUEST_TIMEOUT;
    if unasked || hopeless {
        return false;
    }
    let end = Instant::now() + AWAITED_TIME;
    let mut left = MAX_AWAITED;
    loop {
        let next = match at_once(body).await {
            Poll::Ready(next) => next,
            Poll::Pending => {
                let silence = (Instant::now() + SILENCE).min(end);
                let Ok(next) = timeout_at(silence, body.next()).await else { return false };
                next
            }
        };
        let Some(Ok(piece)) = next else { return body.progress == Progress::Ended };
        match left.checked_sub(piece.remaining()) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
}
