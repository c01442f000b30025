//! What goes over the wire when all is well.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use serde_json::Value;

use super::stub::Stub;

/// Bodies with the time cut out, which is all that differs between runs.
fn timeless(stub: &Stub) -> Vec<String> {
    let cut = |body: String| {
        let (before, rest) = body.split_once(r#""messageTime":""#).unwrap();
        let (_, after) = rest.split_once('"').unwrap();
        format!("{before}{after}")
    };
    stub.seen().into_iter().map(|seen| cut(seen.body)).collect()
}

fn sent(arguments: &[&str]) -> Vec<String> {
    let stub = Stub::accepting();
    let run = stub.launch(&[arguments, &["--concurrency-level=1"]].concat());
    assert_eq!(run.code, 0, "{}", run.err);
    timeless(&stub)
}

fn key(message: &Value) -> (String, u64) {
    let metadata = &message["metadata"];
    let channel = metadata["channel"].as_str().unwrap().to_owned();
    (channel, metadata["messageNumber"].as_u64().unwrap())
}

#[test]
fn a_seed_determines_everything_but_the_times() {
    let arguments = ["--max-messages=500", "--shuffle=50", "--duplicates=10%"];
    let once = sent(&arguments);
    assert_eq!(once, sent(&arguments));
    assert_ne!(once, sent(&[&arguments[..], &["--seed=445"]].concat()));
}

#[test]
fn every_message_has_the_shape_and_key_order_of_the_challenge() {
    let stub = Stub::accepting();
    assert_eq!(stub.launch(&["--max-messages=2000"]).code, 0);
    let mut kinds = HashSet::new();
    for seen in stub.seen() {
        let message: Value = serde_json::from_str(&seen.body).unwrap();
        let (metadata, said) = (&message["metadata"], &message["message"]);
        let kind = metadata["messageType"].as_str().unwrap();
        let said = match kind {
            "RocketLaunched" => format!(
                r#"{{"type":{},"launchSpeed":{},"mission":{}}}"#,
                said["type"], said["launchSpeed"], said["mission"]
            ),
            "RocketSpeedIncreased" | "RocketSpeedDecreased" => {
                format!(r#"{{"by":{}}}"#, said["by"].as_u64().unwrap())
            }
            "RocketMissionChanged" => format!(r#"{{"newMission":{}}}"#, said["newMission"]),
            "RocketExploded" => format!(r#"{{"reason":{}}}"#, said["reason"]),
            other => panic!("unknown type {other}"),
        };
        let expected = format!(
            r#"{{"metadata":{{"channel":{},"messageNumber":{},"messageType":"{kind}","messageTime":{}}},"message":{said}}}"#,
            metadata["channel"], metadata["messageNumber"], metadata["messageTime"]
        );
        assert_eq!(seen.body, expected);
        kinds.insert(kind.to_owned());
        let time = metadata["messageTime"].as_str().unwrap();
        // 2025-04-02T09:21:50.458989221+02:00
        assert_eq!(time.len(), 35, "{time}");
        assert!(matches!(&time[29..30], "+" | "-"), "{time}");
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
}

#[test]
fn requests_are_posts_of_json_without_an_accept_header_on_kept_connections() {
    let stub = Stub::accepting();
    assert_eq!(stub.launch(&["--max-messages=300", "--concurrency-level=4"]).code, 0);
    let seen = stub.seen();
    for request in &seen {
        assert_eq!(request.method, "POST");
        assert_eq!(request.path, "/messages");
        assert_eq!(request.headers["content-type"], "application/json");
        assert!(!request.headers.contains_key("accept"));
        assert_eq!(request.headers["content-length"], request.body.len().to_string());
    }
    let connections: HashSet<usize> = seen.iter().map(|request| request.connection).collect();
    assert_eq!(connections.len(), 4);
}

#[test]
fn one_at_a_time_each_rocket_is_sent_in_order_without_gaps() {
    let stub = Stub::accepting();
    let run = stub.launch(&["--max-messages=3000", "--concurrency-level=1"]);
    assert_eq!(run.code, 0);
    let mut rockets: HashMap<String, (u64, i64, String, bool)> = HashMap::new();
    for message in stub.messages() {
        let (channel, number) = key(&message);
        let kind = message["metadata"]["messageType"].as_str().unwrap();
        let time = message["metadata"]["messageTime"].as_str().unwrap().to_owned();
        let first = (0, 0, String::new(), false);
        let (last, mut speed, before, over) = rockets.remove(&channel).unwrap_or(first);
        assert_eq!(number, last + 1);
        assert_eq!(kind == "RocketLaunched", number == 1);
        assert!(time > before, "{time} after {before}");
        assert!(!over);
        let said = &message["message"];
        let by = said["by"].as_i64().unwrap_or(0);
        match kind {
            "RocketLaunched" => speed = said["launchSpeed"].as_i64().unwrap(),
            "RocketSpeedIncreased" => speed += by,
            "RocketSpeedDecreased" => speed -= by,
            _ => {}
        }
        assert!(speed >= 500 && speed % 500 == 0, "{speed}");
        rockets.insert(channel, (number, speed, time, kind == "RocketExploded"));
    }
    assert_eq!(rockets.len(), 20);
    assert_eq!(rockets.values().filter(|rocket| rocket.3).count(), 6);
}

#[test]
fn the_number_of_rockets_is_as_asked_or_as_there_are_messages() {
    for (rockets, messages, launched) in [("3", "100", 3), ("50", "60", 50), ("50", "8", 8)] {
        let stub = Stub::accepting();
        let rockets = format!("--rockets={rockets}");
        let run = stub.launch(&[&rockets, "--max-messages", messages, "--json"]);
        let channels: HashSet<String> = stub.messages().iter().map(|m| key(m).0).collect();
        assert_eq!(channels.len(), launched);
        assert_eq!(run.json()["rockets"], launched);
    }
}

#[test]
fn shuffling_moves_messages_up_to_the_bound_and_loses_none() {
    let arguments = ["--max-messages=3000", "--shuffle=100"];
    let plain = sent(&arguments[..1]);
    let shuffled = sent(&arguments);
    assert_eq!(plain.len(), shuffled.len());
    let place: HashMap<&String, usize> = plain.iter().zip(0..).collect();
    let moved = shuffled.iter().zip(0..).map(|(body, now)| place[body].abs_diff(now));
    let furthest = moved.clone().max().unwrap();
    assert!((50..=100).contains(&furthest), "{furthest}");
    assert!(moved.filter(|&places| places > 0).count() > 1500);
}

#[test]
fn duplicates_are_the_same_bytes_again_for_the_asked_share() {
    let stub = Stub::accepting();
    let run = stub.launch(&["--max-messages=5000", "--duplicates=20%", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let mut times_seen: HashMap<String, u32> = HashMap::new();
    for seen in stub.seen() {
        *times_seen.entry(seen.body).or_default() += 1;
    }
    assert_eq!(times_seen.len(), 5000, "a second copy differs from its first");
    let twice = times_seen.values().filter(|&&times| times == 2).count();
    assert!((800..=1200).contains(&twice), "{twice}");
    let report = run.json();
    assert_eq!(report["duplicates"], twice);
    assert_eq!(report["requests"], 5000 + twice);
    assert_eq!(report["acknowledged"], 5000);
}

#[test]
fn the_report_is_complete_in_both_forms() {
    let stub = Stub::accepting();
    let run = stub.launch(&["--max-messages=100", "--json"]);
    assert_eq!(run.out.lines().count(), 1);
    assert_eq!(run.err, "", "no progress bar without a terminal");
    let report = run.json();
    assert_eq!(report["outcome"], "complete");
    assert_eq!(report["messages"], 100);
    assert_eq!(report["retries"], 0);
    assert_eq!(report["not_acknowledged"], 0);
    assert!(report["elapsed_seconds"].as_f64().unwrap() > 0.0);
    assert!(report["throughput_per_second"].as_f64().unwrap() > 0.0);
    assert!(report["verify"].is_null());
    let latency = &report["latency"];
    let quantiles = ["p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"];
    let quantiles = quantiles.map(|name| latency[name].as_u64().unwrap());
    assert!(quantiles.is_sorted() && quantiles[0] > 0, "{latency}");
    let text = stub.launch(&["--max-messages=100"]).out;
    for part in ["100 acknowledged of 100", "throughput", "p50", "p99.9", "max"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_rate_spreads_requests_over_time_and_counts_from_the_intended_send() {
    let stub = Stub::accepting();
    let begun = Instant::now();
    let run = stub.launch(&["--max-messages=101", "--rate=200/s", "--json"]);
    // 100 pauses of 5 ms.
    assert!(begun.elapsed().as_millis() >= 500);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(run.json()["latency"]["from"], "intended send");
}

#[test]
fn a_slow_service_does_not_hide_the_wait_when_there_is_a_rate() {
    use super::stub::Reply;
    // One connection that takes 20 ms a message, and a message due each 5 ms:
    // the last is about 40 × 15 ms behind its time.
    let slow = std::time::Duration::from_millis(20);
    let stub = Stub::answering(move |_, _| Reply::Hang(slow));
    let arguments = "--max-messages=40 --rate=200/s --concurrency-level=1 --json";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let report = stub.launch(&arguments).json();
    let longest = report["latency"]["max_us"].as_u64().unwrap();
    assert!(longest > 400_000, "{longest}");
}

#[test]
fn a_delay_is_kept_between_messages() {
    let stub = Stub::accepting();
    let begun = Instant::now();
    let run = stub.launch(&["--max-messages=11", "--message-delay=50ms"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(begun.elapsed().as_millis() >= 500);
}
