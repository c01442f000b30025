//! When every thread that may block is taken, whoever needs one is answered all the
//! same, and in time.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use warp::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use warp::http::{HeaderMap, HeaderValue};
use warp::reply::Response;

use crate::support::fleet::{TestFleet, deadline, parse, shape};
use crate::support::messages::launch;
use crate::support::service::config;
use downlink::http::codings::Coding;
use downlink::http::context::Context;
use downlink::http::post_headers::PostHeaders;
use downlink::http::problem::Problem;
use downlink::http::{compression, messages, metrics, rockets};
use downlink::journal::memory::MemoryJournal;

/// Enough that a thread writes them, and few enough that they are not streamed.
const ROCKETS: usize = 200;

fn status(result: Result<Response, Problem>) -> u16 {
    result.unwrap_or_else(Problem::into_response).status().as_u16()
}

#[test]
fn reads_and_requests_of_many_messages_are_answered_by_their_deadline() {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.unwrap().block_on(async {
        let fleet = TestFleet::start(shape(), Arc::new(MemoryJournal::default()));
        for n in 0..ROCKETS {
            let message = parse(&launch(&n.to_string()));
            fleet.fleet.submit(message, sleep_until(deadline())).await.unwrap();
        }
        let config = config(|config| {
            config.http.request_timeout = Duration::from_millis(200);
            config.http.max_body = 2 << 20;
        });
        let context = Context::new(fleet.fleet.clone(), config.http);
        let list = async |parameters: &str| {
            let headers = HeaderMap::new();
            status(rockets::list(context.clone(), headers, parameters.to_owned()).await)
        };
        let figures = async || {
            let deadline = Instant::now() + Duration::from_millis(200);
            status(metrics::get(context.metrics.clone(), HeaderMap::new(), "", deadline).await)
        };
        let many = async || {
            let lines = HeaderValue::from_static("application/x-ndjson");
            let headers: HeaderMap = [(CONTENT_TYPE, lines)].into_iter().collect();
            let lines: String =
                (0..ROCKETS).map(|n| format!("{}\n", launch(&n.to_string()))).collect();
            let body = stream::iter([Ok::<_, warp::Error>(Bytes::from(lines))]);
            let headers = PostHeaders::of(&headers);
            status(messages::post(&context, headers, Instant::now(), body).await)
        };
        // Nothing, and then a message: far more pieces than fit into the time for a
        // body, if to wait for a thread counted as its sender's.
        let encoded = async |media: &'static str| {
            let mut text = " ".repeat(1 << 20);
            text.push_str(&launch("encoded").to_string());
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.write_all(text.as_bytes()).unwrap();
            let bytes = Bytes::from(encoder.finish().unwrap());
            let headers = [(CONTENT_TYPE, media), (CONTENT_ENCODING, "zstd")];
            let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
            let headers = PostHeaders::of(&headers.into_iter().collect());
            let body = stream::iter([Ok::<_, warp::Error>(bytes)]);
            status(messages::post(&context, headers, Instant::now(), body).await)
        };
        let plain = "What they read is long. ".repeat(10_000);
        let compressed = async |coding| {
            let answer = Response::new(plain.clone().into());
            let answer = compression::answer(Some(coding), &context.answers_held, answer);
            assert!(answer.headers().contains_key(CONTENT_ENCODING));
            answer.into_body().collect().await.unwrap().to_bytes()
        };
        let all = ["", "limit=300", "sort=speed", "limit=300&sort=speed"];
        let (free, taken) = mpsc::channel::<()>();
        let held = spawn_blocking(move || taken.recv());
        for parameters in all {
            assert_eq!(list(parameters).await, 503, "{parameters}");
        }
        assert_eq!((figures().await, many().await), (503, 503));
        // What takes none goes on, and so does what can do without.
        assert_eq!(encoded("application/json").await, 204);
        assert_eq!(encoded("application/x-ndjson").await, 503);
        let bytes = compressed(Coding::Gzip).await;
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        assert!(text == plain, "{} bytes", text.len());
        let bytes = compressed(Coding::Zstd).await;
        assert!(zstd::decode_all(&bytes[..]).unwrap() == plain.as_bytes());
        assert_eq!(list("limit=10&sort=speed").await, 200);
        drop(free);
        held.await.unwrap().unwrap_err();
        for parameters in all {
            assert_eq!(list(parameters).await, 200, "{parameters}");
        }
        assert_eq!((figures().await, many().await), (200, 200));
        drop(context);
        fleet.stop().await;
    });
}
