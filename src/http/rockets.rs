//! `GET /rockets`, `GET /rockets/{id}` and `DELETE /rockets/{id}`.

use std::sync::Arc;

use tokio::time::Instant;
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::context::Context;
use super::listing::{self, Envelope, Listing};
use super::page;
use super::problem::Problem;
use super::respond::{decode_segment, json, no_parameters};
use crate::fleet::outcome::{ForgetError, ForgetRefusal};
use crate::fleet::view::Lookup;
use crate::telemetry::Channel;
use crate::telemetry::shown::Quoted;

/// All launched rockets, or a page of them.
///
/// # Errors
/// 400 for a bad parameter, 503 when the fleet does not answer in time.
pub async fn list(
    context: Arc<Context>,
    headers: HeaderMap,
    parameters: String,
) -> Result<Response, Problem> {
    let listing = Listing::parse(&parameters)?;
    let version = context.fleet.version()?;
    let tag = context.epoch.of_fleet(version);
    if listing.is_page() && !tag.is_known(&headers) {
        let page = page::find(&context, &headers, &listing, Envelope::array(), version).await?;
        return page.respond(&context, &headers, &listing).await;
    }
    let rockets = async {
        let first = listing::first_page(&context, &listing).await?;
        listing::respond(context, listing, first, Envelope::array()).await
    };
    tag.answer(&headers, rockets).await
}

/// One launched rocket.
///
/// # Errors
/// 400 for any parameter, 404 when it is unknown or not launched yet, 503 when
/// the fleet does not answer in time.
pub async fn get(
    context: Arc<Context>,
    segment: &str,
    headers: HeaderMap,
    parameters: &str,
) -> Result<Response, Problem> {
    no_parameters(parameters)?;
    let id = decode_segment(segment)?;
    let unknown = || Problem::not_found(format!("no rocket with the ID {} is known", Quoted(&id)));
    // What cannot be a channel has sent no message.
    let channel = Channel::parse(&id).map_err(|_| unknown())?;
    let deadline = Instant::now() + context.config.request_timeout;
    match context.fleet.rocket(channel, deadline).await? {
        Lookup::Found(rocket) => {
            let tag = context.epoch.of_rocket(&rocket);
            tag.answer(&headers, async { Ok(json(&rocket)) }).await
        }
        Lookup::NotLaunched { buffered_messages, lost_messages: 1.. } => {
            Err(Problem::not_found(format!(
                "the rocket {} is not launched: its first messages were declared lost, and no launch \
             came since; messages waiting for an earlier one: {buffered_messages}",
                Quoted(&id)
            )))
        }
        Lookup::NotLaunched { buffered_messages, .. } => Err(Problem::not_found(format!(
            "the rocket {} is not launched yet: its launch message is missing; \
             messages waiting for an earlier one: {buffered_messages}",
            Quoted(&id)
        ))),
        Lookup::Unknown => Err(unknown()),
    }
}

/// Forgets a rocket, launched or not.
///
/// # Errors
/// 400 for any parameter, 404 when it is unknown, 503 when that could not be kept, or
/// the rocket not archived.
pub async fn delete(
    context: Arc<Context>,
    segment: &str,
    parameters: &str,
) -> Result<Response, Problem> {
    no_parameters(parameters)?;
    let id = decode_segment(segment)?;
    let unknown = || Problem::not_found(format!("no rocket with the ID {} is known", Quoted(&id)));
    let channel = Channel::parse(&id).map_err(|_| unknown())?;
    let deadline = Instant::now() + context.config.request_timeout;
    match context.fleet.forget(channel, deadline).await {
        Ok(()) => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        Err(ForgetError::Refused(ForgetRefusal::Unknown)) => Err(unknown()),
        Err(error) => Err(error.into()),
    }
}
