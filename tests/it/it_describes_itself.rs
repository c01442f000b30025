//! The service describes itself: the document has every route and method of the
//! table and no other, its examples are of its schemas, and so is every answer that
//! the other tests get (`support/described.rs`).

use std::collections::BTreeSet;
use std::io::Read;

use downlink::http::openapi::document;
use downlink::http::routes::{ROUTES, Side};
use serde_json::{Value, json};

use crate::support::described::is_valid;
use crate::support::messages::launch;
use crate::support::{Request, Service, problem};

/// Paths with their methods, in lower case.
type Operations = BTreeSet<(String, String)>;

fn described(side: Side) -> Operations {
    let document = document(side);
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Value)| -> Vec<_> {
        item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())).collect()
    };
    paths.iter().flat_map(methods).collect()
}

#[test]
fn the_document_has_every_route_of_the_table_and_no_other() {
    for side in [Side::Only, Side::Main, Side::Admin] {
        let routed: Operations = side
            .routes()
            .flat_map(|it| it.methods.iter().map(|method| (it.path, method)))
            .map(|(path, method)| (path.to_owned(), method.as_str().to_ascii_lowercase()))
            .collect();
        let described = described(side);
        let missing: Vec<_> = routed.difference(&described).collect();
        assert!(missing.is_empty(), "not described in http/openapi: {missing:?}");
        let unknown: Vec<_> = described.difference(&routed).collect();
        assert!(unknown.is_empty(), "described, and not in the table: {unknown:?}");
    }
}

#[test]
fn no_two_operations_have_one_name() {
    let document = document(Side::Only);
    let operations = document["paths"].as_object().unwrap().values().flat_map(|item| {
        item.as_object().unwrap().values().map(|it| it["operationId"].as_str().unwrap())
    });
    let mut names: Vec<_> = operations.collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "{names:?}");
    assert!(count > ROUTES.len());
}

/// Every schema that stands beside an example, with the examples.
fn examples<'a>(document: &'a Value, value: &'a Value, found: &mut Vec<(&'a Value, &'a Value)>) {
    if let Some(schema) = value.get("schema") {
        found.extend(value.get("example").map(|example| (schema, example)));
        for example in value["examples"].as_object().into_iter().flatten() {
            let example = match example.1["$ref"].as_str() {
                Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
                None => example.1,
            };
            found.push((schema, &example["value"]));
        }
    }
    let inner: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    for inner in inner {
        examples(document, inner, found);
    }
}

#[test]
fn every_example_is_of_its_schema_and_there_is_one_of_each_error() {
    let document = document(Side::Only);
    let mut found = Vec::new();
    examples(&document, &document["paths"], &mut found);
    examples(&document, &document["components"]["responses"], &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for (schema, example) in &found {
        assert!(is_valid(schema, example), "{example} is not as {schema}");
    }
    let kinds: BTreeSet<_> = found.iter().filter_map(|(_, it)| it["type"].as_str()).collect();
    let all = document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"].clone();
    for kind in all.as_array().unwrap() {
        let kind = kind.as_str().unwrap();
        // Two that no route answers with: there is no path, or nothing to say.
        let is_of_none = ["/problems/bad-target", "about:blank"].contains(&kind);
        assert_ne!(kinds.contains(kind), is_of_none, "{kind}");
    }
}

/// Messages that the service takes, and some that it does not, are told apart by the
/// schema of a message just as they are by the service.
#[test]
fn the_schema_of_a_message_is_what_the_service_takes() {
    let document = document(Side::Only);
    let schema = &document["paths"]["/messages"]["post"]["requestBody"]["content"]["application/json"]
        ["schema"];
    let service = Service::start();
    let good = launch("a");
    let change = |pointer: &str, value: Value| {
        let mut message = good.clone();
        *message.pointer_mut(pointer).unwrap() = value;
        message
    };
    let mut without = good.clone();
    without["message"].as_object_mut().unwrap().remove("mission");
    let mut more = good.clone();
    more["metadata"]["more"] = true.into();
    for (message, is_one) in [
        (good.clone(), true),
        (more, true),
        (without, false),
        (json!({}), false),
        (change("/metadata/messageNumber", json!(0)), false),
        (change("/metadata/messageNumber", json!(i64::MAX)), true),
        (change("/metadata/messageNumber", json!("1")), false),
        (change("/metadata/messageType", json!("RocketLost")), false),
        (change("/metadata/messageType", json!("RocketExploded")), false),
        (change("/metadata/channel", json!("")), false),
        (change("/metadata/channel", json!("x".repeat(128))), true),
        (change("/metadata/channel", json!("x".repeat(129))), false),
        (change("/metadata/channel", json!("a\u{7}b")), false),
        (change("/message/launchSpeed", json!(-1)), false),
        (change("/message/launchSpeed", json!(500.0)), true),
        (change("/message/launchSpeed", json!(500.5)), false),
        (change("/message/mission", json!("")), false),
        (change("/message/mission", json!("x".repeat(256))), true),
        (change("/message/mission", json!("x".repeat(257))), false),
        (change("/message", json!([])), false),
    ] {
        assert_eq!(is_valid(schema, &message), is_one, "{message}");
        let status = service.send(&Request::message(&message)).status;
        assert_eq!(status, if is_one { 200 } else { 422 }, "{message}");
    }
}

#[test]
fn the_document_is_served_once_for_all_and_each_side_has_its_own() {
    let service = Service::start();
    let answer = service.send(&Request::get("/openapi.json"));
    assert_eq!(answer.json(), document(Side::Only));
    let tag = answer.header("etag").unwrap();
    let again = Request::get("/openapi.json").header("if-none-match", tag);
    assert_eq!(service.send(&again).status, 304);
    assert_ne!(described(Side::Main), described(Side::Admin));
    problem(&service.send(&Request::get("/openapi.json?x=1")), 400);
}

#[test]
fn the_page_is_made_of_files_beside_it_and_asks_nobody_else() {
    let service = Service::start();
    let moved = service.send(&Request::get("/docs"));
    assert_eq!((moved.status, moved.header("location")), (308, Some("docs/")));
    let page = service.send(&Request::get("/docs/"));
    assert_eq!(page.header("content-type"), Some("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = page.text();
    let links = page.split(['"', '\'']).filter_map(|it| it.strip_prefix("./"));
    let links: BTreeSet<_> = links.collect();
    assert!(links.len() > 3, "{page}");
    for link in links {
        let target = format!("/docs/{link}");
        let plain = service.send(&Request::get(&target));
        assert_eq!((plain.status, plain.header("content-encoding")), (200, None), "{link}");
        let gzip = Request::get(&target).header("accept-encoding", "gzip, br, zstd");
        let compressed = service.send(&gzip);
        if compressed.header("content-encoding") == Some("gzip") {
            let mut text = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&compressed.body[..]);
            decoder.read_to_end(&mut text).unwrap();
            assert_eq!(text, plain.body, "{link}");
        } else {
            assert_eq!(compressed.body, plain.body, "{link}");
        }
    }
    let start = service.send(&Request::get("/docs/swagger-initializer.js")).text();
    assert!(start.contains("\"../openapi.json\"") && start.contains("BaseLayout"), "{start}");
    problem(&service.send(&Request::get("/docs/nothing.js")), 404);
    problem(&service.send(&Request::get("/docs/..%2Fsecret")), 404);
}
