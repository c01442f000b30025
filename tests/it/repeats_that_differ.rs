//! A repeat that says something else than what it repeats changes nothing, as any
//! repeat; but it is counted, and shown with its rocket. Another time alone is no
//! conflict, and what is not known any more is none either.

use crate::support::messages::{at, explode, launch, launch_as, slow_down, speed_up};
use crate::support::scrape::Scrape;
use crate::support::{Request, Service};
use downlink::config::Durability;
use serde_json::Value;

fn conflicts(service: &Service, id: &str) -> u64 {
    let shown = service.read(&format!("/rockets/{id}"))["conflicts"].as_u64().unwrap();
    let listed = service.read(&format!("/rockets?id={id}"))[0]["conflicts"].as_u64().unwrap();
    assert_eq!(shown, listed);
    shown
}

#[test]
fn another_content_is_a_conflict_wherever_the_first_is() {
    let service = Service::start();
    service.post(&[launch("a"), speed_up("a", 2, 5), speed_up("a", 4, 7), launch("b")]);
    let tag = || service.get("/rockets").header("etag").unwrap().to_owned();
    let later = "2030-01-01T00:00:00Z";
    for (message, expected) in [
        (speed_up("a", 2, 5), 0),
        (at(speed_up("a", 2, 5), later), 0),
        (at(speed_up("a", 4, 7), later), 0),
        // Applied, waiting, and the launch with its texts.
        (speed_up("a", 2, 6), 1),
        (slow_down("a", 2, 5), 2),
        (speed_up("a", 4, 8), 3),
        (explode("a", 4, "X"), 4),
        (launch_as("a", "Falcon-9", 500, "GEMINI"), 5),
        (launch("a"), 5),
    ] {
        let before = (conflicts(&service, "a"), tag());
        let sent = service.post(std::slice::from_ref(&message));
        assert_eq!(sent, "duplicate", "{message}");
        assert_eq!(conflicts(&service, "a"), expected, "{message}");
        assert_eq!(tag() == before.1, before.0 == expected, "{message}");
    }
    assert_eq!((conflicts(&service, "b"), &service.read("/rockets/a")["speed"]), (0, &505.into()));
    let counted = Scrape::of(&service).get("downlink_messages_conflicting_total", &[]);
    assert!((counted - 5.0).abs() < 0.5, "{counted}");
}

#[test]
fn of_those_that_come_together_the_first_is_the_one() {
    let service = Service::start();
    let lines = [
        launch("a"),
        speed_up("a", 2, 5),
        speed_up("a", 2, 6),
        at(speed_up("a", 2, 5), "2030-01-01T00:00:00Z"),
        speed_up("a", 4, 1),
        speed_up("a", 4, 2),
    ];
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let request = Request::post(body).header("content-type", "application/x-ndjson");
    let answer = service.send(&request);
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    assert_eq!((conflicts(&service, "a"), &service.read("/rockets/a")["speed"]), (2, &505.into()));
}

#[test]
fn what_a_restart_does_not_know_is_no_conflict() {
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        Service::start_with(|config| {
            config.durability = Durability::Fsync;
            config.data_dir = directory.path().to_owned();
        })
    };
    let other = || -> [Value; 2] { [speed_up("a", 2, 6), speed_up("a", 4, 8)] };
    let service = start();
    service.post(&[launch("a"), speed_up("a", 2, 5), speed_up("a", 4, 7)]);
    service.post(&other());
    assert_eq!(conflicts(&service, "a"), 2);
    drop(service);
    let service = start();
    assert_eq!(conflicts(&service, "a"), 0);
    assert_eq!(service.post(&other()), "duplicate");
    assert_eq!(conflicts(&service, "a"), 1, "what waits is known itself");
    // A number that was declared lost says nothing that could be compared.
    assert_eq!(service.send(&Request::new("POST", "/gaps/a/skip")).status, 200);
    assert_eq!(service.post(&[speed_up("a", 3, 1)]), "duplicate");
    assert_eq!(conflicts(&service, "a"), 1);
}
