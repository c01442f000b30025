//! `GET /`: what there is to ask for here, as the table of routes has it.

use serde::Serialize;
use utoipa::ToSchema;
use warp::http::Method;
use warp::reply::Response;

use super::problem::Problem;
use super::respond::{json, no_parameters};
use super::routes::Side;

/// What there is to ask for.
#[derive(Serialize, ToSchema)]
pub(super) struct Index {
    service: &'static str,
    version: &'static str,
    endpoints: Vec<Endpoint>,
}

#[derive(Serialize, ToSchema)]
struct Endpoint {
    path: &'static str,
    methods: Vec<&'static str>,
}

/// All paths of this side and their methods.
///
/// # Errors
/// 400 for any parameter.
pub fn get(side: Side, parameters: &str) -> Result<Response, Problem> {
    no_parameters(parameters)?;
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for route in side.routes() {
        let methods = route.methods.iter().map(Method::as_str);
        // A path may have lines for several endpoints.
        match endpoints.last_mut().filter(|last| last.path == route.path) {
            Some(last) => last.methods.extend(methods),
            None => endpoints.push(Endpoint { path: route.path, methods: methods.collect() }),
        }
    }
    Ok(json(&Index { service: "downlink", version: env!("CARGO_PKG_VERSION"), endpoints }))
}
