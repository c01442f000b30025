//! Reading the log's keys, where there is no history of them.
//!
//! Owns the reading of everything behind an offset as it stood at one revision: first
//! which keys there are, then, in their order, what stands there. To have etcd sort and
//! cut would cost it the whole log for each page, since it does that last.

use std::collections::VecDeque;

use bytes::Bytes;
use etcd_client::{GetOptions, Txn, TxnOp, TxnOpResponse};

use super::super::{Entry, LogError, LogResult, Offset};
use super::members::LARGE_REQUEST;
use super::requests::Shared;
use super::{failure, keys};

/// Keys in a page: some hundred bytes each, and etcd reads what stands there too.
const PAGE: i64 = 1000;

/// Entries that are read at once: 8 MiB at most.
const AT_ONCE: usize = 16;

/// More than they can be.
const ANSWER: usize = 16 * 1024 * 1024;

/// What is yet to be read.
pub struct CatchUp {
    /// The revision as of which it is read.
    at: i64,
    /// By their revisions.
    keys: VecDeque<(i64, Vec<u8>)>,
}

impl CatchUp {
    /// Lists the keys behind an offset.
    pub async fn new(shared: &Shared, after: Offset) -> LogResult<Self> {
        let after = keys::revision(after);
        let (mut at, mut found) = (0, Vec::new());
        let mut from = shared.keys.log().into_bytes();
        loop {
            let page = page(shared, from, at).await?;
            at = page.at;
            let new = page.keys.iter().filter(|(revision, _)| *revision > after);
            found.extend(new.cloned());
            match page.next {
                Some(next) => from = next,
                None => break,
            }
        }
        found.sort_unstable();
        Ok(Self { at, keys: found.into() })
    }

    /// Up to where all is read, once nothing is left.
    pub fn seen(&self) -> Offset {
        keys::offset(self.at)
    }

    /// The next entries, if any are left.
    pub async fn next(&mut self, shared: &Shared) -> LogResult<Option<Vec<(Offset, Entry)>>> {
        let many = self.keys.len().min(AT_ONCE);
        if many == 0 {
            return Ok(None);
        }
        let (at, wanted) = (self.at, self.keys.iter().take(many));
        let gets = wanted
            .map(|(_, key)| TxnOp::get(key.clone(), Some(GetOptions::new().with_revision(at))));
        let gets = gets.collect::<Vec<_>>();
        let asked = shared.members.ask(LARGE_REQUEST, |client| {
            let mut client = client.kv_client().max_decoding_message_size(ANSWER);
            let gets = Txn::new().and_then(gets.clone());
            async move { client.txn(gets).await.map(Some).or_else(unless_compacted) }
        });
        let Some(answer) = asked.await? else { return Err(compacted()) };
        let mut entries = Vec::with_capacity(many);
        for answer in answer.op_responses() {
            let TxnOpResponse::Get(mut answer) = answer else { continue };
            for kv in answer.take_kvs() {
                let revision = kv.mod_revision();
                let (key, value) = kv.into_key_value();
                entries.push(shared.keys.read(&key, Bytes::from(value), revision)?);
            }
        }
        if entries.len() != many {
            let found = entries.len();
            return Err(LogError::Corrupt(format!("expected {many} entries, found {found}")));
        }
        self.keys.drain(..many);
        Ok(Some(entries))
    }
}

/// Some keys of the log, and what is behind them.
pub struct Page {
    /// As of which revision.
    pub at: i64,
    /// When each was written, and the key, in the order of keys.
    pub keys: Vec<(i64, Vec<u8>)>,
    /// Where the next page begins.
    pub next: Option<Vec<u8>>,
}

/// The keys of the log from this one on, as of a revision, or of now.
pub async fn page(shared: &Shared, from: Vec<u8>, at: i64) -> LogResult<Page> {
    page_of(shared, from, at, PAGE).await
}

/// So many of them.
pub async fn page_of(shared: &Shared, from: Vec<u8>, at: i64, limit: i64) -> LogResult<Page> {
    // Behind all keys of the log: the character behind the '/' that ends their prefix.
    let mut end = shared.keys.log().into_bytes();
    end.pop();
    end.push(b'0');
    let options = GetOptions::new().with_range(end).with_keys_only();
    let options = options.with_limit(limit).with_revision(at);
    let asked = shared.members.ask(LARGE_REQUEST, |mut client| {
        let (from, options) = (from.clone(), options.clone());
        async move { client.get(from, Some(options)).await.map(Some).or_else(unless_compacted) }
    });
    let Some(mut answer) = asked.await? else { return Err(compacted()) };
    let now = answer.header().map(etcd_client::ResponseHeader::revision).unwrap_or_default();
    let more = answer.more();
    let read = |kv: etcd_client::KeyValue| (kv.mod_revision(), kv.into_key_value().0);
    let keys = answer.take_kvs().into_iter().map(read).collect::<Vec<_>>();
    let next = keys.last().filter(|_| more).map(|(_, key)| [key.as_slice(), &[0]].concat());
    Ok(Page { at: if at == 0 { now } else { at }, keys, next })
}

fn unless_compacted<T>(error: etcd_client::Error) -> Result<Option<T>, etcd_client::Error> {
    if failure::is_compacted(&error) { Ok(None) } else { Err(error) }
}

/// Ends this reading; whoever reads on from where it came to begins another.
fn compacted() -> LogError {
    LogError::Unreachable("etcd's history was compacted while it was read".to_owned())
}
