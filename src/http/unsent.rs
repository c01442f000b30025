//! What answers hold that their readers have not taken yet: one bound for all of
//! them together. Does not own what is in them, nor how long a reader may take
//! nothing (`socket`).

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::Body;
use sync_wrapper::SyncStream;
use warp::http::HeaderValue;
use warp::http::header::CONTENT_LENGTH;
use warp::reply::{Reply, Response};

use super::context::Context;
use super::held::Share;
use super::problem::Problem;

/// Smaller answers are not counted: a connection's buffers hold as much.
const SMALL: u64 = 64 * 1024;

/// Given to the connection at a time. It copies what it is given, so the rest is
/// counted until the last piece is taken.
const PIECE: usize = 32 * 1024;

/// What a streamed answer is counted as: its pieces, wherever they are.
const STREAMED: usize = 256 * 1024;

/// Counts a large answer as held until it is sent, or given up.
///
/// # Errors
/// 503 when all answers together would hold too much; this one is dropped.
pub async fn bounded(context: &Context, answer: Response) -> Result<Response, Problem> {
    let length = answer.body().size_hint().exact();
    if length.is_some_and(|length| length < SMALL) {
        return Ok(answer);
    }
    let bytes = length.map_or(STREAMED, |length| usize::try_from(length).unwrap_or(usize::MAX));
    let share = context.answers_held.hold(bytes).map_err(|_| Problem::too_many_bytes_unsent())?;
    let (mut head, body) = answer.into_parts();
    let mut answer = if let Some(length) = length {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        // It is there already, as a whole.
        let collected = body.collect().await.map_err(Problem::answer_broken)?;
        let pieces = stream::unfold((collected.to_bytes(), share), |(rest, share)| async {
            next_piece(rest, share)
        });
        warp::reply::stream(SyncStream::new(pieces)).into_response()
    } else {
        let pieces = body.into_data_stream();
        let counted = stream::unfold((pieces, share), |(mut pieces, share)| async {
            pieces.next().await.map(|piece| (piece, (pieces, share)))
        });
        warp::reply::stream(SyncStream::new(counted)).into_response()
    };
    *answer.status_mut() = head.status;
    *answer.headers_mut() = head.headers;
    Ok(answer)
}

type Piece = Result<Bytes, Infallible>;

fn next_piece(mut rest: Bytes, share: Share) -> Option<(Piece, (Bytes, Share))> {
    let length = rest.len().min(PIECE);
    (length > 0).then(|| (Ok(rest.split_to(length)), (rest, share)))
}
