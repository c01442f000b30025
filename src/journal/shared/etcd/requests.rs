//! Requests that are one question and one answer. Owns their transactions; does not own
//! who answers (`members`), nor reading on and forgetting (`tail`, `trim`).

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{
    Compare, CompareOp, GetOptions, SortOrder, SortTarget, StatusResponse, Txn, TxnOp,
};

use super::super::{Entry, LogError, LogName, LogResult, MAX_ENTRY, Offset};
use super::keys::{self, Keys};
use super::members::{Members, REQUEST};

/// How long an append has after one of which nothing was heard: with a leader goes
/// whatever its followers had sent it, and whatever they send until they miss it. So
/// who waits for long finds the next one late.
const APPEND_AGAIN: Duration = Duration::from_millis(500);

/// What all that reads and writes the log shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub members: Members,
    pub keys: Keys,
    /// Whether the last append that ended had not been answered.
    pub is_in_doubt: AtomicBool,
}

impl Shared {
    pub async fn name(&self) -> LogResult<LogName> {
        // Looks first: a log that is full has a name too.
        if let Some(name) = self.named().await? {
            return Ok(name);
        }
        let (key, mine) = (self.keys.name(), random());
        let asked = self.members.ask(REQUEST, |mut client| {
            let create = Txn::new()
                .when([Compare::create_revision(&*key, CompareOp::Equal, 0)])
                .and_then([TxnOp::put(&*key, &*mine, None)]);
            async move { client.txn(create).await }
        });
        asked.await?;
        let corrupt = || LogError::Corrupt("expected the log's name, found none".to_owned());
        self.named().await?.ok_or_else(corrupt)
    }

    async fn named(&self) -> LogResult<Option<LogName>> {
        let asked = self.members.ask(REQUEST, |mut client| {
            let key = self.keys.name();
            async move { client.get(key, None).await }
        });
        let answer = asked.await?;
        let value = answer.kvs().first().map(|kv| String::from_utf8_lossy(kv.value()));
        Ok(value.map(|name| LogName(name.into_owned())))
    }

    pub async fn append(&self, entry: Entry) -> LogResult<()> {
        if entry.bytes.len() > MAX_ENTRY {
            let found = entry.bytes.len();
            let text = format!("expected an entry of at most {MAX_ENTRY} bytes, found {found}");
            return Err(LogError::Refused(text));
        }
        let (key, head) = (self.keys.entry(&entry.id)?, self.keys.head(&entry.id.node)?);
        let id = keys::shown(&entry.id)?;
        let is_in_doubt = self.is_in_doubt.load(Ordering::Relaxed);
        let within = if is_in_doubt { APPEND_AGAIN } else { REQUEST };
        let asked = self.members.ask(within, |mut client| {
            let create = Txn::new()
                .when([Compare::create_revision(&*key, CompareOp::Equal, 0)])
                .and_then([TxnOp::put(&*key, &*entry.bytes, None), TxnOp::put(&*head, &*id, None)]);
            async move { client.txn(create).await }
        });
        let appended = asked.await.map(drop);
        let is_in_doubt = matches!(appended, Err(LogError::Unreachable(_)));
        self.is_in_doubt.store(is_in_doubt, Ordering::Relaxed);
        appended
    }

    pub async fn head(&self) -> LogResult<Offset> {
        let answer = self.members.ask(REQUEST, |mut client| {
            let heads = self.keys.heads();
            async move { client.get(heads, Some(latest())).await }
        });
        Ok(last(answer.await?.kvs()))
    }

    pub async fn trimmed(&self) -> LogResult<Offset> {
        let answer = self.members.ask(REQUEST, |mut client| {
            let key = self.keys.trimmed();
            async move { client.get(key, None).await }
        });
        mark(answer.await?.kvs())
    }

    /// What is in use of the database's file, of which etcd's quota bounds the whole: it
    /// grows only when nothing in it is free, and shrinks when it is defragmented.
    ///
    /// Members say in the same breath who leads, and the leader is asked from then on.
    pub async fn size(&self) -> LogResult<u64> {
        let members = &self.members;
        let asked = members.ask_all(REQUEST, |mut client| async move { client.status().await });
        let said = asked.await?;
        if let Some(at) = leader(&said) {
            members.turn_to(at);
        }
        let sizes = said.iter().map(|(_, status)| status.raft_used_db_size());
        Ok(u64::try_from(sizes.max().unwrap_or_default()).unwrap_or_default())
    }

    pub async fn announced(&self) -> LogResult<Vec<(String, Bytes)>> {
        let nodes = self.keys.nodes();
        let asked = self.members.ask(REQUEST, |mut client| {
            let nodes = nodes.clone();
            async move { client.get(nodes, Some(GetOptions::new().with_prefix())).await }
        });
        let read = |kv: etcd_client::KeyValue| {
            let (key, value) = kv.into_key_value();
            let name = key.get(nodes.len()..).unwrap_or_default();
            (String::from_utf8_lossy(name).into_owned(), Bytes::from(value))
        };
        Ok(asked.await?.take_kvs().into_iter().map(read).collect())
    }

    pub async fn put(&self, key: String, value: Bytes) -> LogResult<()> {
        let asked = self.members.ask(REQUEST, |mut client| {
            let (key, value) = (key.clone(), value.clone());
            async move { client.put(key, value, None).await }
        });
        asked.await.map(drop)
    }

    pub async fn delete(&self, key: String) -> LogResult<()> {
        let asked = self.members.ask(REQUEST, |mut client| {
            let key = key.clone();
            async move { client.delete(key, None).await }
        });
        asked.await.map(drop)
    }
}

/// Who of these leads, and says so itself. One that was cut off may think so for a while,
/// in an earlier term.
fn leader(said: &[(usize, StatusResponse)]) -> Option<usize> {
    let leads = |status: &StatusResponse| {
        status.header().is_some_and(|it| it.member_id() == status.leader())
    };
    let leaders = said.iter().filter(|(_, status)| leads(status));
    leaders.max_by_key(|(_, status)| status.raft_term()).map(|(at, _)| *at)
}

/// The key of a prefix that was written last.
pub(super) fn latest() -> GetOptions {
    GetOptions::new()
        .with_prefix()
        .with_keys_only()
        .with_sort(SortTarget::Mod, SortOrder::Descend)
        .with_limit(1)
}

/// When the first of these was written.
pub(super) fn last(kvs: &[etcd_client::KeyValue]) -> Offset {
    keys::offset(kvs.first().map(etcd_client::KeyValue::mod_revision).unwrap_or_default())
}

/// What the mark of trimming says.
pub(super) fn mark(kvs: &[etcd_client::KeyValue]) -> LogResult<Offset> {
    kvs.first().map_or(Ok(Offset::default()), |kv| keys::offset_in(kv.value()))
}

/// 128 random bits: from the secret of a hash that nobody has seen.
fn random() -> String {
    let secret = RandomState::new();
    format!("{:016x}{:016x}", secret.hash_one(0_u8), secret.hash_one(1_u8))
}
