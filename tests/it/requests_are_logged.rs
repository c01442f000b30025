//! A line for each request, with the trace that it belongs to, for those who ask
//! for it: how one is found among many.

use serde_json::json;

use crate::support::http::send;
use crate::support::logged::Logged;
use crate::support::messages::launch;
use crate::support::process::downlink;
use crate::support::{Request, eventually};

#[test]
fn requests_are_logged_with_their_trace_for_who_asks() {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0"]);
    command.args(["--log", "info,downlink::http::requests=debug"]);
    let service = Logged::start(command);
    let address = service.addresses()[0].parse().unwrap();
    let message = Request::message(&launch("a")).header("traceparent", trace);
    assert_eq!(send(address, &message).status, 200);
    send(address, &Request::get("/rockets?token=secret").header("traceparent", "no-trace"));
    send(address, &Request::get("/rockets").header("host", "elsewhere.example"));
    eventually("all are logged", || service.said("request").len() == 3);
    let said = service.said("request");
    let of = |line: &serde_json::Value| {
        (
            line["method"].clone(),
            line["path"].clone(),
            line["status"].clone(),
            line.get("traceparent").cloned(),
        )
    };
    let said: Vec<_> = said.iter().map(of).collect();
    let expected = [
        (json!("POST"), json!("\"/messages\""), json!(200), Some(json!(trace))),
        (json!("GET"), json!("\"/rockets\""), json!(400), None),
        (json!("GET"), json!("\"/rockets\""), json!(421), None),
    ];
    assert_eq!(said, expected);
    service.stop();
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0"]);
    let service = Logged::start(command);
    let address = service.addresses()[0].parse().unwrap();
    assert_eq!(send(address, &message).status, 200);
    assert!(service.said("request").is_empty());
    service.stop();
}
