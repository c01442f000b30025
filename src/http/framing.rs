//! Where a request ends, if another reader might say otherwise. Owns which
//! requests are refused for that, and which are the last on their connection.
//! Does not own the parsing of heads and chunks, which is hyper's, nor the close
//! (`unread`).
//!
//! A proxy in front that sees the end of a request elsewhere than we do lets
//! clients hide a second request in the first, past its rules. hyper refuses most
//! of what makes that possible; this is the rest:
//!
//! * It takes any list of transfer codings that ends with `chunked`. Only
//!   `chunked` alone is taken here, which is all that anybody sends.
//! * It takes a line feed alone for the end of a line in trailers, and then looks
//!   for the end of all trailers behind the end that it just saw, which may be in
//!   the next request. So a request with trailers is the last on its connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::{Method, Request};
use warp::http::HeaderMap;
use warp::http::header::TRANSFER_ENCODING;

use super::client::{self, Client};
use super::media::parts;
use super::problem::Problem;

/// Why a request is not served, whatever it asks for.
#[must_use]
pub fn refused(request: &Request<Incoming>) -> Option<Problem> {
    // As in `CONNECT x:80` or `GET localhost`; warp panics on it. What follows a
    // CONNECT is no request to those who know it.
    if request.uri().path_and_query().is_none() || request.method() == Method::CONNECT {
        return Some(Problem::no_path());
    }
    // Only what comes in chunks has no length.
    if request.body().size_hint().exact().is_some() { None } else { coding(request.headers()) }
}

/// What is wrong with the transfer coding of a request that comes in chunks.
fn coding(headers: &HeaderMap) -> Option<Problem> {
    let (mut chunked, mut empty) = (0, 0);
    for line in headers.get_all(TRANSFER_ENCODING) {
        for coding in parts(line.as_bytes(), b',') {
            if coding.eq_ignore_ascii_case(b"chunked") {
                chunked += 1;
            } else if coding.is_empty() {
                empty += 1;
            } else {
                return Some(Problem::unknown_transfer_coding());
            }
        }
    }
    ((chunked, empty) != (1, 0)).then(Problem::doubtful_transfer_coding)
}

/// A request's body, which tells the connection's client how it ended. Also a
/// stream of what is in it.
#[derive(Debug)]
pub struct Body(pub Incoming);

impl Stream for Body {
    type Item = Result<Bytes, hyper::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Option<Self::Item>> {
        // All of a body whose length was told is there: then nothing follows it, and
        // to ask would cost more than this.
        if self.0.is_end_stream() {
            return Poll::Ready(None);
        }
        loop {
            let frame = ready!(self.as_mut().poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => return Poll::Ready(Some(Ok(data))),
                // Trailers, which say nothing that matters.
                Some(Ok(Err(_))) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.0).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && frame.is_trailers()
        {
            client::tell_current(Client::end_with_trailers);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(lines: &[&'static str]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRANSFER_ENCODING, line.parse().unwrap());
        }
        coding(&headers).map(|problem| problem.into_response().status().as_u16())
    }

    #[test]
    fn only_chunked_alone_is_taken() {
        for chunked in ["chunked", "Chunked", " chunked\t"] {
            assert_eq!(status(&[chunked]), None, "{chunked}");
        }
        for unknown in
            ["gzip, chunked", "identity,chunked", "chunked;q=1, chunked", "x", "\"chunked\""]
        {
            assert_eq!(status(&[unknown]), Some(501), "{unknown}");
        }
        for doubtful in ["chunked, chunked", ",chunked", "chunked,", ""] {
            assert_eq!(status(&[doubtful]), Some(400), "{doubtful}");
        }
        assert_eq!(status(&["chunked", "chunked"]), Some(400));
        assert_eq!(status(&["gzip", "chunked"]), Some(501));
    }
}
