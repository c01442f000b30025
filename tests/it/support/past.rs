//! What the messages of a rocket changed, worked out the slow and plain way from their
//! JSON. Uses none of the service's code.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::oracle::{Lost, in_utc, step};

/// What the messages of one rocket changed, the oldest first; none if it is not
/// launched.
pub fn history<'a>(
    messages: impl IntoIterator<Item = &'a Value>,
    lost: &Lost,
    channel: &str,
) -> Vec<Value> {
    let mut numbers: BTreeMap<u64, &Value> = BTreeMap::new();
    for message in messages {
        let number = message["metadata"]["messageNumber"].as_u64().unwrap();
        if message["metadata"]["channel"] == channel && !lost.contains(&(channel.into(), number)) {
            numbers.entry(number).or_insert(message);
        }
    }
    let (mut entries, mut flight) = (Vec::new(), None::<Value>);
    for number in 1.. {
        if lost.contains(&(channel.to_owned(), number)) {
            continue;
        }
        let Some(message) = numbers.get(&number) else { break };
        let metadata = &message["metadata"];
        let time = in_utc(metadata["messageTime"].as_str().unwrap());
        let kind = metadata["messageType"].as_str().unwrap();
        let before = flight.clone();
        step(&mut flight, kind, &message["message"], &time);
        let field = |flight: &Option<Value>, name: &str| flight.as_ref().unwrap()[name].clone();
        let (change, from, to) = match (kind, &before) {
            ("RocketLaunched", None) => ("launched", Value::Null, "Launched".into()),
            ("RocketSpeedIncreased" | "RocketSpeedDecreased", Some(_)) => {
                ("speed", field(&before, "speed"), field(&flight, "speed"))
            }
            ("RocketMissionChanged", Some(_)) => {
                ("mission", field(&before, "mission"), field(&flight, "mission"))
            }
            ("RocketExploded", Some(before)) if before["status"] == "Launched" => {
                ("exploded", Value::Null, field(&flight, "explosion_reason"))
            }
            _ => ("none", Value::Null, Value::Null),
        };
        let speed = flight.as_ref().map_or(Value::Null, |flight| flight["speed"].clone());
        entries.push(json!({
            "message_number": number,
            "time": time,
            "change": change,
            "from": from,
            "to": to,
            "speed": speed,
        }));
    }
    if flight.is_some() { entries } else { Vec::new() }
}
