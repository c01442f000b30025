//! From the files that flags name to what connections are encrypted with. Owns
//! what is wrong with a file and how that reads; does not own when it is read
//! again.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use thiserror::Error;

use super::certificate::Validity;
use crate::http::reading;

/// What certificates are given by.
pub const CERT: &str = "--tls-cert";
const KEY: &str = "--tls-key";
const CLIENT_CA: &str = "--tls-client-ca";

/// Largest file that is read: a chain has some 5 KB, all authorities that browsers
/// trust 250 KB.
const LARGEST_FILE: u64 = 1 << 20;

/// All that is spoken. A client that insists on something else is refused.
const PROTOCOL: &[u8] = b"http/1.1";

/// Where certificates and keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the service's own certificate first.
    pub cert: PathBuf,
    /// The private key of the first one.
    pub key: PathBuf,
    /// Who issues clients' certificates, which are not asked for without it.
    pub client_ca: Option<PathBuf>,
}

/// A file that cannot be used; says which flag names it.
#[derive(Debug, Error)]
#[error("{flag} {}: {problem}", path.display())]
pub struct TlsError {
    flag: &'static str,
    path: PathBuf,
    problem: String,
}

/// What was read, all of it at one time.
pub struct Loaded {
    /// For new connections.
    pub config: Arc<ServerConfig>,
    /// Of all of the chain.
    pub validity: Option<Validity>,
    /// Anybody on this machine may read the private key.
    pub key_is_open: bool,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of the key.
        to.debug_struct("Loaded").field("validity", &self.validity).finish_non_exhaustive()
    }
}

/// What some editors begin a file with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl TlsFiles {
    /// Reads and checks all of them.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn load(&self) -> Result<Loaded, TlsError> {
        // Given explicitly, so that it does not matter what other crates may bring.
        let provider = Arc::new(default_provider());
        let chain = certificates(CERT, &self.cert)?;
        let (key, key_is_open) = private_key(&self.key)?;
        let validity = chain.iter().filter_map(|it| Validity::of(it)).reduce(Validity::and);
        let in_cert = |error: rustls::Error| self.cert_error(&error);
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(in_cert)?;
        let builder = match &self.client_ca {
            Some(path) => builder.with_client_cert_verifier(client_verifier(path, provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(in_cert)?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // Clients keep their sessions themselves, however many they are. The keys
        // are new each time, so that nobody goes on with a session that was begun
        // under other certificates.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new().map_err(in_cert)?;
        Ok(Loaded { config: Arc::new(config), validity, key_is_open })
    }

    /// What was found only once the certificate and the key were put together.
    fn cert_error(&self, error: &rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let cert = self.cert.display();
                let problem = format!("the key does not belong to the first certificate in {cert}");
                failed(KEY, &self.key, problem)
            }
            // As rustls has it for a key that its provider makes nothing of.
            rustls::Error::General(problem) => failed(KEY, &self.key, problem),
            error => failed(CERT, &self.cert, error),
        }
    }
}

fn failed(flag: &'static str, path: &Path, problem: impl fmt::Display) -> TlsError {
    TlsError { flag, path: path.to_owned(), problem: problem.to_string() }
}

fn client_verifier(
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(CLIENT_CA, path)? {
        roots.add(certificate).map_err(|error| failed(CLIENT_CA, path, error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| failed(CLIENT_CA, path, error))
}

/// The certificates in a file; at least one.
fn certificates(flag: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (text, _) = read(flag, path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| in_pem(flag, path, error))?;
    if found.is_empty() {
        let what = if holds(&text, "PRIVATE KEY-----") { "a private key and " } else { "" };
        return Err(failed(flag, path, format!("the file holds {what}no certificate in PEM")));
    }
    Ok(found)
}

/// The private key in a file, and whether everybody may read it.
fn private_key(path: &Path) -> Result<(PrivateKeyDer<'static>, bool), TlsError> {
    let (text, mode) = read(KEY, path)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            let problem = if holds(&text, "BEGIN ENCRYPTED PRIVATE KEY") {
                "the key is encrypted; openssl pkey writes it without a passphrase"
            } else if holds(&text, "BEGIN CERTIFICATE") {
                "the file holds a certificate and no private key"
            } else {
                "the file holds no private key in PEM"
            };
            failed(KEY, path, problem)
        }
        error => in_pem(KEY, path, error),
    })?;
    Ok((key, mode & 0o004 != 0))
}

/// What is wrong with a file's form, in letters.
fn in_pem(flag: &'static str, path: &Path, error: pem::Error) -> TlsError {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            let label = String::from_utf8_lossy(&end_marker);
            failed(flag, path, format!("the file breaks off: -----END {label}----- is missing"))
        }
        error => failed(flag, path, error),
    }
}

fn holds(text: &[u8], what: &str) -> bool {
    memchr::memmem::find(text, what.as_bytes()).is_some()
}

/// A file, and its mode.
fn read(flag: &'static str, path: &Path) -> Result<(Vec<u8>, u32), TlsError> {
    let read = || {
        let file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode();
        let mut text = Vec::new();
        file.take(LARGEST_FILE + 1).read_to_end(&mut text)?;
        if text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        Ok((text, mode))
    };
    let (text, mode) = reading::file(flag, path, read)
        .map_err(|error: std::io::Error| failed(flag, path, format!("cannot read it: {error}")))?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(failed(flag, path, "the file is larger than 1 MiB"));
    }
    Ok((text, mode))
}
