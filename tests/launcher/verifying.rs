//! `--verify`: a right listing passes, and each way to be wrong is found.

use serde_json::{Value, json};

use super::service::Service;
use super::stub::{Reply, Run, Stub, rockets};

const ARGUMENTS: [&str; 2] = ["--max-messages=600", "--verify"];

fn verify(listing: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) -> Run {
    Stub::listing(listing).launch(&ARGUMENTS)
}

fn assert_found(run: &Run, differences: u64, text: &str) {
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    let count = format!("FAILED: 20 rockets compared, {differences} differences");
    assert!(run.out.contains(&count), "{count} in {}", run.out);
    assert!(run.out.contains(text), "{text} in {}", run.out);
    assert!(run.err.contains(&format!("{differences} differences")), "{}", run.err);
}

#[test]
fn a_right_listing_passes() {
    let run = verify(|_| {});
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(run.out.contains("passed: 20 rockets compared, 0 differences"), "{}", run.out);
}

#[test]
fn disorder_duplicates_and_retries_do_not_change_what_is_expected() {
    let stub = Stub::answering(|n, _| match n % 50 {
        7 => Reply::Status(503, ""),
        _ => Reply::Accept,
    });
    let arguments = "--duplicates=20% --shuffle=300 --concurrency-level=16 --json";
    let more: Vec<&str> = arguments.split_whitespace().collect();
    let run = stub.launch(&[&ARGUMENTS[..], &more].concat());
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert_eq!(run.json()["verify"]["passed"], true);
    assert_eq!(run.json()["verify"]["compared"], 20);
}

#[test]
fn each_wrong_field_is_found() {
    let wrong = [
        ("launch_time", json!("2099-01-01T00:00:00Z")),
        ("last_update_time", json!("2022-02-02T18:39:05.86337Z")),
        ("last_message_number", json!(0)),
        ("speed", json!(499)),
        ("speed", json!("500")),
        ("rocket_type", json!("Falcon-10")),
        ("mission", json!("artemis")),
        ("status", json!("Lost")),
        ("explosion_reason", json!("BOREDOM")),
        ("buffered_messages", json!(1)),
        ("mission", Value::Null),
    ];
    for (field, value) in wrong {
        let place = if field == "launch_time" { 19 } else { 4 };
        let run = verify(move |listing| listing[place][field] = value.clone());
        assert_found(&run, 1, &format!("{field}: expected "));
    }
    let run = verify(|listing| {
        listing[4].as_object_mut().unwrap().remove("speed");
    });
    assert_found(&run, 1, "found nothing");
}

#[test]
fn times_are_compared_as_instants() {
    let run = verify(|listing| {
        for rocket in listing {
            let time = rocket["launch_time"].as_str().unwrap();
            let time = time.trim_end_matches('Z').to_owned() + "+00:00";
            rocket["launch_time"] = json!(time);
        }
    });
    assert_eq!(run.code, 0, "{}", run.out);
}

#[test]
fn a_missing_rocket_is_found() {
    let run = verify(|listing| {
        listing.remove(7);
    });
    assert_found(&run, 1, "is not listed");
    assert_found(&verify(Vec::clear), 20, "is not listed");
}

#[test]
fn a_rocket_listed_twice_is_found() {
    let run = verify(|listing| listing.insert(8, listing[7].clone()));
    assert_found(&run, 1, "is listed twice");
}

#[test]
fn a_wrong_order_is_found() {
    let run = verify(|listing| listing.swap(7, 8));
    assert_found(&run, 1, "against the order by launch time, then ID");
    let run = verify(|listing| {
        for id in ["b", "a"] {
            listing.insert(0, json!({"id": id, "launch_time": "2001-01-01T00:00:00Z"}));
        }
    });
    assert_eq!(run.code, 0, "equal times in the order of IDs: {}", run.out);
    let run = verify(|listing| {
        for id in ["a", "b"] {
            listing.insert(0, json!({"id": id, "launch_time": "2001-01-01T00:00:00Z"}));
        }
    });
    assert_found(&run, 1, "against the order by launch time, then ID");
}

#[test]
fn rockets_of_other_runs_are_counted_and_let_be() {
    let run = verify(|listing| {
        listing.insert(0, json!({"id": "x", "launch_time": "2001-01-01T00:00:00Z"}));
    });
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.out.contains("1 listed rockets are of other runs"), "{}", run.out);
}

#[test]
fn the_first_twenty_differences_are_printed_and_all_are_counted() {
    let run = verify(|listing| {
        for rocket in listing {
            rocket["speed"] = json!(1);
            rocket["mission"] = json!("NONE");
        }
    });
    assert_found(&run, 40, "… and 20 more");
    assert_eq!(run.out.matches(": expected ").count(), 20);
}

#[test]
fn a_service_that_held_the_same_rockets_before_gets_a_hint() {
    // A second run of the same seed, to a service that keeps the first.
    let stub = Stub::accepting_first_copies();
    assert_eq!(stub.launch(&ARGUMENTS).code, 0);
    let run = stub.launch(&ARGUMENTS);
    assert_eq!(run.code, 1);
    let after_verify = run.out.split_once("verify").unwrap().1;
    assert!(after_verify.contains("held rockets of this seed before"), "{}", run.out);
    assert!(after_verify.contains("fresh data directory"), "{}", run.out);
    // What differs says nothing then.
    assert!(!run.out.contains(": expected "), "{}", run.out);
    assert!(run.err.contains("held rockets of this seed before"), "{}", run.err);
    let run = stub.launch(&[&ARGUMENTS[..], &["--seed=9"]].concat());
    assert_eq!(run.code, 0, "{}", run.out);
}

#[test]
fn what_is_not_a_listing_is_said() {
    let stub = Stub::answering(|_, _| Reply::Accept).without_listing();
    let run = stub.launch(&ARGUMENTS);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("/rockets") && run.err.contains("404"), "{}", run.err);
}

#[test]
fn every_one_of_several_services_is_compared() {
    let services = [Service::start(), Service::start()];
    let urls: Vec<_> = services.iter().map(|it| format!("{}/messages", it.origin)).collect();
    let [one, two] = [&*urls[0], &*urls[1]];
    // Each gets a share alone, and is no copy of the other.
    let few = ["--rockets=1", "--max-messages=20", "--verify"];
    let run = rockets(&[&["launch", one, two, "--seed=1"], &few[..]].concat());
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    assert!(run.out.contains("1 rockets compared at 2 services"), "{}", run.out);
    let run = rockets(&[&["launch", one, two, "--seed=2", "--json"], &few[..]].concat());
    let verify = &run.json()["verify"];
    assert_eq!((&verify["services"], &verify["passed"]), (&json!(2), &json!(false)));
    let named = verify["first_differences"].as_array().unwrap();
    for service in &services {
        let is_of_it = |text: &Value| text.as_str().unwrap().starts_with(&service.origin);
        assert!(named.iter().any(is_of_it), "{named:?}");
    }
    let same = rockets(&[&["launch", one, one, "--seed=3"], &few[..]].concat());
    assert_eq!(same.code, 0, "{}{}", same.out, same.err);
}
