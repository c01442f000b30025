//! What is unusual and still a message: each of these counts.

use crate::support::http::encode;
use crate::support::messages::{launch_as, speed_up};
use crate::support::{self, Request, Service};

const TIME: &str = "2022-02-02T18:39:05Z";

/// A launch as text, for the places where a JSON value would hide the form.
fn launch(channel: &str, metadata: &str, message: &str) -> String {
    format!(
        r#"{{"metadata":{{"channel":"{channel}","messageNumber":1,"messageTime":"{TIME}",
        "messageType":"RocketLaunched"{metadata}}},
        "message":{{"type":"Falcon-9","launchSpeed":500,"mission":"ARTEMIS"{message}}}}}"#
    )
}

fn with_time(time: &str) -> String {
    launch("a", "", "").replace(TIME, time)
}

#[test]
fn times_are_read_in_every_form_and_shown_in_utc() {
    for (given, shown) in [
        ("2022-02-02T19:39:05.86337+01:00", "2022-02-02T18:39:05.86337Z"),
        ("2025-04-02T09:21:50.458989221+02:00", "2025-04-02T07:21:50.458989221Z"),
        ("2022-02-02T18:39:05Z", "2022-02-02T18:39:05Z"),
        ("2022-02-02t18:39:05z", "2022-02-02T18:39:05Z"),
        ("2022-02-02t18:39:05Z", "2022-02-02T18:39:05Z"),
        ("2022-02-02T18:39:05z", "2022-02-02T18:39:05Z"),
        ("2022-02-02T18:39:05", "2022-02-02T18:39:05Z"),
        ("2022-02-02T18:39:05.5", "2022-02-02T18:39:05.5Z"),
        ("2022-02-02T18:39:05+00:00", "2022-02-02T18:39:05Z"),
        ("2022-02-02T18:39:05-00:00", "2022-02-02T18:39:05Z"),
        ("2022-02-02T00:09:05+05:30", "2022-02-01T18:39:05Z"),
        ("2022-02-02T23:39:05-23:59", "2022-02-03T23:38:05Z"),
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
        ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"),
    ] {
        let service = Service::start();
        service.send(&Request::post(with_time(given)));
        let rocket = service.read("/rockets/a");
        assert_eq!(rocket["launch_time"], shown, "{given}");
        assert_eq!(rocket["last_update_time"], shown, "{given}");
    }
}

#[test]
fn the_form_of_the_json_does_not_matter() {
    let number = format!(r#""messageNumber":{}"#, i64::MAX);
    let speed = format!(r#""launchSpeed":{}"#, i64::MAX);
    for (what, body, outcome) in [
        ("plain", launch("a", "", ""), "applied"),
        ("white space around", format!(" \r\n\t{}\n\n ", launch("a", "", "")), "applied"),
        (
            "another key order",
            format!(
                r#"{{"message":{{"mission":"M","launchSpeed":0,"type":"T"}},"metadata":
                {{"messageTime":"{TIME}","messageType":"RocketLaunched","messageNumber":1,
                "channel":"a"}}}}"#
            ),
            "applied",
        ),
        (
            "unknown fields at every level",
            launch("a", r#","unit":null,"by":1.5"#, r#","by":"fast","reason":{}"#).replacen(
                '{',
                r#"{"version":[1,{"x":1e9}],"#,
                1,
            ),
            "applied",
        ),
        (
            "unknown fields given twice, at every level",
            launch("a", r#","x":1,"x":2"#, r#","\u0078":1,"x":{}"#).replacen(
                '{',
                r#"{"x":1,"x":1,"#,
                1,
            ),
            "applied",
        ),
        (
            "a duplicate within an unknown field",
            launch("a", r#","x":{"y":1,"y":2}"#, ""),
            "applied",
        ),
        (
            "a duplicate within a field of another kind of message",
            launch("a", "", r#","by":{"y":1,"y":2}"#),
            "applied",
        ),
        (
            "keys that occur at two levels",
            launch("a", r#","type":"x","message":1"#, r#","channel":2"#),
            "applied",
        ),
        ("escapes in a key", launch("a", "", "").replace("channel", r"ch\u0061nnel"), "applied"),
        ("escapes in a value", launch("a", "", "").replace("ARTEMIS", r"ART\u0045MIS"), "applied"),
        ("a surrogate pair", launch("a", "", "").replace("ARTEMIS", r"\ud83d\ude80"), "applied"),
        ("a NUL in a text", launch("a", "", "").replace("ARTEMIS", r"a\u0000b"), "applied"),
        (
            "the highest number",
            launch("a", "", "").replace(r#""messageNumber":1"#, &number),
            "buffered",
        ),
        (
            "the highest speed",
            launch("a", "", "").replace(r#""launchSpeed":500"#, &speed),
            "applied",
        ),
        (
            "no speed",
            launch("a", "", "").replace(r#""launchSpeed":500"#, r#""launchSpeed":0"#),
            "applied",
        ),
        (
            "deep nesting in an unknown field",
            launch("a", &format!(r#","x":{}{}"#, "[".repeat(100), "]".repeat(100)), ""),
            "applied",
        ),
    ] {
        let service = Service::start();
        let answer = service.send(&Request::post(body).header("accept", "*/*"));
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert_eq!(answer.outcome(), outcome, "{what}");
    }
}

#[test]
fn the_content_type_does_not_matter() {
    let service = Service::start();
    let mut connection = service.connect();
    let types = [None, Some("application/json"), Some("application/json; charset=utf-8")];
    let others = [Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("nonsense")];
    for (at, content_type) in types.into_iter().chain(others).enumerate() {
        let mut request = Request::post(launch(&at.to_string(), "", "")).header("accept", "*/*");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        assert_eq!(connection.request(&request).outcome(), "applied", "{content_type:?}");
    }
}

#[test]
fn texts_of_any_script_and_of_the_greatest_length_come_back_as_they_were() {
    let service = Service::start();
    let long_channel = "c".repeat(128);
    let wide_channel = "й".repeat(64);
    for channel in [
        "a",
        " ",
        "with spaces",
        "with/slashes//",
        "..",
        "100%25",
        "?#&=+",
        "\"quoted\\\"",
        "ракета 🚀",
        "e\u{301}",
        "0E9E9DF5-38FD-52E2-916F-C858B9EB4EA5",
        "0e9e9df5-38fd-52e2-916f-c858b9eb4ea5",
        &long_channel,
        &wide_channel,
    ] {
        for text in ["x", &"t".repeat(256), &"🚀".repeat(64), " \u{7f}\n", "<b>&amp;</b>"] {
            let service = if text == "x" { &service } else { &Service::start() };
            service.post(&[launch_as(channel, text, 500, text)]);
            let exploded = support::messages::explode(channel, 2, text);
            assert_eq!(service.post(&[exploded]), "applied");
            let id = if channel == ".." { "%2E%2E".to_owned() } else { encode(channel) };
            let rocket = service.read(&format!("/rockets/{id}"));
            assert_eq!(rocket["id"], channel);
            assert_eq!(rocket["rocket_type"], text);
            assert_eq!(rocket["mission"], text);
            assert_eq!(rocket["explosion_reason"], text);
        }
    }
    assert_eq!(service.read("/rockets").as_array().unwrap().len(), 14);
}

#[test]
fn the_highest_amounts_are_taken() {
    let service = Service::start();
    let outcome = service.post(&[
        launch_as("a", "T", i64::MAX, "M"),
        support::messages::slow_down("a", 2, i64::MAX),
        support::messages::slow_down("a", 3, 0),
        speed_up("a", 4, i64::MAX),
    ]);
    assert_eq!(outcome, "applied");
    assert_eq!(service.read("/rockets/a")["speed"], i64::MAX);
}
