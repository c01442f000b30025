//! Forgetting what every node has.
//!
//! Owns the deletion of entries, and the compaction that gives their room back for new
//! ones. First of all the mark is set that says how far, so that nobody takes for the
//! whole log what is left of it. Several nodes may do this at once.
//!
//! Entries are found by their keys, run by run from the first on, until a page of them is
//! new: what stands in another order than its numbers by more than a page is left for
//! another time.
//!
//! etcd's history is compacted up to what is left of the log, so that a slow reader's
//! watch goes on. What is deleted now is in the history of that, and its room is free when
//! this is done again, or at once if nothing is left.

use etcd_client::{Compare, CompareOp, Txn, TxnOp};

use super::super::{LogError, LogResult, Offset};
use super::catch_up::page_of;
use super::failure;
use super::keys::{self, Keys};
use super::members::{LARGE_REQUEST, REQUEST};
use super::requests::{Shared, mark};

/// Keys of a page, and of a deletion: etcd takes 128 operations at most.
const PAGE: i64 = 100;

/// How often the mark is tried to be set, when others set it too.
const TRIES: usize = 8;

/// See [`SharedLog::trim`](super::super::SharedLog::trim).
pub async fn trim(shared: &Shared, up_to: Offset) -> LogResult<()> {
    // Else entries to come would be trimmed.
    let head = shared.head().await?;
    if up_to > head {
        return Err(LogError::Behind { head });
    }
    // Somebody may have come farther, and not have deleted all of it.
    let up_to = keys::revision(set_mark(shared, up_to).await?);
    let Some(until) = delete(shared, up_to).await? else { return Ok(()) };
    compact(shared, until).await
}

/// Sets the mark to at least this, and returns how far it is.
async fn set_mark(shared: &Shared, up_to: Offset) -> LogResult<Offset> {
    for _ in 0..TRIES {
        let key = shared.keys.trimmed();
        let asked = shared.members.ask(REQUEST, |mut client| {
            let key = key.clone();
            async move { client.get(key, None).await }
        });
        let answer = asked.await?;
        let stands = mark(answer.kvs())?;
        if stands >= up_to {
            return Ok(stands);
        }
        let seen = answer.kvs().first().map(etcd_client::KeyValue::mod_revision);
        let value = keys::value_of(up_to);
        let asked = shared.members.ask(REQUEST, |mut client| {
            let unchanged =
                Compare::mod_revision(&*key, CompareOp::Equal, seen.unwrap_or_default());
            let put = TxnOp::put(&*key, &*value, None);
            async move { client.txn(Txn::new().when([unchanged]).and_then([put])).await }
        });
        if asked.await?.succeeded() {
            return Ok(up_to);
        }
    }
    Err(LogError::Unreachable("others trim the log all the time".to_owned()))
}

/// Deletes entries, and returns the revision of which no reader needs the history, if
/// there is any.
async fn delete(shared: &Shared, up_to: i64) -> LogResult<Option<i64>> {
    let mut from = shared.keys.log().into_bytes();
    let (mut at, mut left) = (0, None::<i64>);
    loop {
        let page = page_of(shared, from, at, PAGE).await?;
        at = page.at;
        let (old, new): (Vec<_>, Vec<_>) =
            page.keys.into_iter().partition(|(revision, _)| *revision <= up_to);
        left = left.into_iter().chain(new.iter().map(|(revision, _)| *revision)).min();
        let is_new = old.is_empty();
        if !is_new {
            let deleted = delete_keys(shared, old).await?;
            // Of the next page nobody asks for what is deleted now.
            at = at.max(deleted);
        }
        match (page.next, new.last()) {
            (Some(_), Some((_, key))) if is_new => from = Keys::behind_run(key),
            (Some(next), _) => from = next,
            (None, _) => break,
        }
    }
    // With nothing left, up to where that was seen; else up to the first that is left.
    Ok(Some(left.map_or(at, |left| left - 1)).filter(|until| *until > 0))
}

async fn delete_keys(shared: &Shared, keys: Vec<(i64, Vec<u8>)>) -> LogResult<i64> {
    let asked = shared.members.ask(LARGE_REQUEST, |mut client| {
        let deletes = keys.iter().map(|(_, key)| TxnOp::delete(key.clone(), None));
        let deletes = Txn::new().and_then(deletes.collect::<Vec<_>>());
        async move { client.txn(deletes).await }
    });
    let answer = asked.await?;
    Ok(answer.header().map(etcd_client::ResponseHeader::revision).unwrap_or_default())
}

async fn compact(shared: &Shared, until: i64) -> LogResult<()> {
    let asked = shared.members.ask(LARGE_REQUEST, |mut client| async move {
        match client.compact(until, None).await {
            // Somebody did so.
            Err(error) if failure::is_compacted(&error) => Ok(()),
            compacted => compacted.map(drop),
        }
    });
    asked.await
}
