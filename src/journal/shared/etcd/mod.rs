//! The shared log on etcd.
//!
//! Owns the translation of the seam's terms into etcd's. Does not own how members are
//! reached ([`members`]), and nothing of what is in an entry.
//!
//! An append is a transaction that creates the entry's key unless it is there, so that
//! a repeat changes nothing. The order is that of etcd's revisions, of which every
//! transaction gets the next; an entry's offset is its key's. The tail is a watch.
//!
//! Only a repeat that was under way all the time from before its entry was seen until
//! after it was trimmed finds no key, and has the entry stand in the log once more,
//! behind everything else.
//!
//! * [`keys`]: what stands where.
//! * [`failure`]: what errors mean.
//! * [`members`]: who is asked, how long.
//! * [`tail`], [`catch_up`]: reading.
//! * [`trim`]: forgetting.

mod catch_up;
mod failure;
mod keys;
mod members;
mod tail;
mod trim;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use etcd_client::{
    Certificate, Compare, CompareOp, ConnectOptions, GetOptions, Identity, SortOrder, SortTarget,
    TlsOptions, Txn, TxnOp,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use self::keys::Keys;
use self::members::{Members, REQUEST};
use super::{Entry, LogError, LogName, LogResult, MAX_ENTRY, Offset, SharedLog};

/// What keys begin with, unless one chooses otherwise.
pub const PREFIX: &str = "downlink/";

/// Where etcd is, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// Its members, as `host:port`, `http://host:port` or `https://host:port`.
    pub endpoints: Vec<String>,
    /// What all keys begin with: several logs may share an etcd.
    pub prefix: String,
    /// For TLS; `https://` endpoints without it are not trusted.
    pub tls: Option<EtcdTls>,
    /// A user and its password.
    pub user: Option<EtcdUser>,
}

/// Files in PEM.
#[derive(Clone, Debug, Default)]
pub struct EtcdTls {
    /// Who vouches for etcd's certificate.
    pub ca: PathBuf,
    /// Our own certificate and its key, for an etcd that asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name in etcd's certificate, if it is not the endpoint's.
    pub domain: Option<String>,
}

/// Who etcd lets in.
#[derive(Clone)]
pub struct EtcdUser {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for EtcdUser {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the password.
        formatter.debug_struct("EtcdUser").field("name", &self.name).finish_non_exhaustive()
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct EtcdLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    members: Members,
    keys: Keys,
}

impl EtcdLog {
    /// Reads the files that the options name. Connects with the first call, so that one
    /// may start while etcd is away.
    ///
    /// # Errors
    /// [`LogError::Refused`] if no endpoint is named or a file cannot be read.
    pub fn connect(options: &EtcdOptions) -> LogResult<Self> {
        if options.endpoints.is_empty() {
            return Err(LogError::Refused("no member of etcd is named".to_owned()));
        }
        let mut connect = ConnectOptions::new()
            // A member that is cut off from the others says so, rather than nothing.
            .with_require_leader(true)
            .with_connect_timeout(REQUEST)
            .with_auto_token_refresh(true);
        if let Some(user) = &options.user {
            connect = connect.with_user(&user.name, &user.password);
        }
        if let Some(tls) = &options.tls {
            connect = connect.with_tls(read(tls)?);
        }
        let members = Members::new(&options.endpoints, &connect);
        let keys = Keys::new(&options.prefix);
        Ok(Self { shared: Arc::new(Shared { members, keys }) })
    }
}

impl SharedLog for EtcdLog {
    fn name(&self) -> BoxFuture<'_, LogResult<LogName>> {
        self.shared.name().boxed()
    }

    fn append(&self, entry: Entry) -> BoxFuture<'_, LogResult<()>> {
        self.shared.append(entry).boxed()
    }

    fn tail(&self, after: Offset) -> BoxStream<'static, LogResult<(Offset, Entry)>> {
        tail::tail(Arc::clone(&self.shared), after)
    }

    fn head(&self) -> BoxFuture<'_, LogResult<Offset>> {
        self.shared.head().boxed()
    }

    fn trim(&self, up_to: Offset) -> BoxFuture<'_, LogResult<()>> {
        trim::trim(&self.shared, up_to).boxed()
    }

    fn trimmed(&self) -> BoxFuture<'_, LogResult<Offset>> {
        self.shared.trimmed().boxed()
    }

    fn size(&self) -> BoxFuture<'_, LogResult<u64>> {
        self.shared.size().boxed()
    }

    fn announce(&self, node: &str, what: Bytes) -> BoxFuture<'_, LogResult<()>> {
        let key = self.shared.keys.node(node);
        async move { self.shared.put(key?, what).await }.boxed()
    }

    fn announced(&self) -> BoxFuture<'_, LogResult<Vec<(String, Bytes)>>> {
        self.shared.announced().boxed()
    }

    fn withdraw(&self, node: &str) -> BoxFuture<'_, LogResult<()>> {
        let key = self.shared.keys.node(node);
        async move { self.shared.delete(key?).await }.boxed()
    }
}

impl Shared {
    async fn name(&self) -> LogResult<LogName> {
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

    async fn append(&self, entry: Entry) -> LogResult<()> {
        if entry.bytes.len() > MAX_ENTRY {
            let found = entry.bytes.len();
            let text = format!("expected an entry of at most {MAX_ENTRY} bytes, found {found}");
            return Err(LogError::Refused(text));
        }
        let (key, head) = (self.keys.entry(&entry.id)?, self.keys.head(&entry.id.node)?);
        let id = keys::shown(&entry.id)?;
        let asked = self.members.ask(REQUEST, |mut client| {
            let create = Txn::new()
                .when([Compare::create_revision(&*key, CompareOp::Equal, 0)])
                .and_then([TxnOp::put(&*key, &*entry.bytes, None), TxnOp::put(&*head, &*id, None)]);
            async move { client.txn(create).await }
        });
        asked.await.map(drop)
    }

    async fn head(&self) -> LogResult<Offset> {
        let answer = self.members.ask(REQUEST, |mut client| {
            let heads = self.keys.heads();
            async move { client.get(heads, Some(latest())).await }
        });
        Ok(last(answer.await?.kvs()))
    }

    async fn trimmed(&self) -> LogResult<Offset> {
        let answer = self.members.ask(REQUEST, |mut client| {
            let key = self.keys.trimmed();
            async move { client.get(key, None).await }
        });
        mark(answer.await?.kvs())
    }

    /// What is in use of the database's file, of which etcd's quota bounds the whole: it
    /// grows only when nothing in it is free, and shrinks when it is defragmented.
    async fn size(&self) -> LogResult<u64> {
        let members = &self.members;
        let asked = members.ask_all(REQUEST, |mut client| async move { client.status().await });
        let sizes = asked.await?.into_iter().map(|status| status.raft_used_db_size());
        Ok(u64::try_from(sizes.max().unwrap_or_default()).unwrap_or_default())
    }

    async fn announced(&self) -> LogResult<Vec<(String, Bytes)>> {
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

    async fn put(&self, key: String, value: Bytes) -> LogResult<()> {
        let asked = self.members.ask(REQUEST, |mut client| {
            let (key, value) = (key.clone(), value.clone());
            async move { client.put(key, value, None).await }
        });
        asked.await.map(drop)
    }

    async fn delete(&self, key: String) -> LogResult<()> {
        let asked = self.members.ask(REQUEST, |mut client| {
            let key = key.clone();
            async move { client.delete(key, None).await }
        });
        asked.await.map(drop)
    }
}

/// The key of a prefix that was written last.
fn latest() -> GetOptions {
    GetOptions::new()
        .with_prefix()
        .with_keys_only()
        .with_sort(SortTarget::Mod, SortOrder::Descend)
        .with_limit(1)
}

/// When the first of these was written.
fn last(kvs: &[etcd_client::KeyValue]) -> Offset {
    keys::offset(kvs.first().map(etcd_client::KeyValue::mod_revision).unwrap_or_default())
}

/// What the mark of trimming says.
fn mark(kvs: &[etcd_client::KeyValue]) -> LogResult<Offset> {
    kvs.first().map_or(Ok(Offset::default()), |kv| keys::offset_in(kv.value()))
}

/// 128 random bits: from the secret of a hash that nobody has seen.
fn random() -> String {
    let secret = RandomState::new();
    format!("{:016x}{:016x}", secret.hash_one(0_u8), secret.hash_one(1_u8))
}

fn read(tls: &EtcdTls) -> LogResult<TlsOptions> {
    let file = |path: &Path| {
        let failed = |error| LogError::Refused(format!("cannot read {}: {error}", path.display()));
        std::fs::read(path).map_err(failed)
    };
    let mut options = TlsOptions::new().ca_certificate(Certificate::from_pem(file(&tls.ca)?));
    if let Some((certificate, key)) = &tls.identity {
        options = options.identity(Identity::from_pem(file(certificate)?, file(key)?));
    }
    if let Some(domain) = &tls.domain {
        options = options.domain_name(domain);
    }
    Ok(options)
}
