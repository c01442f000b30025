//! What one client may take of the service, and who that is when it comes by a
//! proxy. Nothing of it is asked unless it was asked for. Owns what becomes of a
//! request; does not own the buckets (`rate`), what headers say (`forwarded`),
//! nor whether there is a place for a connection (`places`).

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use warp::http::HeaderMap;

use super::client::Client;
use super::forwarded::{Proxies, Proxy};
use super::origin::Origin;
use super::problem::Problem;
use super::rate::Rates;
use crate::fleet::refusals::Reached;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct ClientLimits {
    /// Connections that one client may have, those that wait among them.
    pub connections: Option<NonZeroUsize>,
    /// Requests, and messages in requests of many, that one client may send in a
    /// second.
    pub rate: Option<NonZeroUsize>,
    /// Who may say who the client is.
    pub trusted_proxies: Vec<Proxy>,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Fairness {
    /// Most connections of one client.
    pub connections: usize,
    rates: Option<Arc<Rates>>,
    proxies: Proxies,
    too_fast: Reached,
    /// For whoever turns a connection away.
    pub too_many: Reached,
}

impl Fairness {
    /// None if nothing was asked for.
    #[must_use]
    pub fn new(limits: &ClientLimits) -> Option<Arc<Self>> {
        let ClientLimits { connections, rate, trusted_proxies } = limits;
        if connections.is_none() && rate.is_none() && trusted_proxies.is_empty() {
            return None;
        }
        Some(Arc::new(Self {
            connections: connections.map_or(usize::MAX, NonZeroUsize::get),
            rates: rate.map(Rates::new).map(Arc::new),
            proxies: Proxies::new(trusted_proxies.clone()),
            too_fast: Reached::new("--max-rate-per-client", "requests of one client are refused"),
            too_many: Reached::new(
                "--max-connections-per-client",
                "connections of one client are turned away",
            ),
        }))
    }

    /// The client of a connection that was accepted.
    #[must_use]
    pub fn client(&self, address: Option<IpAddr>) -> Arc<Client> {
        let is_proxy = self.proxies.include(address);
        Client::limited(Origin::of(address), is_proxy, self.rates.clone())
    }

    /// Finds out whose request it is, and whether it may be served now.
    ///
    /// # Errors
    /// 429 if the client is too fast.
    pub fn admit(&self, client: &Client, headers: &HeaderMap) -> Result<(), Problem> {
        let sender = if client.is_proxy() {
            let sender = self.proxies.client(headers).unwrap_or(client.origin());
            client.speak_for(sender);
            sender
        } else {
            client.origin()
        };
        let Some(rates) = &self.rates else { return Ok(()) };
        rates.take(sender).map_err(|wait| {
            self.too_fast.tell();
            Problem::too_fast(wait)
        })
    }
}
