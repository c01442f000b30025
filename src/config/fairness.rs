//! The flags about what one client may take, and who that is behind a proxy.

use std::num::NonZeroUsize;

use clap::Args;

use super::parse::count;
use crate::http::fairness::ClientLimits;
use crate::http::forwarded::Proxy;

/// What Linux allows a process in descriptors, unless it was told otherwise.
pub const MOST_CONNECTIONS: u64 = 1 << 20;

/// More than any network carries, and no less than a microsecond for each.
const FASTEST: u64 = 1_000_000;

/// As they are typed.
#[derive(Debug, Args)]
pub struct FairnessArguments {
    /// Connections that one client may have, by its address (of IPv6 a /64);
    /// beyond it 429. Those of trusted proxies do not count
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_MAX_CONNECTIONS_PER_CLIENT", value_name = "N", value_parser = count::<MOST_CONNECTIONS>)]
    max_connections_per_client: Option<NonZeroUsize>,

    /// Requests that one client may send in a second, each message in a request
    /// of many counting as one more; beyond it 429
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_MAX_RATE_PER_CLIENT", value_name = "N", value_parser = count::<FASTEST>)]
    max_rate_per_client: Option<NonZeroUsize>,

    /// Proxies that say who the client is, with Forwarded or X-Forwarded-For, by
    /// their addresses as in 10.0.0.0/8, or unix for those on Unix sockets;
    /// separated by commas or given one by one
    ///
    /// [default: none]
    #[arg(
        long,
        env = "DOWNLINK_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = proxy
    )]
    trusted_proxy: Vec<Proxy>,
}

impl FairnessArguments {
    /// What the rest of the program gets.
    pub fn validate(self) -> ClientLimits {
        ClientLimits {
            connections: self.max_connections_per_client,
            rate: self.max_rate_per_client,
            trusted_proxies: self.trusted_proxy,
        }
    }
}

/// Reads whom to trust.
fn proxy(text: &str) -> Result<Proxy, String> {
    text.trim().parse().map_err(|()| {
        "expected addresses in CIDR notation, such as 10.0.0.0/8, 192.0.2.1 or fd00::/8, or unix"
            .to_owned()
    })
}
