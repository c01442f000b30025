//! The log of a cluster, as it was configured. Owns what is read of the files for it;
//! does not own what the log does (`journal/shared`), nor what a node does with it
//! (`cluster`).

use std::sync::Arc;

use super::cluster::Cluster;
use crate::config::cluster::{ClusterConfig, EngineConfig, Reads};
use crate::journal::shared::SharedLog;

/// What makes the service a node. Connects to nobody yet.
///
/// # Errors
/// When a file cannot be read, and in a build that has no log in it.
pub fn open(config: &ClusterConfig) -> Result<Cluster, String> {
    Ok(Cluster {
        log: log(&config.engine)?,
        node: config.node.as_str().into(),
        local_reads: config.reads == Reads::Local,
        policy: config.policy,
        advertise: config.advertise.clone(),
        token: config.token_file.as_deref().map(token).transpose()?,
    })
}

/// The token that other nodes ask for.
fn token(file: &std::path::Path) -> Result<super::cluster::PeerToken, String> {
    let wrong =
        |error: &dyn std::fmt::Display| format!("--cluster-token-file {}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let text = text.trim();
    let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let token = is_token.then(|| super::cluster::PeerToken::new(text)).flatten();
    token.ok_or_else(|| wrong(&"expected one token and nothing else"))
}

/// The log, in a build that has none in it.
///
/// # Errors
/// Always.
#[cfg(not(feature = "etcd"))]
pub fn log(_: &EngineConfig) -> Result<Arc<dyn SharedLog>, String> {
    Err("--cluster: this is a build without etcd".to_owned())
}

/// The log. Connects to nobody yet.
///
/// # Errors
/// When a file cannot be read.
#[cfg(feature = "etcd")]
pub fn log(config: &EngineConfig) -> Result<Arc<dyn SharedLog>, String> {
    use crate::journal::shared::etcd::{EtcdLog, EtcdOptions, EtcdTls, EtcdUser};

    let user = config.user.as_ref().map(|(name, file)| {
        let text = std::fs::read_to_string(file);
        let text =
            text.map_err(|error| format!("--cluster-password-file {}: {error}", file.display()))?;
        let password = text.trim_end_matches(['\r', '\n']).to_owned();
        if password.is_empty() {
            return Err(format!("--cluster-password-file {}: it is empty", file.display()));
        }
        Ok(EtcdUser { name: name.clone(), password })
    });
    let tls =
        config.ca.clone().map(|ca| EtcdTls { ca, identity: config.identity.clone(), domain: None });
    let options = EtcdOptions {
        endpoints: config.endpoints.clone(),
        prefix: config.prefix.clone(),
        tls,
        user: user.transpose()?,
    };
    let log = EtcdLog::connect(&options).map_err(|error| format!("--cluster: {error}"))?;
    Ok(Arc::new(log))
}
