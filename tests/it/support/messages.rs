//! Messages as rockets send them.

use serde_json::{Value, json};

/// A time, later for a higher `second`, as the service shows it.
pub fn time(second: u64) -> String {
    format!(
        "2022-02-{:02}T{:02}:{:02}:{:02}Z",
        1 + second / 86_400,
        second / 3600 % 24,
        second / 60 % 60,
        second % 60
    )
}

/// Any message; its time is `number` seconds into the flight.
pub fn message(channel: &str, number: u64, kind: &str, body: Value) -> Value {
    json!({
        "metadata": {
            "channel": channel,
            "messageNumber": number,
            "messageType": kind,
            "messageTime": time(number % 86_400),
        },
        "message": body,
    })
}

/// The first message of a Falcon-9 to ARTEMIS at speed 500.
pub fn launch(channel: &str) -> Value {
    launch_as(channel, "Falcon-9", 500, "ARTEMIS")
}

pub fn launch_as(channel: &str, rocket_type: &str, speed: i64, mission: &str) -> Value {
    let body = json!({"type": rocket_type, "launchSpeed": speed, "mission": mission});
    message(channel, 1, "RocketLaunched", body)
}

pub fn speed_up(channel: &str, number: u64, by: i64) -> Value {
    message(channel, number, "RocketSpeedIncreased", json!({"by": by}))
}

pub fn slow_down(channel: &str, number: u64, by: i64) -> Value {
    message(channel, number, "RocketSpeedDecreased", json!({"by": by}))
}

pub fn change_mission(channel: &str, number: u64, mission: &str) -> Value {
    message(channel, number, "RocketMissionChanged", json!({"newMission": mission}))
}

pub fn explode(channel: &str, number: u64, reason: &str) -> Value {
    message(channel, number, "RocketExploded", json!({"reason": reason}))
}

/// The same message at another time.
pub fn at(mut message: Value, time: &str) -> Value {
    message["metadata"]["messageTime"] = time.into();
    message
}
