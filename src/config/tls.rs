//! The flags of TLS. Owns which of them go together; does not own what is in the
//! files (`http::tls::files`).

use std::path::PathBuf;

use clap::error::ErrorKind;

use crate::http::tls::files::TlsFiles;

/// As typed.
#[derive(Debug, clap::Args)]
pub struct TlsArguments {
    /// Certificate chain in PEM, the service's own first: all TCP addresses then
    /// speak HTTPS; read again at SIGHUP
    ///
    /// [default: none, plain HTTP]
    #[arg(long = "tls-cert", env = "DOWNLINK_TLS_CERT", value_name = "FILE")]
    cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM; read again at SIGHUP
    ///
    /// [default: none, as long as there is no --tls-cert]
    #[arg(long = "tls-key", env = "DOWNLINK_TLS_KEY", value_name = "FILE")]
    key: Option<PathBuf>,

    /// Only clients whose certificate was issued by one of these, in PEM; read
    /// again at SIGHUP
    ///
    /// [default: none, clients need no certificate]
    #[arg(long = "tls-client-ca", env = "DOWNLINK_TLS_CLIENT_CA", value_name = "FILE")]
    client_ca: Option<PathBuf>,
}

impl TlsArguments {
    /// Finds flags without those that they need. clap's `requires` would find them
    /// in the environment too soon, which is read one variable at a time.
    ///
    /// # Errors
    /// When one is missing; names it.
    pub fn check(&self) -> Result<(), clap::Error> {
        let given = [
            ("--tls-cert", self.cert.is_some()),
            ("--tls-key", self.key.is_some()),
            ("--tls-client-ca", self.client_ca.is_some()),
        ];
        let Some((some, _)) = given.into_iter().find(|(_, is_given)| *is_given) else {
            return Ok(());
        };
        match given[..2].iter().find(|(_, is_given)| !is_given) {
            Some((missing, _)) => {
                let text = format!("{missing} is missing, which {some} needs\n");
                Err(clap::Error::raw(ErrorKind::MissingRequiredArgument, text))
            }
            None => Ok(()),
        }
    }

    /// The files, if there is to be TLS.
    pub fn files(self) -> Option<TlsFiles> {
        let (cert, key) = self.cert.zip(self.key)?;
        Some(TlsFiles { cert, key, client_ca: self.client_ca })
    }
}
