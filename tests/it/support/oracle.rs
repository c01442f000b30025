//! What the service must show for the messages it accepted, worked out the
//! slow and plain way from their JSON. Uses none of the service's code.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Numbers that were declared lost, with their channels.
pub type Lost = BTreeSet<(String, u64)>;

/// The answer to `GET /rockets` after `messages` arrived in this order.
pub fn rockets<'a>(messages: impl IntoIterator<Item = &'a Value>) -> Vec<Value> {
    rockets_without(messages, &Lost::new())
}

/// The same when these numbers were declared lost before their messages arrived.
pub fn rockets_without<'a>(
    messages: impl IntoIterator<Item = &'a Value>,
    lost: &Lost,
) -> Vec<Value> {
    let mut channels: BTreeMap<&str, BTreeMap<u64, &Value>> = BTreeMap::new();
    let mut conflicts: BTreeMap<&str, u64> = BTreeMap::new();
    for message in messages {
        let metadata = &message["metadata"];
        let (channel, number) =
            (metadata["channel"].as_str().unwrap(), metadata["messageNumber"].as_u64().unwrap());
        if !lost.contains(&(channel.to_owned(), number)) {
            // The first one of a number wins.
            let first = channels.entry(channel).or_default().entry(number).or_insert(message);
            *conflicts.entry(channel).or_insert(0) += u64::from(said(first) != said(message));
        }
    }
    let mut rockets: Vec<_> = channels
        .into_iter()
        .filter_map(|(channel, numbers)| {
            let mut rocket = rocket(channel, &numbers, lost)?;
            rocket["conflicts"] = conflicts[channel].into();
            Some(rocket)
        })
        .collect();
    // Stable, and the channels came sorted.
    rockets.sort_by_key(|rocket| instant(rocket["launch_time"].as_str().unwrap()));
    rockets
}

/// Takes out of both how many conflicts they have: what is remembered of messages has
/// no room for all, so fewer may be told than there were, and never more. Both have none
/// after it.
pub fn settle_conflicts(shown: &mut Value, expected: &mut Value) -> Result<(), String> {
    let taken = |rocket: &mut Value| match rocket.get_mut("conflicts") {
        Some(count) => std::mem::replace(count, 0.into()).as_u64(),
        None => Some(0),
    };
    let (told, were) = (taken(shown), taken(expected));
    let agree = told.is_some() && told <= were;
    agree.then_some(()).ok_or_else(|| format!("{told:?} conflicts are told of {were:?}: {shown}"))
}

/// What a message says, without its time.
fn said(message: &Value) -> (&Value, [&Value; 6]) {
    let fields = ["type", "launchSpeed", "mission", "by", "newMission", "reason"];
    (&message["metadata"]["messageType"], fields.map(|field| &message["message"][field]))
}

fn rocket(channel: &str, numbers: &BTreeMap<u64, &Value>, lost: &Lost) -> Option<Value> {
    let mut flight: Option<Value> = None;
    let (mut last, mut counted, mut gone) = (0, 0, 0);
    for number in 1.. {
        if lost.contains(&(channel.to_owned(), number)) {
            gone += 1;
            continue;
        }
        let Some(message) = numbers.get(&number) else { break };
        last = number;
        counted += 1;
        let metadata = &message["metadata"];
        let time = in_utc(metadata["messageTime"].as_str().unwrap());
        step(&mut flight, metadata["messageType"].as_str().unwrap(), &message["message"], &time);
        if let Some(flight) = &mut flight {
            flight["last_update_time"] = time.into();
        }
    }
    let mut flight = flight?;
    flight["id"] = channel.into();
    flight["last_message_number"] = last.into();
    flight["buffered_messages"] = (numbers.len() as u64 - counted).into();
    flight["lost_messages"] = gone.into();
    Some(flight)
}

/// The state table.
pub fn step(flight: &mut Option<Value>, kind: &str, message: &Value, time: &str) {
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
pub fn in_utc(time: &str) -> String {
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
