//! Holds every answer that the client gets against what the service says of itself:
//! its status must be described, and its body be of that schema with no field more.
//! Does not own the client (`http`).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use downlink::http::openapi;
use downlink::http::routes::{self, NoRoute, ROUTES, Side};
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use warp::http::Method;

use super::http::Response;

/// The service's document, in which no object has a field that is not listed.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = openapi::document(Side::Only);
    close(&mut document["components"]["schemas"]);
    document
});

/// Made once for each answer that is described.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Has every object that stands in a field or a list no other fields than those of
/// its schema, unless that says otherwise. What is composed with others of one object
/// stays open, for those have their own.
fn close(value: &mut Value) {
    let Some(object) = value.as_object_mut() else {
        return value.as_array_mut().into_iter().flatten().for_each(close);
    };
    for (key, inner) in object.iter_mut() {
        match key.as_str() {
            "properties" => inner.as_object_mut().unwrap().values_mut().for_each(close_one),
            "items" => close_one(inner),
            "enum" | "const" | "example" | "examples" | "default" => {}
            _ => close(inner),
        }
    }
}

fn close_one(schema: &mut Value) {
    close(schema);
    if let Some(schema) = schema.as_object_mut()
        && ["$ref", "properties", "allOf", "oneOf"].iter().any(|it| schema.contains_key(*it))
        && !schema.contains_key("additionalProperties")
    {
        schema.entry("unevaluatedProperties").or_insert(false.into());
    }
}

/// What is described of the answer to a request, if the request is.
enum Described<'a> {
    /// By status.
    Responses(&'a Map<String, Value>),
    /// It leads nowhere.
    Nothing,
}

fn described(method: &Method, path: &str) -> Described<'static> {
    match routes::find(Side::Only, method, path) {
        Ok(found) => {
            let route = ROUTES.iter().find(|route| route.endpoint == found.endpoint).unwrap();
            let operation = &DOCUMENT["paths"][route.path][method.as_str().to_ascii_lowercase()];
            Described::Responses(operation["responses"].as_object().unwrap_or_else(|| {
                panic!("{method} {} is not described in http/openapi", route.path)
            }))
        }
        Err(NoRoute::UnknownPath | NoRoute::WrongMethod(_)) => Described::Nothing,
    }
}

fn resolve(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// Asserts that `answer` is one that the service says it gives to such a request.
#[track_caller]
pub fn check(method: &str, target: &str, answer: &Response) {
    let Response { status, .. } = answer;
    let media = answer.header("content-type").unwrap_or_default();
    let media = media.split(';').next().unwrap().trim();
    let is_from_below = matches!(status, 400 | 431) && media.is_empty();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let is_preflight = method == Method::OPTIONS && *status == 204;
    if is_from_below || is_preflight || answer.header("content-encoding").is_some() {
        return;
    }
    // One that names its host.
    let path = target
        .strip_prefix("http://")
        .map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
    let path = path.split(['?', '#']).next().unwrap();
    let shown = || format!("{method} {target}: {status} {media} {}", answer.text());
    let of_problems = json!({ "$ref": "#/components/schemas/Problem" });
    let is_elsewhere = || answer.text().contains(r#""detail":"there is nothing at"#);
    let schema = match described(&method, path) {
        Described::Responses(responses) => match responses.get(&status.to_string()) {
            // The other side has it.
            None if *status == 404 && is_elsewhere() => of_problems,
            // The other side has that method there.
            None if *status == 405 => of_problems,
            None => panic!("this status is not described in http/openapi: {}", shown()),
            Some(response) => {
                let Some(content) = resolve(response)["content"].as_object() else {
                    return assert!(answer.body.is_empty(), "no body is described: {}", shown());
                };
                let described = content.iter().find(|(it, _)| it.split(';').next() == Some(media));
                let (_, described) =
                    described.unwrap_or_else(|| panic!("this type is not described: {}", shown()));
                described["schema"].clone()
            }
        },
        Described::Nothing if method == Method::HEAD => return,
        Described::Nothing => of_problems,
    };
    if !matches!(media, "application/json" | "application/problem+json") {
        return;
    }
    let body = answer.json();
    let validator = validator(schema);
    let errors: Vec<_> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "not as http/openapi describes it: {errors:?} in {}", shown());
}

/// Whether a value is of a schema of the document, which may have further fields.
pub fn is_valid(schema: &Value, value: &Value) -> bool {
    let mut schema = schema.clone();
    schema["components"] = openapi::document(Side::Only)["components"].clone();
    jsonschema::draft202012::new(&schema).unwrap().is_valid(value)
}

fn validator(mut schema: Value) -> Arc<Validator> {
    close_one(&mut schema);
    let key = schema.to_string();
    let mut validators = VALIDATORS.lock().unwrap();
    let made = validators.entry(key).or_insert_with(|| {
        schema["components"] = json!({ "schemas": DOCUMENT["components"]["schemas"] });
        Arc::new(jsonschema::draft202012::new(&schema).unwrap())
    });
    made.clone()
}

#[test]
fn a_field_too_much_and_one_too_few_are_found() {
    let mut whole = json!({
        "type": "/problems/not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "no",
        "error": "no",
    });
    let schema = || {
        DOCUMENT["components"]["responses"]["NotFound"]["content"]
        ["application/problem+json"]["schema"]
        .clone()
    };
    assert!(validator(schema()).is_valid(&whole));
    whole["type"] = "/problems/not-json".into();
    assert!(!validator(schema()).is_valid(&whole), "another kind");
    whole["type"] = "/problems/not-found".into();
    whole["more"] = 1.into();
    assert!(!validator(schema()).is_valid(&whole), "one too much");
    let less = json!({ "type": "/problems/not-found", "title": "Not Found", "status": 404 });
    assert!(!validator(schema()).is_valid(&less), "one too few");
    let tally = json!({ "applied": 0, "buffered": 0, "duplicate": 0, "rejected": 1, "errors": [
        { "line": 1, "error": "no" },
    ] });
    let of_tally = || json!({ "$ref": "#/components/schemas/Tally" });
    assert!(validator(of_tally()).is_valid(&tally));
    let mut more = tally;
    more["errors"][0]["more"] = 1.into();
    assert!(!validator(of_tally()).is_valid(&more), "one too much within");
}
