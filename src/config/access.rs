//! The flags about access: hosts, origins, tokens. Owns how they are typed; does
//! not own what follows from them (`http::access`).

use std::path::PathBuf;

use clap::Args;
use clap::error::ErrorKind;

use crate::http::access::Access;
use crate::http::access::cors::CorsOrigin;
use crate::http::access::host::AllowedHost;
use crate::http::access::tokens::{TokenFiles, Tokens};

/// As typed.
#[derive(Debug, Args)]
pub struct AccessArguments {
    /// Names or addresses, without a port, that requests may name in Host besides
    /// this machine's own; separated by commas or given one by one
    ///
    /// [default: none; beyond loopback, all]
    #[arg(
        long,
        env = "DOWNLINK_ALLOWED_HOST",
        value_name = "HOST",
        value_delimiter = ',',
        value_parser = allowed_host
    )]
    allowed_host: Vec<AllowedHost>,

    /// Origins whose pages may read, such as <https://status.example.com>;
    /// separated by commas or given one by one
    ///
    /// [default: none]
    #[arg(
        long,
        env = "DOWNLINK_CORS_ORIGIN",
        value_name = "URL",
        value_delimiter = ',',
        value_parser = cors_origin
    )]
    cors_origin: Vec<CorsOrigin>,

    /// File with the tokens that POST /messages needs, one a line; read again at
    /// SIGHUP
    ///
    /// [default: none: anybody may send]
    #[arg(long, env = "DOWNLINK_INGEST_TOKEN_FILE", value_name = "FILE")]
    ingest_token_file: Option<PathBuf>,

    /// File with the tokens that reads of rockets and missions need, one a line;
    /// read again at SIGHUP
    ///
    /// [default: none: anybody may read]
    #[arg(long, env = "DOWNLINK_READ_TOKEN_FILE", value_name = "FILE")]
    read_token_file: Option<PathBuf>,

    /// File with the tokens that POST /gaps/{id}/skip and DELETE /rockets/{id} need,
    /// one a line; read again at SIGHUP. Not needed on addresses of --admin-listen
    ///
    /// [default: none: anybody may if there are no tokens at all, or else nobody]
    #[arg(long, env = "DOWNLINK_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl AccessArguments {
    /// What is valid of it, with what is in the files.
    ///
    /// # Errors
    /// When a file is not as it should be.
    pub fn open(self) -> Result<Access, clap::Error> {
        let tokens = Tokens::of(TokenFiles {
            ingest: self.ingest_token_file,
            read: self.read_token_file,
            admin: self.admin_token_file,
        });
        let failed = |error| clap::Error::raw(ErrorKind::ValueValidation, error);
        Ok(Access {
            allowed_hosts: self.allowed_host,
            cors_origins: self.cors_origin,
            tokens: tokens.map_err(failed)?,
        })
    }
}

fn allowed_host(text: &str) -> Result<AllowedHost, String> {
    AllowedHost::parse(text.trim()).ok_or_else(|| {
        "expected a name or an address without a port, such as downlink.example.com".to_owned()
    })
}

fn cors_origin(text: &str) -> Result<CorsOrigin, String> {
    CorsOrigin::parse(text.trim()).ok_or_else(|| {
        "expected an origin, such as https://status.example.com or http://localhost:3000".to_owned()
    })
}
