//! The service describes itself: the document has every route and method of the
//! table and no other, its examples are of its schemas, and so is every answer that
//! the other tests get (`support/described.rs`).

use std::collections::BTreeSet;

use downlink::http::openapi::document;
use downlink::http::routes::{ROUTES, Side};
use serde_json::Value;

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
