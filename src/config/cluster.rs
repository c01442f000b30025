//! The flags of a node of a cluster. Owns how they are typed and which of them go
//! together; does not own what is in the files, nor the log (`app::engine`).

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};

use super::choices::Durability;
use super::parse::{count, size};
use crate::fleet::cluster::digests::STRIDE;
use crate::fleet::cluster::peers::Policy;

/// More nodes than one log feeds.
const MOST_COPIES: u64 = 64;

/// More than etcd should ever hold: 1 TiB.
const LARGEST_LOG: u64 = 1 << 40;

const COPIES: usize = 2;
const LOG_LIMIT: u64 = 1 << 30;

/// What etcd listens on unless it is told otherwise.
const PORT: u16 = 2379;

/// What the keys of a log begin with where no path says so.
const PREFIX: &str = "downlink";

/// How the flags begin that belong to these.
const NAME: &str = "--cluster";

/// What a read on a node sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reads {
    /// Every message that any node acknowledged before it
    Linearizable,
    /// What is on this node already; waits for nobody
    Local,
}

/// Where the log is, as typed.
#[derive(Args, Debug)]
pub struct EngineArguments {
    /// The cluster whose log is in this etcd, to be a node of:
    /// <etcd://host:2379,host2:2379/prefix>, or etcds:// for TLS
    ///
    /// [default: none: a service alone]
    #[arg(long, env = "DOWNLINK_CLUSTER", value_name = "URL", value_parser = place)]
    cluster: Option<Place>,

    /// Who vouches for etcd's certificate, in PEM; etcd is then spoken to over TLS
    ///
    /// [default: none, no TLS]
    #[arg(long, env = "DOWNLINK_CLUSTER_CA", value_name = "FILE")]
    cluster_ca: Option<PathBuf>,

    /// Certificate for an etcd that asks for one, in PEM
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_CLUSTER_CERT", value_name = "FILE")]
    cluster_cert: Option<PathBuf>,

    /// Private key of that certificate, in PEM
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_CLUSTER_KEY", value_name = "FILE")]
    cluster_key: Option<PathBuf>,

    /// User of etcd
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_CLUSTER_USER", value_name = "NAME")]
    cluster_user: Option<String>,

    /// File with that user's password
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_CLUSTER_PASSWORD_FILE", value_name = "FILE")]
    cluster_password_file: Option<PathBuf>,
}

/// As typed.
#[derive(Args, Debug)]
pub struct ClusterArguments {
    #[command(flatten)]
    engine: EngineArguments,

    /// What this node is called, as no other of the cluster is; needed with --cluster
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_NODE", value_name = "NAME", value_parser = node)]
    node: Option<String>,

    /// What reads on this node see
    ///
    /// [default: linearizable]
    #[arg(long, env = "DOWNLINK_READS", value_enum, ignore_case = true)]
    reads: Option<Reads>,

    /// Nodes that must have stored a part of the log for themselves before it is
    /// trimmed
    ///
    /// [default: 2]
    #[arg(long, env = "DOWNLINK_COPIES", value_name = "N", value_parser = count::<MOST_COPIES>)]
    copies: Option<NonZeroUsize>,

    /// Bytes that the log may take in etcd, below etcd's own quota; beyond it
    /// messages are refused with 503
    ///
    /// [default: 1GiB]
    #[arg(long, env = "DOWNLINK_LOG_LIMIT", value_name = "SIZE", value_parser = size::<LARGEST_LOG>)]
    log_limit: Option<usize>,

    /// Where other nodes reach this one, as http://host:port, to fetch what it has
    /// stored
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_ADVERTISE", value_name = "URL", value_parser = peer)]
    advertise: Option<String>,

    /// File with the token that other nodes ask this one for, one of their
    /// --admin-token-file
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_CLUSTER_TOKEN_FILE", value_name = "FILE")]
    cluster_token_file: Option<PathBuf>,
}

/// Where the log of a cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// `host:port` of each member.
    members: Vec<String>,
    prefix: String,
    over_tls: bool,
}

/// How the log of a cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Its members, as `http://host:port` or `https://host:port`.
    pub endpoints: Vec<String>,
    /// What its keys begin with.
    pub prefix: String,
    /// Who vouches for it; none without TLS.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// A user, and the file with its password.
    pub user: Option<(String, PathBuf)>,
}

impl fmt::Display for EngineConfig {
    /// Its members, and what keys begin with.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}/{}", self.endpoints.join(","), self.prefix.trim_end_matches('/'))
    }
}

/// What makes the service a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Where the log is.
    pub engine: EngineConfig,
    /// Who this node is.
    pub node: String,
    /// What reads see.
    pub reads: Reads,
    /// How much of the log is kept.
    pub policy: Policy,
    /// Where other nodes reach this one.
    pub advertise: Option<String>,
    /// The file with the token that they ask for.
    pub token_file: Option<PathBuf>,
}

impl ClusterConfig {
    /// What counts where a flag of this name was not given, as it is written.
    pub(super) fn by_default(flag: &str) -> Option<String> {
        match flag {
            "reads" => Some("\"linearizable\"".to_owned()),
            "copies" => Some(COPIES.to_string()),
            "log-limit" => Some(LOG_LIMIT.to_string()),
            _ => None,
        }
    }
}

impl ClusterArguments {
    /// What is valid of it; none for a service alone.
    ///
    /// # Errors
    /// When one flag is there without another that it needs, or cannot be used in this
    /// build.
    pub fn validate(self, durability: Durability) -> Result<Option<ClusterConfig>, clap::Error> {
        let Some(engine) = self.engine.validate()? else {
            return match self.given() {
                Some(flag) => Err(missing(NAME, flag)),
                None => Ok(None),
            };
        };
        if durability == Durability::Memory {
            let text = "--cluster cannot be used with --durability memory: a node stores how far \
                        it has read the log\n";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, text));
        }
        let Some(node) = self.node else { return Err(missing("--node", NAME)) };
        Ok(Some(ClusterConfig {
            engine,
            node,
            reads: self.reads.unwrap_or(Reads::Linearizable),
            policy: Policy {
                copies: self.copies.map_or(COPIES, NonZeroUsize::get),
                log_limit: self.log_limit.map_or(LOG_LIMIT, |limit| limit as u64),
                stride: STRIDE,
            },
            advertise: self.advertise,
            token_file: self.cluster_token_file,
        }))
    }

    /// A flag that says something of a cluster.
    fn given(&self) -> Option<&'static str> {
        let given = [
            ("--node", self.node.is_some()),
            ("--reads", self.reads.is_some()),
            ("--copies", self.copies.is_some()),
            ("--log-limit", self.log_limit.is_some()),
            ("--advertise", self.advertise.is_some()),
            ("--cluster-token-file", self.cluster_token_file.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
    }
}

impl EngineArguments {
    /// What is valid of it; none without `--cluster`.
    ///
    /// # Errors
    /// When one flag is there without another that it needs, or cannot be used in this
    /// build.
    pub fn validate(&self) -> Result<Option<EngineConfig>, clap::Error> {
        let given = [
            ("--cluster-ca", self.cluster_ca.is_some()),
            ("--cluster-cert", self.cluster_cert.is_some()),
            ("--cluster-key", self.cluster_key.is_some()),
            ("--cluster-user", self.cluster_user.is_some()),
            ("--cluster-password-file", self.cluster_password_file.is_some()),
        ];
        let Some(place) = &self.cluster else {
            return match given.into_iter().find(|(_, is_given)| *is_given) {
                Some((flag, _)) => Err(missing(NAME, flag)),
                None => Ok(None),
            };
        };
        let is_built = cfg!(feature = "etcd");
        if !is_built {
            let text = "--cluster needs a build with etcd in it, and this is one without: cargo \
                        build --release --features etcd, for which protoc is needed\n";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, text));
        }
        let needs = |needed: &str, by: &str, is_given: bool| {
            let is_there = given.contains(&(needed, true));
            if is_given && !is_there { Err(missing(needed, by)) } else { Ok(()) }
        };
        let [ca, cert, key, user, password] = given.map(|(_, is_given)| is_given);
        needs("--cluster-ca", "etcds://", place.over_tls)?;
        needs("--cluster-ca", "--cluster-cert", cert)?;
        needs("--cluster-cert", "--cluster-key", key)?;
        needs("--cluster-key", "--cluster-cert", cert)?;
        needs("--cluster-user", "--cluster-password-file", password)?;
        needs("--cluster-password-file", "--cluster-user", user)?;
        let scheme = if ca { "https" } else { "http" };
        Ok(Some(EngineConfig {
            endpoints: place.members.iter().map(|member| format!("{scheme}://{member}")).collect(),
            prefix: format!("{}/", place.prefix),
            ca: self.cluster_ca.clone(),
            identity: self.cluster_cert.clone().zip(self.cluster_key.clone()),
            user: self.cluster_user.clone().zip(self.cluster_password_file.clone()),
        }))
    }
}

/// That there is none to look at.
#[must_use]
pub fn no_cluster() -> clap::Error {
    clap::Error::raw(ErrorKind::MissingRequiredArgument, "--cluster is missing\n")
}

fn missing(flag: &str, needed_by: &str) -> clap::Error {
    let text = format!("{flag} is missing, which {needed_by} needs\n");
    clap::Error::raw(ErrorKind::MissingRequiredArgument, text)
}

fn is_name(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(is_fine)
}

pub(super) fn node(text: &str) -> Result<String, String> {
    let text = text.trim();
    let expected = "expected up to 64 letters, digits, '-', '_' and '.'";
    if is_name(text) { Ok(text.to_owned()) } else { Err(expected.to_owned()) }
}

/// What nodes speak to each other is plain HTTP.
fn peer(text: &str) -> Result<String, String> {
    let expected = || "expected a URL such as http://10.0.0.1:8088, without TLS".to_owned();
    let rest = text.trim().strip_prefix("http://").ok_or_else(expected)?;
    let place = member(rest.trim_end_matches('/'), 80).ok_or_else(expected)?;
    Ok(format!("http://{place}"))
}

fn place(text: &str) -> Result<Place, String> {
    let expected = || {
        "expected members of etcd, such as etcd://host:2379,host2:2379/prefix, or \
                       etcds:// for TLS"
            .to_owned()
    };
    let (scheme, rest) = text.trim().split_once("://").ok_or_else(expected)?;
    let over_tls = match scheme {
        "etcd" => false,
        "etcds" => true,
        _ => return Err(expected()),
    };
    let (members, path) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = match path.trim_end_matches('/') {
        "" => PREFIX,
        path if path.split('/').all(is_name) => path,
        _ => return Err(expected()),
    };
    let members: Option<Vec<_>> = members.split(',').map(|it| member(it, PORT)).collect();
    let members = members.ok_or_else(expected)?;
    Ok(Place { members, prefix: prefix.to_owned(), over_tls })
}

/// `host:port` as it is connected to.
fn member(text: &str, default: u16) -> Option<String> {
    let text = text.trim();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, default),
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_name(host),
    };
    (is_host && port > 0).then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests;
