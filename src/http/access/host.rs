//! Which host a request is for, and whether that is served here. Owns the rules
//! of RFC 9112, 3.2 and 3.2.2, and the check that keeps DNS rebinding out: a
//! page whose name was made to lead to this machine still names itself in
//! `Host`. Does not own the syntax (`authority`).

use warp::http::Version;
use warp::http::uri;

use super::authority::{self, Authority, undotted};
use super::single::Single;

/// A host that `--allowed-host` names, as a request spells it: without a port,
/// and in brackets if it is an IPv6 address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost(Box<str>);

impl AllowedHost {
    /// Reads a name or an address; none if it is neither, or has a port.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bracketed = format!("[{text}]");
        let text =
            if authority::address(bracketed.as_bytes()).is_some() { &bracketed } else { text };
        let read = Authority::parse(text.as_bytes())?;
        let host = undotted(read.host);
        // A colon that is followed by nothing is a port too.
        (host.len() == undotted(text.as_bytes()).len() && !host.is_empty() && !host.contains(&b'*'))
            .then(|| Self(String::from_utf8_lossy(host).to_ascii_lowercase().into()))
    }
}

/// The hosts that one set of listeners serves.
#[derive(Debug)]
pub struct Hosts {
    /// What most requests name, byte by byte, so that it need not be read.
    usual: Box<[Box<[u8]>]>,
    allowed: Box<[AllowedHost]>,
    others: Others,
}

/// Which hosts are served that are neither this machine's own names nor allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    All,
    /// A name that leads here may be anybody's; an address is nobody else's.
    Addresses,
    None,
}

/// Why a request is not for this service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostError {
    /// There is none where there must be one.
    Missing,
    /// There is more than one.
    Doubled,
    /// It is no host.
    Malformed,
    /// It is served elsewhere, if at all.
    Foreign(String),
}

impl Hosts {
    /// Of listeners at `addresses`, which may be for this machine only.
    #[must_use]
    pub fn new(allowed: &[AllowedHost], is_local: bool, addresses: &[String]) -> Self {
        let others = match (is_local, allowed) {
            (true, _) => Others::None,
            (false, []) => Others::All,
            (false, _) => Others::Addresses,
        };
        let ports = addresses.iter().filter_map(|address| address.rsplit_once(':'));
        let with_port = |name: &str| {
            ports.clone().map(|(_, port)| format!("{name}:{port}")).collect::<Vec<_>>()
        };
        let names = allowed.iter().map(|AllowedHost(name)| &**name);
        let mut usual: Vec<_> = names
            .chain(["localhost"])
            .flat_map(|name| with_port(name).into_iter().chain([name.to_owned()]))
            .collect();
        usual.extend(addresses.iter().cloned());
        // As read, so that no spelling is served here that is not below.
        let hosts = Self { usual: Box::default(), allowed: allowed.into(), others };
        usual.retain(|host| hosts.read(host.as_bytes()).is_ok());
        Self { usual: usual.into_iter().map(|host| host.into_bytes().into()).collect(), ..hosts }
    }

    /// The host that a request is for, with its port; none if it names none, as
    /// HTTP/1.0 allows. `target` is what stands for it in the request's target.
    ///
    /// # Errors
    /// When it is unclear, or not served here.
    pub fn named<'a>(
        &self,
        version: Version,
        target: Option<&'a uri::Authority>,
        header: &Single<'a>,
    ) -> Result<Option<&'a [u8]>, HostError> {
        let named = match header {
            Single::Once(value) => Some(value.as_bytes()),
            Single::Doubled => return Err(HostError::Doubled),
            Single::Absent if version < Version::HTTP_11 => None,
            Single::Absent => return Err(HostError::Missing),
        };
        if let Some(target) = target {
            // The header does not count, then, but must be one.
            if named.is_some_and(|named| Authority::parse(named).is_none()) {
                return Err(HostError::Malformed);
            }
            return self.read(target.as_str().as_bytes()).map(Some);
        }
        match named {
            None => Ok(None),
            Some(named) if self.usual.iter().any(|usual| **usual == *named) => Ok(Some(named)),
            Some(named) => self.read(named).map(Some),
        }
    }

    /// Whether a host is served here.
    fn read<'a>(&self, named: &'a [u8]) -> Result<&'a [u8], HostError> {
        let host = Authority::parse(named).ok_or(HostError::Malformed)?;
        let is_allowed = || {
            let name = undotted(host.host);
            self.allowed.iter().any(|allowed| name.eq_ignore_ascii_case(allowed.0.as_bytes()))
        };
        let is_served = match self.others {
            Others::All => true,
            Others::Addresses if host.address().is_some() => true,
            Others::Addresses | Others::None => host.is_loopback() || is_allowed(),
        };
        if is_served {
            return Ok(named);
        }
        Err(HostError::Foreign(String::from_utf8_lossy(host.host).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_hosts_are_names_and_addresses_without_a_port() {
        for (text, read) in [
            ("Example.com", "example.com"),
            ("example.com.", "example.com"),
            ("10.0.0.1", "10.0.0.1"),
            ("fe80::1", "[fe80::1]"),
            ("[FE80::1]", "[fe80::1]"),
        ] {
            assert_eq!(AllowedHost::parse(text), Some(AllowedHost(read.into())), "{text}");
        }
        for bad in
            ["", ".", "a:80", "a:", "[::1]:80", "http://a", "*", "*.example.com", "a b", "a/"]
        {
            assert_eq!(AllowedHost::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_usual_is_never_more_than_what_is_served() {
        let addresses = ["0.0.0.0:80".to_owned(), "unix:/run/a b:c".to_owned()];
        let hosts = Hosts::new(&[], true, &addresses);
        let usual: Vec<_> = hosts.usual.iter().map(|host| String::from_utf8_lossy(host)).collect();
        assert_eq!(usual, ["localhost:80", "localhost"]);
    }
}
