//! Hosts with their ports, as `Host`, `Origin` and a request's target name them.
//! Owns the syntax (RFC 3986, 3.2.2 and 3.2.3; what HTTP allows of it). Does not
//! own which are served (`host`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host, perhaps with a port.
#[derive(Clone, Copy, Debug)]
pub struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in brackets, as it came.
    pub host: &'a [u8],
    /// None if it was not named, or empty.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host[:port]`; none for anything else, such as an empty host or a
    /// user's name.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let end = if text.first() == Some(&b'[') {
            text.iter().position(|&byte| byte == b']')? + 1
        } else {
            text.iter().position(|&byte| byte == b':').unwrap_or(text.len())
        };
        let (host, rest) = text.split_at(end);
        let port = match rest {
            [] | [b':'] => None,
            [b':', digits @ ..] => Some(port(digits)?),
            _ => return None,
        };
        let is_host = ipv6(host).is_some() || is_name(host);
        is_host.then_some(Self { host, port })
    }

    /// The host's address, if it is not a name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        address(self.host)
    }

    /// Whether the host is this machine by any of the names that always mean it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        const LOCALHOST: &[u8] = b"localhost";
        let name = undotted(self.host);
        let is_below = || {
            let start = name.len().checked_sub(LOCALHOST.len() + 1);
            let (start, end) = start.map_or((&[][..], &[][..]), |at| name.split_at(at));
            !start.is_empty() && end[0] == b'.' && end[1..].eq_ignore_ascii_case(LOCALHOST)
        };
        name.eq_ignore_ascii_case(LOCALHOST)
            || self.address().is_some_and(|address| address.to_canonical().is_loopback())
            || is_below()
    }
}

/// A name without the dot that says that it is whole.
#[must_use]
pub fn undotted(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").unwrap_or(name)
}

/// The address that a host is, if it is not a name.
#[must_use]
pub fn address(host: &[u8]) -> Option<IpAddr> {
    let v4 = || std::str::from_utf8(host).ok()?.parse::<Ipv4Addr>().ok();
    ipv6(host).map(IpAddr::from).or_else(|| v4().map(IpAddr::from))
}

fn ipv6(host: &[u8]) -> Option<Ipv6Addr> {
    let inner = host.strip_prefix(b"[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inner).ok()?.parse().ok()
}

fn port(digits: &[u8]) -> Option<u16> {
    // No sign, which would be taken for a number too.
    let is_number = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// Whether it is a name that is not empty, or an IPv4 address, which looks alike.
fn is_name(host: &[u8]) -> bool {
    // RFC 3986's unreserved characters and sub-delims.
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte);
    let mut rest = host;
    while let [byte, behind @ ..] = rest {
        rest = match behind {
            _ if is_plain(byte) => behind,
            [high, low, behind @ ..]
                if *byte == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                behind
            }
            _ => return false,
        };
    }
    !host.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_told_apart() {
        for (text, host, port) in [
            ("localhost", "localhost", None),
            ("a_b.example:80", "a_b.example", Some(80)),
            ("a:", "a", None),
            ("[::1]", "[::1]", None),
            ("[::1]:8088", "[::1]", Some(8088)),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("%41.example", "%41.example", None),
        ] {
            let read = Authority::parse(text.as_bytes()).expect(text);
            assert_eq!((read.host, read.port), (host.as_bytes(), port), "{text}");
        }
        for bad in [
            "",
            ":80",
            "a:b",
            "a:80:80",
            "a:65536",
            "a:+1",
            "a:-1",
            "::1",
            "[::1",
            "[]",
            "[v1.a]",
            "[::1]a",
            "[::1%25eth0]",
            "user@a",
            "a b",
            "a/b",
            "a,b c",
            "a%4",
            "a%zz",
            "\u{e9}",
            "a\\",
            "a?b",
            "a#b",
            "http://a",
        ] {
            assert!(Authority::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn names_of_this_machine_are_known() {
        for text in [
            "localhost",
            "LocalHost:1",
            "localhost.",
            "a.localhost",
            "a.b.LOCALHOST.:80",
            "127.0.0.1",
            "127.1.2.3:80",
            "[::1]:80",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(Authority::parse(text.as_bytes()).expect(text).is_loopback(), "{text}");
        }
        for text in [
            "example.com",
            "localhost.example.com",
            "notlocalhost",
            "localhostx",
            "127.0.0.1.nip.io",
            "127.1",
            "128.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::2]",
            "10.0.0.1",
            ".localhost",
            ".",
            "localhost..",
        ] {
            assert!(!Authority::parse(text.as_bytes()).expect(text).is_loopback(), "{text}");
        }
    }
}
