//! Where a client comes from, as far as shares are dealt out by it. Does not own
//! how that is found out (`listener`, `forwarded`).

use std::net::IpAddr;

/// See the head of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(From);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum From {
    /// An address of IPv4, or a /64 of IPv6.
    Network(IpAddr),
    ThisMachine,
    BehindAProxy,
}

impl Origin {
    /// Of all clients whose proxy does not say who they are.
    pub const UNNAMED: Self = Self(From::BehindAProxy);

    /// Of an address. One subscriber of IPv6 has a whole /64, so it counts once.
    /// No address is a client of this machine.
    #[must_use]
    pub fn of(address: Option<IpAddr>) -> Self {
        let Some(address) = address else { return Self(From::ThisMachine) };
        Self(From::Network(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
            v4 @ IpAddr::V4(_) => v4,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_an_address_or_of_a_network_of_ipv6() {
        let origin = |text: &str| Origin::of(Some(text.parse().unwrap()));
        assert_ne!(origin("10.0.0.1"), origin("10.0.0.2"));
        assert_eq!(origin("10.0.0.1"), origin("::ffff:10.0.0.1"));
        assert_eq!(origin("2001:db8:0:1::1"), origin("2001:db8:0:1:ffff::2"));
        assert_ne!(origin("2001:db8:0:1::1"), origin("2001:db8:0:2::1"));
        assert_ne!(origin("10.0.0.1"), Origin::of(None));
        assert_ne!(Origin::UNNAMED, Origin::of(None));
    }
}
