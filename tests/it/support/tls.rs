//! Certificates, files of them, and a client that speaks TLS.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use downlink::http::tls::files::TlsFiles;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use tempfile::TempDir;

use super::{Connection, PATIENCE};

/// Somebody who issues certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// In PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate that is good for this machine.
    pub fn issue(&self) -> Pair {
        self.issue_for("localhost", |_| {})
    }

    pub fn issue_for(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        // Else two of them look alike in a failing test.
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Pair { cert: cert.pem(), key: key.serialize_pem() }
    }
}

impl Pair {
    /// The certificate as it is shown to the other side.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()
    }
}

/// Files that a service is given.
pub struct Files {
    directory: TempDir,
}

impl Files {
    pub fn new(pair: &Pair) -> Self {
        let files = Self { directory: tempfile::tempdir().unwrap() };
        files.put(pair);
        files
    }

    /// Puts another pair there.
    pub fn put(&self, Pair { cert, key }: &Pair) {
        self.write("cert.pem", cert);
        self.write("key.pem", key);
    }

    pub fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn flags(&self) -> [String; 2] {
        let flag = |flag, name| format!("--tls-{flag}={}", self.path(name).display());
        [flag("cert", "cert.pem"), flag("key", "key.pem")]
    }

    pub fn names(&self) -> TlsFiles {
        TlsFiles { cert: self.path("cert.pem"), key: self.path("key.pem"), client_ca: None }
    }

    /// With one that has to vouch for clients.
    pub fn for_clients_of(&self, authority: &Authority) -> TlsFiles {
        self.write("client-ca.pem", &authority.pem());
        TlsFiles { client_ca: Some(self.path("client-ca.pem")), ..self.names() }
    }
}

pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;
pub type TlsConnection = Connection<TlsStream>;

/// What a client trusts and shows.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    pub fn in_authority(authority: &Authority) -> Self {
        Self::with(authority, None, rustls::DEFAULT_VERSIONS)
    }

    pub fn showing(authority: &Authority, shown: &Pair) -> Self {
        Self::with(authority, Some(shown), rustls::DEFAULT_VERSIONS)
    }

    pub fn with(
        authority: &Authority,
        shown: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        Self(Arc::new(match shown {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![pair.der()], key).unwrap()
            }
        }))
    }

    /// The same, and nothing but this protocol.
    pub fn speaking(&self, protocol: &str) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = vec![protocol.into()];
        Self(Arc::new(config))
    }

    /// Connects and shakes hands.
    #[track_caller]
    pub fn connect(&self, address: SocketAddr) -> TlsConnection {
        self.try_connect(address).unwrap()
    }

    pub fn try_connect(&self, address: SocketAddr) -> io::Result<TlsConnection> {
        self.try_over(TcpStream::connect(address)?)
    }

    pub fn try_over(&self, mut stream: TcpStream) -> io::Result<TlsConnection> {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut session = self.session();
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(Connection::over(StreamOwned::new(session, stream)))
    }

    fn session(&self) -> ClientConnection {
        let name = ServerName::try_from("localhost").unwrap();
        ClientConnection::new(self.0.clone(), name).unwrap()
    }

    /// What a client sends first.
    pub fn hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        self.session().write_tls(&mut hello).unwrap();
        hello
    }
}

/// The certificate that the service showed.
pub fn shown(connection: &TlsConnection) -> CertificateDer<'static> {
    connection.get_ref().conn.peer_certificates().unwrap()[0].clone().into_owned()
}

/// A key that everybody may read.
pub fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}
