//! TLS on the TCP addresses: certificates as they are by now. Does not own what is
//! read out of a file (`files`), nor the handshake (`handshake`).
//!
//! TLS lies between hyper and the connection's socket (`socket`), whose counts and
//! time limits are those of what goes over the network.

mod certificate;
pub mod files;
pub mod handshake;

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use time::{Duration, OffsetDateTime};
use tracing::{info, warn};

use self::certificate::shown;
use self::files::{Loaded, TlsError, TlsFiles};

/// A certificate that ends sooner is warned about: those who renew by themselves
/// have done so by then.
const SOON: Duration = Duration::days(10);

/// Certificates and keys of the service, which can be read again while it runs.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<Loaded>,
}

impl Tls {
    /// Reads certificates and keys.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let current = ArcSwap::from_pointee(files.load()?);
        Ok(Arc::new(Self { files, current }))
    }

    /// Reads them anew. What is returned has them taken, for connections from then
    /// on; those that there are live on as they are.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn read_again(
        self: &Arc<Self>,
    ) -> Result<impl FnOnce() + Send + 'static + use<>, TlsError> {
        let found = Arc::new(self.files.load()?);
        let tls = self.clone();
        Ok(move || {
            tls.current.store(found);
            tls.tell("certificates were read again");
        })
    }

    /// Logs `what` there is by now, and what may be wrong with it.
    pub fn tell(&self, what: &str) {
        let Loaded { validity, key_is_open, .. } = &**self.current.load();
        let file = self.files.cert.display();
        let now = OffsetDateTime::now_utc();
        if *key_is_open {
            let file = self.files.key.display();
            warn!(%file, "everybody on this machine may read the private key; chmod o= the file");
        }
        let Some(validity) = validity else {
            info!(%file, "{what}");
            return;
        };
        let until = shown(validity.ends);
        info!(%file, until, "{what}");
        if validity.ends < now {
            warn!(%file, until, "the certificate has expired: clients will refuse it");
        } else if validity.begins > now {
            let from = shown(validity.begins);
            warn!(%file, from, "the certificate is not valid yet: clients will refuse it");
        } else if validity.ends < now + SOON {
            warn!(%file, until, "the certificate expires soon");
        }
    }

    /// Whether clients have to show certificates.
    #[must_use]
    pub fn knows_clients(&self) -> bool {
        self.files.client_ca.is_some()
    }

    /// For one connection.
    fn config(&self) -> Arc<ServerConfig> {
        self.current.load().config.clone()
    }
}
