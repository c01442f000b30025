//! Equal pages that are asked for at the same moment are made once, and none shows
//! less than was there when it was asked for, unless whoever asks allows it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::Value;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::support::fleet::{TestFleet, deadline, parse, shape};
use crate::support::messages::{explode, launch_as, speed_up};
use crate::support::service::{config, wide};
use crate::support::{Request, Service};
use downlink::fleet::workers::Shape;
use downlink::http::context::Context;
use downlink::http::kept::{Finished, Key};
use downlink::http::listing::Listing;
use downlink::http::rockets;
use downlink::journal::memory::MemoryJournal;
use downlink::telemetry::tally::Count;
use warp::http::HeaderMap;
use warp::http::header::{AGE, CACHE_CONTROL};
use warp::reply::Response;

/// Thirty slices of a walk.
const ROCKETS: i64 = 30 * 1024;

const FASTEST: &str = "sort=speed&order=desc&limit=3";

struct Shared {
    fleet: TestFleet,
    context: Arc<Context>,
}

impl Shared {
    async fn start(rockets: i64) -> Self {
        let shape = Shape { workers: 1, limits: wide(), ..shape() };
        let fleet = TestFleet::start(shape, Arc::new(MemoryJournal::default()));
        let context = Context::new(fleet.fleet.clone(), config(|_| {}).http);
        let shared = Self { fleet, context };
        for n in 0..rockets {
            shared.post(launch_as(&n.to_string(), "T", n, "M")).await;
        }
        shared
    }

    async fn post(&self, message: Value) {
        let submitted = self.fleet.fleet.submit(parse(&message), sleep_until(deadline()));
        submitted.await.unwrap();
    }

    fn ask(&self, parameters: &str, headers: HeaderMap) -> impl Future<Output = Response> + use<> {
        let parameters = parameters.to_owned();
        let asked = rockets::list(self.context.clone(), headers, parameters.clone());
        async move { asked.await.unwrap_or_else(|_| panic!("{parameters} is refused")) }
    }

    /// How often the fleet was asked, somebody else's question was joined, and a page
    /// was there.
    fn counts(&self) -> [u64; 3] {
        let pages = &self.context.figures.pages;
        [&pages.asked, &pages.joined, &pages.kept].map(Count::get)
    }

    async fn stop(self) {
        drop(self.context);
        self.fleet.stop().await;
    }
}

fn at_most(seconds: u64) -> HeaderMap {
    [(CACHE_CONTROL, format!("max-age={seconds}").parse().unwrap())].into_iter().collect()
}

async fn begin<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

async fn speeds(response: Response) -> Vec<i64> {
    let rockets: Vec<Value> = serde_json::from_str(&text(response).await).unwrap();
    rockets.iter().map(|rocket| rocket["speed"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn equal_pages_are_made_once_for_all_who_ask() {
    let shared = Shared::start(ROCKETS).await;
    // The same, however it is written.
    let asked = (0..20).map(|n| {
        let parameters = ["order=DESC&limit=%33&sort=speed", FASTEST][n % 2];
        shared.ask(parameters, HeaderMap::new())
    });
    for response in futures_util::future::join_all(asked).await {
        assert_eq!(response.headers().get(AGE), None);
        assert_eq!(speeds(response).await, [ROCKETS - 1, ROCKETS - 2, ROCKETS - 3]);
    }
    // The first began at once, so that the others could not join it.
    assert_eq!(shared.counts(), [2, 18, 0]);
    // What is not the same is not shared.
    let others =
        ["limit=4", "status=launched&limit=3", "id_prefix=1&limit=3", "waiting=false&limit=3"];
    let asked = others.map(|others| format!("sort=speed&order=desc&{others}"));
    let asked = asked.iter().map(|asked| shared.ask(asked, HeaderMap::new()));
    futures_util::future::join_all(asked).await;
    assert_eq!(shared.counts(), [6, 18, 0]);
    shared.stop().await;
}

#[tokio::test]
async fn what_is_acknowledged_is_shown_to_who_asks_then() {
    let shared = Shared::start(ROCKETS).await;
    let mut under_way = pin!(shared.ask(FASTEST, HeaderMap::new()));
    // The rocket in the first slot was visited by now, and most were not.
    for _ in 0..8 {
        assert!(begin(under_way.as_mut()).await.is_none());
        yield_now().await;
    }
    let speed = 10 * ROCKETS;
    shared.post(speed_up("0", 2, speed)).await;
    let mut after = pin!(shared.ask(FASTEST, HeaderMap::new()));
    assert!(begin(after.as_mut()).await.is_none());
    assert!(begin(under_way.as_mut()).await.is_none(), "else there was nothing to join");
    let (under_way, after) = futures_util::future::join(under_way, after).await;
    assert_eq!(speeds(under_way).await[0], ROCKETS - 1);
    assert_eq!(speeds(after).await[0], speed);
    assert_eq!(shared.counts(), [2, 0, 0]);
    shared.stop().await;
}

#[tokio::test]
async fn an_old_page_is_made_anew_behind_its_readers() {
    let shared = Shared::start(10).await;
    let selection = Listing::parse(FASTEST).unwrap_or_else(|_| unreachable!()).selection;
    let key = Key { selection, prefix: "[".to_owned() };
    let seconds = Duration::from_secs;
    let begun = Instant::now().checked_sub(seconds(40)).unwrap();
    let old = Finished { json: "old".into(), total: 7, next: None, version: 0, begun };
    shared.context.pages_kept.keep(key, 0, Arc::new(old));
    let asked = (0..5).map(|_| shared.ask(FASTEST, at_most(60)));
    for response in futures_util::future::join_all(asked).await {
        assert_eq!(response.headers()[AGE], "40");
        assert_eq!(response.headers()["x-total-count"], "7");
        assert_eq!(text(response).await, "old");
    }
    while shared.counts()[0] == 0 {
        yield_now().await;
    }
    // Whoever allows nothing, or less, is not shown the old one, and it is shown no
    // more.
    assert_eq!(speeds(shared.ask(FASTEST, at_most(60)).await).await, [9, 8, 7]);
    assert_eq!(shared.counts(), [1, 0, 6]);
    assert_eq!(speeds(shared.ask(FASTEST, at_most(0)).await).await, [9, 8, 7]);
    assert_eq!(shared.counts(), [2, 0, 6]);
    shared.stop().await;
}

#[tokio::test]
async fn a_page_is_made_anew_for_those_who_ask_in_step() {
    let shared = Shared::start(10).await;
    let ask = || shared.ask(FASTEST, at_most(1));
    assert_eq!(speeds(ask().await).await, [9, 8, 7]);
    shared.post(speed_up("0", 2, 100)).await;
    // All at the same moment, and nobody in between: it is followed from now on.
    let answers = futures_util::future::join_all((0..5).map(|_| ask())).await;
    assert!(answers.iter().all(|answer| answer.headers().contains_key(AGE)));
    assert_eq!(shared.counts()[0], 1);
    while shared.counts()[0] < 2 {
        yield_now().await;
    }
    let answer = ask().await;
    assert_eq!(answer.headers()[AGE], "0");
    assert_eq!(speeds(answer).await[0], 100);
    // Nothing changes any more, and nobody asks.
    assert_eq!(shared.counts()[0], 2);
    shared.stop().await;
}

#[test]
fn a_page_may_be_as_old_as_its_reader_says_and_is_tagged_as_what_it_is() {
    let service = Service::start();
    service.post(&[launch_as("a", "T", 1, "M"), launch_as("b", "T", 2, "M")]);
    let target = "/missions/m?sort=speed&limit=1";
    let aged = |tag: &str| {
        let request = Request::get(target).header("cache-control", "max-age=60");
        service.send(&request.header("if-none-match", tag))
    };
    let first = aged("\"none\"");
    assert_eq!((first.status, first.header("age")), (200, None));
    // Nothing has changed: it is as new as it could be.
    assert_eq!(aged("\"none\"").header("age"), Some("0"));
    service.post(&[explode("a", 2, "BANG")]);
    let kept = aged("\"none\"");
    assert!(kept.header("age").is_some());
    for name in ["etag", "x-total-count", "link", "content-type", "cache-control", "vary"] {
        assert_eq!(kept.header(name), first.header(name), "{name}");
    }
    assert_eq!(kept.text(), first.text());
    let old = first.header("etag").unwrap();
    let unchanged = aged(old);
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some(old)));
    assert!(unchanged.header("age").is_some());
    // Who does not say so gets what there is, whoever kept what.
    let new = service.send(&Request::get(target).header("if-none-match", old));
    assert_eq!((new.status, new.header("age")), (200, None));
    assert!(new.text().contains("BANG") && new.header("etag") != Some(old));
    for stricter in ["max-age=0", "no-cache", "max-age=60, no-cache"] {
        let strict = service.send(&Request::get(target).header("cache-control", stricter));
        assert_eq!((strict.text(), strict.header("age")), (new.text(), None), "{stricter}");
    }
    // Who has what is there now is told so, though an older one is kept.
    assert_eq!(aged(new.header("etag").unwrap()).status, 304);
    let whole = Request::get("/rockets?sort=speed").header("cache-control", "max-age=60");
    for _ in 0..2 {
        assert_eq!(service.send(&whole).header("age"), None);
    }
    let get = |path: &str| service.send(&Request::get(path).header("cache-control", "max-age=60"));
    assert_eq!(get("/rockets?limit=1&sort=colour").status, 400);
    assert_eq!(get("/missions/n?limit=1").status, 404);
}
