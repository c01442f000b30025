//! One page of a listing, for one request: made for it (`making`), or kept for those who
//! take it a little old (`kept`), for whom it is made anew in time (`renewal`). Does not
//! own the parameters, nor listings without a limit (`listing`).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use warp::http::header::{AGE, CONTENT_TYPE, LINK};
use warp::http::{HeaderMap, HeaderValue};
use warp::reply::Response;

use super::context::Context;
use super::kept::{Finished, Found, Key, Looked, allowed_age};
use super::listing::{Envelope, Listing, TOTAL_COUNT};
use super::making::made;
use super::problem::Problem;
use super::renewal::Renewal;

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
