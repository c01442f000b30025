//! Targets of reads. An input is a path with its query string, of `/rockets`,
//! `/missions` and what is below them, given to their handlers.
//!
//! It is answered with 200, 304, 400 or 404, and a complaint is short. A listing
//! with a limit gives, page by page along its links, what the same listing
//! without one gives at once, and in the order that was asked for.

use std::sync::Arc;

use downlink::http::listing::Listing;
use downlink::http::routes::{self, Endpoint, Side};
use downlink::http::{missions, rockets};
use downlink::telemetry::wire;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use warp::http::{HeaderMap, Method};

use super::fleet::{Answer, TestFleet};
use super::{Kind, Target, Way, ensure};

pub const KIND: Kind = Kind {
    name: "queries",
    about: "paths and query strings: answered or refused, and pages that make up the whole",
    words: &[
        "?",
        "&",
        "=",
        "%",
        "%2F",
        "%ff",
        "%00",
        "%F0%9F%9A%80",
        "+",
        "/",
        "/rockets",
        "/missions",
        "sort=",
        "order=",
        "limit=",
        "cursor=",
        "id=",
        "id_prefix=",
        "waiting=true",
        "mission=",
        "rocket_type=",
        "status=",
        "launch_time",
        "speed",
        "last_update_time",
        "last_message_number",
        "buffered_messages",
        "explosion_reason",
        "asc",
        "desc",
        "Launched",
        "Exploded",
        "ARTEMIS",
        "artemis",
        "straße",
        "STRASSE",
        "limit=1",
        "limit=3&sort=speed",
    ],
    most: 2 * 1024,
    make: || Box::new(Queries(start())),
};

const ROCKETS: u64 = 40;

/// Of any answer that is a complaint.
const LONGEST: usize = 1500;

struct Queries(TestFleet);

fn start() -> TestFleet {
    let fleet = TestFleet::start("queries", &[]);
    let send = |message: Value| {
        let message = wire::parse(message.to_string().as_bytes()).unwrap();
        let deadline = Instant::now() + std::time::Duration::from_secs(60);
        let submitted = async { fleet.fleet.submit(message, sleep_until(deadline)).await };
        fleet.runtime.block_on(submitted).unwrap();
    };
    for rocket in 0..ROCKETS {
        let message = |number: u64, kind: &str, body: Value| {
            json!({
                "metadata": {
                    "channel": format!("r{rocket}"), "messageNumber": number, "messageType": kind,
                    "messageTime": format!("2022-02-02T12:00:{:02}Z", rocket * 7 % 11),
                },
                "message": body,
            })
        };
        let mission = ["ARTEMIS", "straße", "a/b ?", "x"][usize::try_from(rocket % 4).unwrap()];
        send(message(
            1,
            "RocketLaunched",
            json!({"type": "T", "launchSpeed": rocket % 5, "mission": mission}),
        ));
        if rocket % 3 == 0 {
            send(message(2, "RocketExploded", json!({"reason": mission})));
        }
        if rocket % 5 == 0 {
            send(message(9, "RocketSpeedIncreased", json!({"by": 1})));
        }
    }
    fleet
}

impl Queries {
    fn get(&self, path: &str, query: &str) -> Option<(Endpoint, Answer)> {
        let context = self.0.context.clone();
        let found = routes::find(Side::Only, &Method::GET, path).ok()?;
        let (headers, segment) = (HeaderMap::new(), found.segment);
        let answer = self.0.answer(async {
            match found.endpoint {
                Endpoint::ListRockets => rockets::list(context, headers, query.to_owned()).await,
                Endpoint::GetRocket => rockets::get(context, segment, headers, query).await,
                Endpoint::ListMissions => missions::list(context, headers, query).await,
                Endpoint::GetMission => {
                    missions::get(context, segment, headers, query.to_owned()).await
                }
                _ => Ok(warp::reply::Response::default()),
            }
        });
        Some((found.endpoint, answer))
    }

    /// Goes along the links; all rockets on the way.
    fn pages(&self, path: &str, mut answer: Answer) -> Result<Vec<Value>, String> {
        let mut all = Vec::new();
        for _ in 0..=ROCKETS {
            all.extend(rockets_in(&answer)?);
            let Some(link) = answer.headers.get("link") else { return Ok(all) };
            let link = link.to_str().map_err(|error| error.to_string())?;
            let query = link.strip_prefix("<?").and_then(|link| link.split_once('>'));
            let (query, _) = query.ok_or_else(|| format!("a link that leads nowhere: {link}"))?;
            let (_, next) = self.get(path, query).ok_or("no such path")?;
            ensure!(next.status == 200, "a link led to {}: {query}", next.status);
            answer = next;
        }
        Err("the pages never end".to_owned())
    }
}

fn rockets_in(answer: &Answer) -> Result<Vec<Value>, String> {
    let body: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    let array = if body.is_array() { &body } else { &body["rockets"] };
    array.as_array().cloned().ok_or_else(|| format!("no rockets in {body}"))
}

impl Target for Queries {
    fn attempt(&mut self, input: &[u8]) -> Result<Way, String> {
        let text = String::from_utf8_lossy(input);
        let (path, query) = text.split_once('?').unwrap_or((&*text, ""));
        let Some((endpoint, answer)) = self.get(path, query) else {
            return Ok("no path".to_owned());
        };
        let body = String::from_utf8_lossy(&answer.body);
        let status = answer.status;
        ensure!([200, 400, 404].contains(&status), "{status}: {body}");
        if status != 200 {
            ensure!(body.len() <= LONGEST, "a complaint of {} bytes", body.len());
            let detail = body.split("\"detail\":\"").nth(1).unwrap_or_default();
            let words: String = detail
                .split(": ")
                .nth(1)
                .unwrap_or_default()
                .chars()
                .take_while(|it| it.is_ascii_lowercase() || *it == ' ')
                .collect();
            return Ok(format!("{endpoint:?} {status} {words}"));
        }
        let is_listing = matches!(endpoint, Endpoint::ListRockets | Endpoint::GetMission);
        let listing = Listing::parse(query).ok().filter(|_| is_listing);
        let Some(listing) = listing else { return Ok(format!("{endpoint:?}")) };
        let selection = &listing.selection;
        let Some(limit) = selection.limit else {
            return Ok(format!("{endpoint:?} whole {:?}", selection.sort));
        };
        let page = rockets_in(&answer)?;
        ensure!(page.len() <= limit, "{} rockets of at most {limit}", page.len());
        let pages = self.pages(path, answer)?;
        if selection.after.is_none() {
            let whole: Vec<_> = form_urlencoded::parse(query.as_bytes())
                .filter(|(name, _)| name != "limit")
                .collect();
            let whole =
                form_urlencoded::Serializer::new(String::new()).extend_pairs(whole).finish();
            let (_, whole) = self.get(path, &whole).ok_or("no such path")?;
            let whole = rockets_in(&whole)?;
            ensure!(pages == whole, "pages have {pages:?}, and the whole {whole:?}");
        }
        let filter = Arc::new(selection.filter.is_empty());
        Ok(format!(
            "{endpoint:?} pages {:?} {filter} {}",
            selection.sort,
            selection.after.is_some()
        ))
    }
}
