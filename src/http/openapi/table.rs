//! What follows from the table of routes: which paths there are on a side, which
//! token a route needs, which errors it answers with, and that HEAD is a GET without
//! a body. Does not own what a route takes and gives (the nouns), nor what errors look
//! like (`problems`).

use serde_json::{Map, Value, json};
use utoipa::ToResponse;
use warp::http::Method;

use super::problems::{self, header};
use crate::http::routes::{Route, Scope, Side};

/// What the client has is what there is.
#[derive(ToResponse)]
pub struct NotModified;

/// Adds all that to a document which has the nouns.
pub fn complete(document: &mut Value, side: Side) {
    let described = document["paths"].as_object_mut().expect("a document has paths");
    described.retain(|path, _| side.routes().any(|route| route.path == path));
    for (path, methods) in described.iter_mut() {
        let methods = methods.as_object_mut().expect("a path has methods");
        let has = |method: &String| {
            let is_it = |it: &Method| name(it) == *method;
            side.routes().any(|route| route.path == path && route.methods.iter().any(is_it))
        };
        methods.retain(|method, _| has(method));
    }
    for route in side.routes() {
        // One that is not described is found by the test.
        let Some(path) = described.get_mut(route.path).and_then(Value::as_object_mut) else {
            continue;
        };
        for method in route.methods.iter().filter(|method| *method != Method::HEAD) {
            if let Some(operation) = path.get_mut(&name(method)) {
                complete_operation(operation, route, method);
            }
        }
        if let Some(get) = path.get("get").filter(|_| route.methods.contains(&Method::HEAD)) {
            let head = headless(get);
            path.insert(name(&Method::HEAD), head);
        }
    }
    let token = |says: &str| json!({ "type": "http", "scheme": "bearer", "description": says });
    document["components"]["securitySchemes"] = json!({
        "ingest": token("One of `--ingest-token-file`, where there is one."),
        "read": token("One of `--read-token-file`, where there is one."),
        "operate": token("One of `--admin-token-file`; not asked for on `--admin-listen`."),
    });
}

fn name(method: &Method) -> String {
    method.as_str().to_ascii_lowercase()
}

fn complete_operation(operation: &mut Value, route: &Route, method: &Method) {
    let scheme = match route.scope {
        Scope::Ingest => Some("ingest"),
        Scope::Read => Some("read"),
        Scope::Operate => Some("operate"),
        Scope::Open => None,
    };
    // Or none, where the service runs without tokens.
    let security = scheme.map(|scheme| json!([{ scheme: [] }, {}]));
    operation["security"] = security.unwrap_or_else(|| json!([]));
    let responses = operation["responses"].as_object_mut().expect("each has responses");
    for (status, problem) in problems::of(route, method) {
        responses.entry(status.to_string()).or_insert(problem);
    }
    if responses.contains_key("304") {
        let headers = &mut responses["200"]["headers"];
        if headers.is_null() {
            *headers = json!({});
        }
        headers["ETag"] = header("Stands for this state, for `If-None-Match`.");
        headers["Cache-Control"] = header("Whoever keeps it asks before it is used again.");
        let given = operation["parameters"].as_array().cloned().unwrap_or_default();
        operation["parameters"] = [
            given,
            vec![json!({
                "name": "If-None-Match",
                "in": "header",
                "required": false,
                "description": "Tags of what the client has, or `*`.",
                "schema": { "type": "string" },
            })],
        ]
        .concat()
        .into();
    }
}

/// The same without what stands in bodies.
fn headless(get: &Value) -> Value {
    let mut head = get.clone();
    let id = get["operationId"].as_str().unwrap_or_default();
    head["operationId"] = id.replacen("get", "head", 1).replacen("list", "head", 1).into();
    head["responses"] = json!({});
    for (status, response) in get["responses"].as_object().into_iter().flatten() {
        let mut bare = Map::new();
        let says = &response["description"];
        let says = says.as_str().unwrap_or("As of GET, without its body.");
        bare.insert("description".to_owned(), says.into());
        bare.extend(response.get("headers").map(|it| ("headers".to_owned(), it.clone())));
        head["responses"][status] = Value::Object(bare);
    }
    head
}
