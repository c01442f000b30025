//! One page of a listing: made once for all who ask for the same at the same moment
//! (`joint`), and kept for those who take it a little old (`kept`), for whom it is made
//! anew in time (`renewal`). Does not own the parameters, nor listings without a limit
//! (`listing`).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use warp::http::header::{AGE, CONTENT_TYPE, LINK};
use warp::http::{HeaderMap, HeaderValue};
use warp::reply::Response;

use super::context::Context;
use super::kept::{Finished, Found, Key, Looked, Made, allowed_age};
use super::listing::{Envelope, Listing, TOTAL_COUNT, in_one};
use super::problem::Problem;
use super::renewal::Renewal;
use crate::fleet::outcome::QueryError;
use crate::fleet::query::Selection;

/// A page for one request.
pub struct Served {
    finished: Arc<Finished>,
    /// If it was kept.
    age: Option<Duration>,
}

/// The page that `listing` asks for, which must have a limit; `version` is of the
/// fleet when it was asked for.
///
/// # Errors
/// 503 when the fleet does not answer in time.
pub async fn find(
    context: &Arc<Context>,
    headers: &HeaderMap,
    listing: &Listing,
    envelope: Envelope,
    version: u64,
) -> Result<Served, Problem> {
    let key = Key { selection: listing.selection.clone(), prefix: envelope.prefix.clone() };
    let of_key = listing.parameter_bytes() + key.prefix.len();
    let allowed = allowed_age(headers);
    let kept = &context.pages_kept;
    let Some(allowed) = allowed else {
        let finished = made(context, &key, envelope).await?;
        return Ok(Served { finished, age: None });
    };
    let Looked { found, follower } = kept.find(&key, allowed, version, Instant::now());
    let renewal = follower
        .map(|follower| Renewal::new(context, key.clone(), of_key, follower, envelope.clone()));
    let served = if let Some(Found { finished, age }) = found {
        context.figures.pages.kept.add(1);
        Served { finished, age: Some(age) }
    } else {
        let finished = made(context, &key, envelope).await?;
        kept.keep(key, of_key, finished.clone());
        Served { finished, age: None }
    };
    if let Some(renewal) = renewal {
        tokio::spawn(renewal.run());
    }
    Ok(served)
}

/// What whoever asks now gets, together with others who ask for the same.
pub(super) async fn made(context: &Arc<Context>, key: &Key, envelope: Envelope) -> Made {
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

impl Served {
    /// How many rockets of the fleet meet the conditions.
    #[must_use]
    pub fn total(&self) -> usize {
        self.finished.total
    }

    /// The answer to who asked, which is 304 if they have it.
    ///
    /// # Errors
    /// None of its own.
    pub async fn respond(
        self,
        context: &Context,
        headers: &HeaderMap,
        listing: &Listing,
    ) -> Result<Response, Problem> {
        let Self { finished, age } = self;
        let tag = context.epoch.of_fleet(finished.version);
        let page = async {
            let mut response = Response::new(finished.json.clone().into());
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(TOTAL_COUNT, HeaderValue::from(finished.total));
            if let Some(next) = &finished.next {
                headers.insert(LINK, listing.next_link(next));
            }
            Ok(response)
        };
        let mut response = tag.answer(headers, page).await?;
        if let Some(age) = age {
            response.headers_mut().insert(AGE, HeaderValue::from(age.as_secs()));
        }
        Ok(response)
    }
}
