//! Who a trusted proxy says that its client is: `Forwarded` (RFC 7239) and
//! `X-Forwarded-For`. Does not own what is kept by client (`fairness`).
//!
//! Each proxy appends the address that it was connected to from, so what is on
//! the right was written last, by whom we trust, and what is on the left by
//! anybody. The client is the rightmost address that is not itself a trusted
//! proxy; if all are, it is the leftmost. Where the nearest proxy hides it
//! (`unknown`, `_hidden`), or a header cannot be read, it has no name.
//!
//! Most proxies write one of the two headers and let the client's own pass in
//! the other. If both are there and do not agree, nothing says which of them is
//! made up, so the client has no name either.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use warp::http::header::FORWARDED;
use warp::http::{HeaderMap, HeaderName};

use super::media::parts;
use super::origin::Origin;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whose word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// Those with these addresses.
    Network(IpNet),
    /// Whoever may connect to our Unix sockets.
    Unix,
}

impl FromStr for Proxy {
    type Err = ();

    /// Reads `10.0.0.0/8`, `10.0.0.1`, `fd00::/8` or `unix`.
    fn from_str(text: &str) -> Result<Self, ()> {
        if text.eq_ignore_ascii_case("unix") {
            return Ok(Self::Unix);
        }
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match network.map_err(|_| ())? {
            // Addresses of IPv4 are compared as such, so it would never match.
            IpNet::V6(network) if network.network().to_ipv4_mapped().is_some() => Err(()),
            network => Ok(Self::Network(network.trunc())),
        }
    }
}

impl Proxy {
    /// Whether it is everybody, of one kind of addresses.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        matches!(self, Self::Network(network) if network.prefix_len() == 0)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(to),
            Self::Unix => to.write_str("unix"),
        }
    }
}

/// All whose word counts.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<Proxy>);

impl Proxies {
    /// These.
    #[must_use]
    pub fn new(proxies: Vec<Proxy>) -> Self {
        Self(proxies)
    }

    /// Whether a connection from there is one of theirs; no address is a Unix
    /// socket's.
    #[must_use]
    pub fn include(&self, address: Option<IpAddr>) -> bool {
        let address = address.map(|address| address.to_canonical());
        self.0.iter().any(|proxy| match (proxy, address) {
            (Proxy::Network(network), Some(address)) => network.contains(&address),
            (Proxy::Unix, None) => true,
            (Proxy::Network(_), None) | (Proxy::Unix, Some(_)) => false,
        })
    }

    /// The client of a request that came over a connection of theirs; none if
    /// it is the proxy's own.
    #[must_use]
    pub fn client(&self, headers: &HeaderMap) -> Option<Origin> {
        let forwarded = self.walk(headers, &FORWARDED, for_each_element);
        let by_custom = self.walk(headers, &X_FORWARDED_FOR, for_each_address);
        match (forwarded, by_custom) {
            (Some(one), Some(other)) if one != other => Some(Origin::UNNAMED),
            (one, other) => one.or(other),
        }
    }

    /// Walks all lines of a header from the left, as it was written.
    fn walk(
        &self,
        headers: &HeaderMap,
        name: &HeaderName,
        nodes: fn(&[u8], &mut dyn FnMut(Node)),
    ) -> Option<Origin> {
        let mut client = None;
        let mut is_broken = false;
        for line in headers.get_all(name) {
            nodes(line.as_bytes(), &mut |node| match node {
                Node::At(address) if self.include(Some(address)) => {
                    client.get_or_insert(Origin::of(Some(address)));
                }
                Node::At(address) => client = Some(Origin::of(Some(address))),
                Node::Hidden => client = Some(Origin::UNNAMED),
                Node::Broken => is_broken = true,
            });
        }
        if is_broken { Some(Origin::UNNAMED) } else { client }
    }
}

/// One hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    At(IpAddr),
    /// It has a name that is no address, or none.
    Hidden,
    /// Where it ends cannot be told, and so not where the others begin.
    Broken,
}

/// The hops in a line of `X-Forwarded-For`.
fn for_each_address(line: &[u8], tell: &mut dyn FnMut(Node)) {
    let addresses = line.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    addresses.filter(|address| !address.is_empty()).for_each(|address| tell(node(address)));
}

/// The hops in a line of `Forwarded`.
fn for_each_element(line: &[u8], tell: &mut dyn FnMut(Node)) {
    for element in parts(line, b',').filter(|element| !element.is_empty()) {
        let mut found = None;
        for pair in parts(element, b';').filter(|pair| !pair.is_empty()) {
            let pair = pair.iter().position(|&byte| byte == b'=').map(|at| pair.split_at(at));
            let value = pair.and_then(|(name, value)| Some((name, unquoted(&value[1..])?)));
            found = match value {
                Some((name, value)) if name.eq_ignore_ascii_case(b"for") && found.is_none() => {
                    Some(node(value))
                }
                Some((name, _)) if !name.eq_ignore_ascii_case(b"for") => found,
                _ => return tell(Node::Broken),
            };
        }
        tell(found.unwrap_or(Node::Hidden));
    }
}

/// A value without the quotes around it. Any other quote is one that a client
/// left open, so that what its proxy appends seems to be part of it.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    let bare = match value.strip_prefix(b"\"") {
        Some(rest) => rest.strip_suffix(b"\"")?,
        None => value,
    };
    // Nothing that counts here needs an escape.
    (!bare.iter().any(|byte| b"\"\\".contains(byte))).then_some(bare)
}

/// Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:80`; a port may be hidden too.
fn node(text: &[u8]) -> Node {
    let address = std::str::from_utf8(text).ok().and_then(|text| {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            return Some(IpAddr::from(address.parse::<Ipv6Addr>().ok().filter(|_| is_whole)?));
        }
        text.parse().ok().or_else(|| {
            let (address, port) = text.split_once(':')?;
            Some(IpAddr::from(address.parse::<Ipv4Addr>().ok().filter(|_| is_port(port))?))
        })
    });
    address.map_or(Node::Hidden, Node::At)
}

fn is_port(text: &str) -> bool {
    text.starts_with('_') || text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(trusted: &[&str]) -> Proxies {
        Proxies::new(trusted.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn origin(text: &str) -> Origin {
        Origin::of(Some(text.parse().unwrap()))
    }

    /// The client that headers name to a service that trusts these two networks.
    fn client(lines: &[(&str, &str)]) -> Option<Origin> {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), line.parse().unwrap());
        }
        proxies(&["10.0.0.0/8", "fd00::/8"]).client(&headers)
    }

    const UNNAMED: Option<Origin> = Some(Origin::UNNAMED);

    #[test]
    fn the_client_is_the_rightmost_that_is_no_trusted_proxy() {
        for (line, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
            ("6.6.6.6,192.0.2.1:4711 ,, 10.0.0.7,10.1.2.3:80", "192.0.2.1"),
            ("unknown, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
            ("\"\\, 192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::2"),
            ("[2001:db8::1]:80, fd00::1", "2001:db8::1"),
            ("::ffff:192.0.2.1, ::ffff:10.0.0.7", "192.0.2.1"),
            // All are trusted: the first of them is no proxy of anybody's.
            ("10.0.0.9, 10.0.0.7", "10.0.0.9"),
        ] {
            assert_eq!(client(&[("x-forwarded-for", line)]), Some(origin(address)), "{line}");
        }
        for (line, address) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"192.0.2.1:4711\";proto=http;by=203.0.113.43", "192.0.2.1"),
            ("proto=https ; FOR=192.0.2.1", "192.0.2.1"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=\"[2001:db8:cafe::17]:_hidden\"", "2001:db8:cafe::17"),
            ("for=6.6.6.6, for=192.0.2.1, for=10.0.0.7", "192.0.2.1"),
            ("for=_mystery, for=192.0.2.1,for=\"[fd00::7]\"", "192.0.2.1"),
            ("for=192.0.2.1;host=\"a,b;for=6.6.6.6\"", "192.0.2.1"),
        ] {
            assert_eq!(client(&[("forwarded", line)]), Some(origin(address)), "{line}");
        }
    }

    #[test]
    fn lines_of_a_header_are_one_list() {
        let [first, second] = [("forwarded", "for=6.6.6.6"), ("forwarded", "for=192.0.2.1")];
        let last = ("forwarded", "for=10.0.0.7");
        assert_eq!(client(&[first, second, last]), Some(origin("192.0.2.1")));
        let [first, second] = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(client(&[first, second]), Some(origin("192.0.2.1")));
    }

    #[test]
    fn who_is_hidden_or_cannot_be_read_has_no_name_and_is_not_whoever_stands_before() {
        for line in [
            "6.6.6.6, unknown",
            "6.6.6.6, _hidden, 10.0.0.7",
            "6.6.6.6, 192.0.2.1:99999",
            "6.6.6.6, [2001:db8::1",
            "6.6.6.6, [2001:db8::1]80",
            "6.6.6.6, fe80::1%eth0",
            "6.6.6.6, 192.0.2.300",
            "6.6.6.6, \"192.0.2.1\"",
            "6.6.6.6, unix:",
            "6.6.6.6, \u{fc}",
        ] {
            assert_eq!(client(&[("x-forwarded-for", line)]), UNNAMED, "{line}");
        }
        for line in [
            "for=6.6.6.6, for=unknown",
            "for=6.6.6.6, for=_hidden;proto=http, for=10.0.0.7",
            "for=6.6.6.6, proto=https",
            "for=6.6.6.6, for",
            "for=6.6.6.6, for=192.0.2.1;for=192.0.2.2",
            // A quote that the client left open, and what its proxy appends.
            "for=6.6.6.6;x=\", for=192.0.2.1",
            "for=6.6.6.6;x=\", for=\"[2001:db8::1]\"",
            "for=6.6.6.6;x=\", for=\"[2001:db8::1]\";proto=http",
            "for=6.6.6.6;x=\"\\, for=\"[2001:db8::1]\"",
            "for=6.6.6.6;x=y\", for=192.0.2.1",
        ] {
            assert_eq!(client(&[("forwarded", line)]), UNNAMED, "{line}");
        }
    }

    #[test]
    fn the_other_header_is_no_way_to_choose_a_name() {
        let both = |one, other| client(&[("forwarded", one), ("x-forwarded-for", other)]);
        assert_eq!(both("for=192.0.2.1", "192.0.2.1"), Some(origin("192.0.2.1")));
        assert_eq!(both("for=6.6.6.6", "192.0.2.1"), UNNAMED);
        assert_eq!(both("for=192.0.2.1", "6.6.6.6"), UNNAMED);
        assert_eq!(both("for=\"", "192.0.2.1"), UNNAMED);
        // One that names nobody is none.
        assert_eq!(both("", "192.0.2.1"), Some(origin("192.0.2.1")));
        assert_eq!(client(&[("forwarded", " , "), ("x-forwarded-for", "")]), None);
        assert_eq!(client(&[]), None);
    }

    #[test]
    fn only_those_that_are_named_are_trusted() {
        let include = |trusted: &[&str], address: &str| {
            proxies(trusted).include(Some(address.parse().unwrap()))
        };
        assert!(include(&["192.0.2.1"], "192.0.2.1") && !include(&["192.0.2.1"], "192.0.2.2"));
        assert!(include(&["10.1.2.3/8"], "::ffff:10.9.9.9"));
        assert!(!include(&["10.0.0.0/8", "unix"], "11.0.0.1"));
        assert!(include(&["::1/128"], "::1") && !include(&["::/0"], "10.0.0.1"));
        assert!(proxies(&["UNIX"]).include(None) && !proxies(&["0.0.0.0/0", "::/0"]).include(None));
        for bad in ["", "10.0.0.0/33", "10.0.0", "::ffff:10.0.0.0/104", "example.org", "10.0.0.1/"]
        {
            assert!(bad.parse::<Proxy>().is_err(), "{bad}");
        }
    }
}
