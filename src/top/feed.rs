//! Owns reading the feed of events, and opening it again when it ends. Does not own
//! what comes of the events (`model`).

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};

use super::client::{Service, Trouble};
use super::model::{Feed, Rocket, Update};

/// Only what is shown: explosions, and the figures that come in any case. The table
/// is asked for by itself.
const EVENTS: &str = "/events?status=Exploded";
const LAST_EXPLOSIONS: &str = "/rockets?status=Exploded&sort=last_update_time&order=desc&limit=20";
/// Figures come once a second. Without any for so long, nobody is there.
const SILENCE: Duration = Duration::from_secs(5);
/// An event is one rocket at most, and texts are 256 bytes.
const LONGEST_EVENT: usize = 256 << 10;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Reads the feed until nobody takes what comes of it.
pub async fn read(service: Service, updates: Sender<Update>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut heard = false;
        let Some(trouble) = follow(&service, &updates, &mut heard).await else { return };
        if heard {
            pause = FIRST_PAUSE;
        }
        let mut after = jittered(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
        let feed = if trouble.status() == Some(StatusCode::NOT_FOUND) {
            after = LONGEST_PAUSE;
            // Then there is this at least.
            if last_explosions(&service, &updates).await.is_none() {
                return;
            }
            Feed::Absent
        } else {
            if let Trouble::Answered { retry_after: Some(asked), .. } = &trouble {
                after = after.max(*asked).min(LONGEST_PAUSE);
            }
            Feed::Lost { why: trouble.to_string(), again: Instant::now() + after }
        };
        if updates.send(Update::Feed(feed)).await.is_err() {
            return;
        }
        sleep(after).await;
        if updates.send(Update::Feed(Feed::Connecting)).await.is_err() {
            return;
        }
    }
}

/// From half of a pause to all of it, so that those who lost a service together do
/// not come back together.
fn jittered(pause: Duration) -> Duration {
    let share = RandomState::new().hash_one(0_u8) as f64 / u64::MAX as f64;
    pause.mul_f64(share.mul_add(0.5, 0.5))
}

/// Reads one connection to its end, and tells how it ended; nothing when nobody
/// takes what comes of it.
async fn follow(service: &Service, updates: &Sender<Update>, heard: &mut bool) -> Option<Trouble> {
    let mut body = match service.ask(EVENTS, "application/x-ndjson").await {
        Ok(response) => response.into_body(),
        Err(trouble) => return Some(trouble),
    };
    // Behind the feed's beginning, so that none is missed between the two.
    last_explosions(service, updates).await?;
    let mut begun = Vec::new();
    loop {
        let event = match next_line(&mut body, &mut begun).await {
            Ok(line) => line,
            Err(trouble) => return Some(trouble),
        };
        match parse(&event) {
            Ok(Event::Update(update)) => {
                *heard = true;
                updates.send(update).await.ok()?;
            }
            Ok(Event::Other) => {}
            Ok(Event::Bye(reason)) => return Some(Trouble::Goodbye(reason)),
            Err(error) => return Some(Trouble::Unreadable(error.to_string())),
        }
    }
}

/// Lists them, if they can be had; nothing when nobody takes them.
async fn last_explosions(service: &Service, updates: &Sender<Update>) -> Option<()> {
    if let Ok((rockets, _)) = service.list::<Rocket>(LAST_EXPLOSIONS).await {
        updates.send(Update::Explosions(rockets)).await.ok()?;
    }
    Some(())
}

/// The next line, of which the beginning may have come with the one before.
async fn next_line(body: &mut Incoming, begun: &mut Vec<u8>) -> Result<Vec<u8>, Trouble> {
    loop {
        if let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
            let rest = begun.split_off(end + 1);
            let mut line = std::mem::replace(begun, rest);
            line.pop();
            return Ok(line);
        }
        if begun.len() > LONGEST_EVENT {
            return Err(Trouble::Unreadable("an event without end".to_owned()));
        }
        match timeout(SILENCE, body.frame()).await {
            Ok(Some(Ok(frame))) => begun.extend(frame.into_data().unwrap_or_default()),
            Ok(None | Some(Err(_))) => return Err(Trouble::Closed),
            Err(_) => return Err(Trouble::TimedOut),
        }
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    event: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Hello {
    #[serde(default)]
    build: String,
}

#[derive(Deserialize)]
struct Bye {
    #[serde(default)]
    reason: String,
}

enum Event {
    Update(Update),
    /// Nothing that is shown.
    Other,
    Bye(String),
}

fn parse(line: &[u8]) -> serde_json::Result<Event> {
    if line.trim_ascii().is_empty() {
        return Ok(Event::Other);
    }
    let Line { event, data } = serde_json::from_slice(line)?;
    let data = data.get();
    Ok(match event {
        "hello" => {
            let Hello { build } = serde_json::from_str(data)?;
            Event::Update(Update::Feed(Feed::Live { build }))
        }
        "stats" => Event::Update(Update::Stats(serde_json::from_str(data)?)),
        "explosion" => Event::Update(Update::Explosion(serde_json::from_str(data)?)),
        "bye" => {
            let Bye { reason } = serde_json::from_str(data)?;
            Event::Bye(reason)
        }
        _ => Event::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_those_of_later_services_are_passed_over() {
        let parsed = |line: &str| parse(line.as_bytes()).unwrap();
        let hello = parsed(r#"{"event":"hello","id":"x","data":{"epoch":"e","build":"0.1.0"}}"#);
        let Event::Update(Update::Feed(Feed::Live { build })) = hello else { panic!("no hello") };
        assert_eq!(build, "0.1.0");
        let stats = r#"{"event":"stats","id":"1","data":{"time":"2026-11-28T20:00:00Z",
            "messages_per_second":{"applied":1.5,"buffered":0,"duplicate":0},
            "rockets":{"launched":2,"exploded":1},"waiting_rockets":1,"longest_wait_since":null,
            "buffered_messages":3,"subscribers":1,"version":9,"new":{}}}"#;
        let Event::Update(Update::Stats(stats)) = parsed(stats) else { panic!("no stats") };
        assert_eq!((stats.rockets.exploded, stats.buffered_messages), (1, 3));
        let explosion = r#"{"event":"explosion","data":{"id":"a","speed":-5,"version":1}}"#;
        let Event::Update(Update::Explosion(rocket)) = parsed(explosion) else { panic!("none") };
        assert_eq!((rocket.id.as_str(), rocket.speed), ("a", -5));
        for other in ["", "\r", r#"{"event":"reset","data":{"reason":"r"}}"#] {
            assert!(matches!(parsed(other), Event::Other), "{other}");
        }
        assert!(matches!(parsed(r#"{"event":"bye","data":{}}"#), Event::Bye(_)));
        for bad in ["x", "{}", r#"{"event":"stats","data":7}"#] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn pauses_are_spread() {
        let pauses: Vec<_> = (0..50).map(|_| jittered(Duration::from_secs(2))).collect();
        assert!(pauses.iter().all(|it| (1.0..=2.0).contains(&it.as_secs_f64())), "{pauses:?}");
        assert!(pauses.iter().any(|it| *it != pauses[0]));
    }
}
