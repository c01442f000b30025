//! Makes a page of a listing: once for all who ask for the same at the same moment
//! (`joint`). Does not own who asks, nor what is kept of it (`page`, `renewal`).

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::context::Context;
use super::kept::{Finished, Key, Made};
use super::listing::{Envelope, in_one};
use crate::fleet::outcome::QueryError;
use crate::fleet::query::Selection;

/// What whoever asks now gets, together with others who ask for the same.
///
/// # Errors
/// When the fleet does not answer in time.
pub async fn made(context: &Arc<Context>, key: &Key, envelope: Envelope) -> Made {
    let deadline = Instant::now() + context.config.request_timeout;
    let work = || make(context.clone(), key.selection.clone(), envelope);
    let waiting = context.pages_made.join(key.clone(), work);
    let (finished, joined) =
        timeout_at(deadline, waiting).await.map_err(|_| QueryError::NotMade)?;
    let pages = &context.figures.pages;
    if joined { &pages.joined } else { &pages.asked }.add(1);
    finished
}

async fn make(context: Arc<Context>, selection: Selection, envelope: Envelope) -> Made {
    let begun = Instant::now();
    let deadline = begun + context.config.request_timeout;
    let version = context.fleet.version()?;
    let sort = selection.sort;
    let page = context.fleet.rockets(Arc::new(selection), deadline).await?;
    let next = page.rockets.last().filter(|_| page.more).map(|last| sort.position(last));
    let json = in_one(envelope, page.rockets, deadline).await?.into();
    Ok(Arc::new(Finished { json, total: page.total, next, version, begun }))
}
