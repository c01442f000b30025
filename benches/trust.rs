//! TLS for clients of measurements: whom they trust, and a session. Shared by the
//! suite and its client.

use std::io::{Error, Result};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Trusts the certificates in a file.
pub fn trust(file: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(Error::other)? {
        roots.add(certificate.map_err(Error::other)?).map_err(Error::other)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(Error::other)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// A session with this machine, which has not begun.
pub fn session(trusted: Arc<ClientConfig>) -> Result<ClientConnection> {
    let name = ServerName::try_from("localhost").map_err(Error::other)?;
    ClientConnection::new(trusted, name).map_err(Error::other)
}
