//! The shared log on etcd.
//!
//! Owns the translation of the seam's terms into etcd's. Does not own how members are
//! reached (`members`), and nothing of what is in an entry.
//!
//! An append is a transaction that creates the entry's key unless it is there, so that
//! a repeat changes nothing. The order is that of etcd's revisions, of which every
//! transaction gets the next; an entry's offset is its key's. The tail is a watch.
//!
//! Only a repeat that was under way all the time from before its entry was seen until
//! after it was trimmed finds no key, and has the entry stand in the log once more,
//! behind everything else.
//!
//! * `keys`: what stands where.
//! * `failure`: what errors mean.
//! * `members`: who is asked, how long.
//! * `requests`: what is asked of them in one go.
//! * `tail`, `catch_up`: reading.
//! * `trim`: forgetting.

mod catch_up;
mod failure;
mod keys;
mod members;
mod requests;
mod tail;
mod trim;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use self::keys::Keys;
use self::members::{Members, REQUEST};
use self::requests::Shared;
use super::{Entry, LogError, LogName, LogResult, Offset, SharedLog};

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
        Ok(Self { shared: Arc::new(Shared { members, keys, is_in_doubt: AtomicBool::new(false) }) })
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
