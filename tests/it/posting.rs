//! `POST /messages`: what each outcome is, and which clients are told.

use crate::support::messages::{
    at, change_mission, explode, launch, launch_as, message, slow_down, speed_up,
};
use crate::support::{Request, Service, problem};
use serde_json::{Value, json};

#[test]
fn each_outcome_is_told_to_whoever_asks_for_json() {
    let service = Service::start();
    let mut connection = service.connect();
    for accept in ["*/*", "application/json", "text/html, application/json;q=0.9"] {
        let channel = accept;
        for (message, outcome) in [
            (speed_up(channel, 2, 1), "buffered"),
            (speed_up(channel, 2, 1), "duplicate"),
            (launch(channel), "applied"),
            (launch(channel), "duplicate"),
            (speed_up(channel, 2, 1), "duplicate"),
            (speed_up(channel, 3, 1), "applied"),
        ] {
            let request = Request::post(message.to_string()).header("accept", accept);
            let answer = connection.request(&request);
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.json(), json!({"status": "success", "outcome": outcome}));
            assert!(answer.text().ends_with("}\n"));
        }
    }
}

#[test]
fn a_client_without_accept_gets_no_body() {
    let service = Service::start();
    let mut connection = service.connect();
    for message in [launch("a"), launch("a"), speed_up("a", 9, 1)] {
        let answer = connection.request(&Request::post(message.to_string()));
        assert_eq!(answer.status, 204);
        assert!(matches!(answer.header("content-length"), None | Some("0")));
        assert_eq!(answer.header("transfer-encoding"), None);
        // Nothing follows on the connection but the next answer.
        assert_eq!(connection.request(&Request::get("/readyz")).json(), json!({"status": "ready"}));
    }
    // Errors say what is wrong to everybody.
    problem(&connection.request(&Request::post("{}")), 422);
}

/// The state table, by hand: guards the oracle of the property tests too.
#[test]
fn each_message_has_its_effect() {
    let show = |messages: &[Value]| {
        let service = Service::start();
        for (index, message) in messages.iter().enumerate() {
            let mut message = message.clone();
            message["metadata"]["messageNumber"] = (index + 1).into();
            assert_eq!(service.post(&[message]), "applied");
        }
        let rocket = service.get("/rockets/a");
        if rocket.status == 404 {
            return Value::Null;
        }
        let rocket = rocket.json();
        assert_eq!(rocket["last_message_number"], messages.len());
        json!([rocket["speed"], rocket["mission"], rocket["status"], rocket["explosion_reason"]])
    };
    let up = || speed_up("a", 0, 70);
    let down = || slow_down("a", 0, 700);
    let mission = || change_mission("a", 0, "APOLLO");
    let bang = || explode("a", 0, "BANG");
    let again = || launch_as("a", "Other", 9, "OTHER");

    for early in [up(), down(), mission(), bang()] {
        assert_eq!(show(std::slice::from_ref(&early)), Value::Null);
        // It is used up: the launch as the second message is not stalled.
        assert_eq!(show(&[early, launch("a")]), json!([500, "ARTEMIS", "Launched", null]));
    }
    assert_eq!(show(&[launch("a")]), json!([500, "ARTEMIS", "Launched", null]));
    assert_eq!(show(&[launch("a"), again()]), json!([500, "ARTEMIS", "Launched", null]));
    assert_eq!(show(&[launch("a"), up()]), json!([570, "ARTEMIS", "Launched", null]));
    assert_eq!(show(&[launch("a"), down()]), json!([-200, "ARTEMIS", "Launched", null]));
    assert_eq!(show(&[launch("a"), mission()]), json!([500, "APOLLO", "Launched", null]));
    assert_eq!(show(&[launch("a"), bang()]), json!([500, "ARTEMIS", "Exploded", "BANG"]));

    let after = |message| show(&[launch("a"), bang(), message]);
    assert_eq!(after(up()), json!([570, "ARTEMIS", "Exploded", "BANG"]));
    assert_eq!(after(down()), json!([-200, "ARTEMIS", "Exploded", "BANG"]));
    assert_eq!(after(mission()), json!([500, "APOLLO", "Exploded", "BANG"]));
    assert_eq!(after(explode("a", 0, "AGAIN")), json!([500, "ARTEMIS", "Exploded", "BANG"]));
    assert_eq!(after(again()), json!([500, "ARTEMIS", "Exploded", "BANG"]));

    let most = || speed_up("a", 0, i64::MAX);
    let least = || slow_down("a", 0, i64::MAX);
    let fast = |last| show(&[launch("a"), most(), last])[0].clone();
    assert_eq!(fast(speed_up("a", 0, 0)), i64::MAX);
    assert_eq!(fast(least()), 0);
    assert_eq!(show(&[launch("a"), least(), least(), least()])[0], i64::MIN);
}

#[test]
fn anomalies_move_the_clock_too() {
    let service = Service::start();
    let times =
        ["02:00:00", "01:00:00", "05:00:00", "04:00:00"].map(|t| format!("2022-02-02T{t}Z"));
    service.post(&[
        at(speed_up("a", 1, 1), &times[0]),
        at(message("a", 2, "RocketLaunched", launch("a")["message"].clone()), &times[1]),
        at(explode("a", 3, "BANG"), &times[2]),
    ]);
    let rocket = service.read("/rockets/a");
    assert_eq!(
        (&rocket["launch_time"], &rocket["last_update_time"]),
        (&json!(times[1]), &json!(times[2]))
    );
    // The last message's time, not the latest.
    service.post(&[at(launch_as("a", "X", 1, "X"), "2022-02-02T00:00:00Z")]);
    let mut again = launch_as("a", "X", 1, "X");
    again["metadata"]["messageNumber"] = 4.into();
    service.post(&[at(again, &times[3])]);
    let rocket = service.read("/rockets/a");
    assert_eq!(
        (&rocket["launch_time"], &rocket["last_update_time"]),
        (&json!(times[1]), &json!(times[3]))
    );
    assert_eq!(rocket["last_message_number"], 4);
}

#[test]
fn of_two_messages_with_one_number_the_first_wins() {
    let service = Service::start();
    assert_eq!(service.post(&[speed_up("a", 2, 10), speed_up("a", 2, 99)]), "duplicate");
    assert_eq!(service.post(&[launch("a"), launch_as("a", "X", 9, "X")]), "duplicate");
    assert_eq!(service.post(&[explode("a", 2, "BANG")]), "duplicate");
    let rocket = service.read("/rockets/a");
    assert_eq!((&rocket["speed"], &rocket["status"]), (&json!(510), &json!("Launched")));
}
