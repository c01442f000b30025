//! What the service must show for the messages it accepted, worked out the
//! slow and plain way from their JSON. Uses none of the service's code.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The answer to `GET /rockets` after `messages` arrived in this order.
pub fn rockets<'a>(messages: impl IntoIterator<Item = &'a Value>) -> Vec<Value> {
    let mut channels: BTreeMap<&str, BTreeMap<u64, &Value>> = BTreeMap::new();
    for message in messages {
        let metadata = &message["metadata"];
        let numbers = channels.entry(metadata["channel"].as_str().unwrap()).or_default();
        // The first one of a number wins.
        numbers.entry(metadata["messageNumber"].as_u64().unwrap()).or_insert(message);
    }
    let mut rockets: Vec<_> =
        channels.into_iter().filter_map(|(channel, numbers)| rocket(channel, &numbers)).collect();
    // Stable, and the channels came sorted.
    rockets.sort_by_key(|rocket| instant(rocket["launch_time"].as_str().unwrap()));
    rockets
}

fn rocket(channel: &str, numbers: &BTreeMap<u64, &Value>) -> Option<Value> {
    let mut flight: Option<Value> = None;
    let mut applied = 0;
    while let Some(message) = numbers.get(&(applied + 1)) {
        applied += 1;
        let metadata = &message["metadata"];
        let time = in_utc(metadata["messageTime"].as_str().unwrap());
        step(&mut flight, metadata["messageType"].as_str().unwrap(), &message["message"], &time);
        if let Some(flight) = &mut flight {
            flight["last_update_time"] = time.into();
        }
    }
    let mut flight = flight?;
    flight["id"] = channel.into();
    flight["last_message_number"] = applied.into();
    flight["buffered_messages"] = (numbers.len() as u64 - applied).into();
    Some(flight)
}

/// The state table.
fn step(flight: &mut Option<Value>, kind: &str, message: &Value, time: &str) {
    match (kind, flight) {
        ("RocketLaunched", flight @ None) => {
            *flight = Some(json!({
                "launch_time": time,
                "speed": message["launchSpeed"],
                "rocket_type": message["type"],
                "mission": message["mission"],
                "status": "Launched",
                "explosion_reason": null,
            }));
        }
        ("RocketSpeedIncreased", Some(flight)) => change_speed(flight, message, 1),
        ("RocketSpeedDecreased", Some(flight)) => change_speed(flight, message, -1),
        ("RocketMissionChanged", Some(flight)) => {
            flight["mission"] = message["newMission"].clone();
        }
        ("RocketExploded", Some(flight)) if flight["status"] == "Launched" => {
            flight["status"] = "Exploded".into();
            flight["explosion_reason"] = message["reason"].clone();
        }
        _ => {}
    }
}

fn change_speed(flight: &mut Value, message: &Value, sign: i128) {
    let speed = i128::from(flight["speed"].as_i64().unwrap());
    let by = i128::from(message["by"].as_i64().unwrap());
    let speed = (speed + sign * by).clamp(i64::MIN.into(), i64::MAX.into());
    flight["speed"] = i64::try_from(speed).unwrap().into();
}

/// `2022-02-02T19:39:05.500+01:00` as `2022-02-02T18:39:05.5Z`. Only for times
/// that an offset of whole hours does not move to another day.
fn in_utc(time: &str) -> String {
    let (date, rest) = time.split_at(10);
    let (clock, offset) = match rest.find(['+', '-', 'Z']) {
        Some(at) => rest.split_at(at),
        None => (rest, "Z"),
    };
    let offset: i32 = if offset == "Z" { 0 } else { offset[..3].parse().unwrap() };
    let hour: i32 = clock[1..3].parse::<i32>().unwrap() - offset;
    assert!((0..24).contains(&hour), "{time} is on another day in UTC");
    let mut rest = &clock[3..];
    if rest.contains('.') {
        rest = rest.trim_end_matches('0').trim_end_matches('.');
    }
    format!("{date}T{hour:02}{rest}Z")
}

/// Something that sorts as the times do that [`in_utc`] returns.
fn instant(time: &str) -> String {
    let (seconds, fraction) = time.trim_end_matches('Z').split_at(19);
    format!("{seconds}{:0<10}", if fraction.is_empty() { "." } else { fraction })
}
