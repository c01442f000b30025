//! `GET /docs`: the service's description of itself as a page, by Swagger UI. Owns
//! what its files are sent with. Does not own what they show (`openapi`); the only
//! file that names the crate which holds them.

use std::borrow::Cow;
use std::io::Read;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use flate2::read::GzDecoder;
use tokio::task::spawn_blocking;
use utoipa_swagger_ui::{Config, SwaggerFile};
use warp::http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, VARY};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use super::codings::Coding;
use super::compression;
use super::etag::Epoch;
use super::problem::Problem;
use super::respond::{decode_segment, no_parameters};
use crate::fleet::outcome::QueryError;
use crate::telemetry::shown::Quoted;

/// The page loads what is beside it, asks this service, and does nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

/// Relative to the page, so that it holds behind a proxy with a prefix too.
const DOCUMENT: &str = "../openapi.json";

/// Where the page is, from the same path without a slash at its end: what it is made
/// of is beside it.
const PAGE: HeaderValue = HeaderValue::from_static("docs/");

/// Without what needs styles in the page itself, and asks another site for a badge.
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::new([DOCUMENT]).use_base_layout().validator_url("none")));

/// The page, or where it is.
///
/// # Errors
/// 400 for any parameter; 503 when the service is just stopping.
pub async fn get(
    epoch: Epoch,
    has_slash: bool,
    headers: HeaderMap,
    parameters: &str,
) -> Result<Response, Problem> {
    if has_slash {
        return get_file(epoch, "index.html", headers, parameters).await;
    }
    no_parameters(parameters)?;
    let mut response = Response::default();
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, PAGE);
    Ok(response)
}

/// One of the files that the page is made of.
///
/// # Errors
/// 400 for any parameter, 404 for what is none of them; 503 when the service is just
/// stopping.
pub async fn get_file(
    epoch: Epoch,
    segment: &str,
    headers: HeaderMap,
    parameters: &str,
) -> Result<Response, Problem> {
    no_parameters(parameters)?;
    let name = decode_segment(segment)?;
    let served = utoipa_swagger_ui::serve(&name, CONFIG.clone());
    let file = served.expect("the files of the page are texts of ours");
    let unknown = || Problem::not_found(format!("the page has no file {}", Quoted(&name)));
    let file = file.ok_or_else(unknown)?;
    let takes_gzip = compression::takes_gzip(&headers);
    epoch.of_build().answer(&headers, respond(file, takes_gzip)).await
}

async fn respond(file: SwaggerFile<'static>, takes_gzip: bool) -> Result<Response, Problem> {
    let SwaggerFile { bytes, content_type, gzpipped: is_compressed, .. } = file;
    let bytes = match bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    let bytes = if is_compressed && !takes_gzip {
        spawn_blocking(move || decompressed(&bytes)).await.map_err(|_| QueryError::Stopping)?
    } else {
        bytes
    };
    let mut response = Response::new(bytes.into());
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_str(&content_type);
    headers.insert(CONTENT_TYPE, content_type.expect("a media type is a header's value"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_compressed && takes_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(Coding::Gzip.name()));
    }
    Ok(response)
}

fn decompressed(bytes: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    let read = GzDecoder::new(bytes).read_to_end(&mut plain);
    read.expect("it was compressed when this was built");
    plain.into()
}
