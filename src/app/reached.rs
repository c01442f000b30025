//! Where the service is reached. Does not own what is served there (`server`).

use tokio::net::TcpListener;

use crate::http::listener::Listeners;

/// Where the service is reached.
#[derive(Debug)]
pub struct Reached {
    /// By clients; by operators too if they have no address of their own.
    pub main: Listeners,
    /// By operators, of whom nothing is on the main one then.
    pub admin: Option<Listeners>,
}

impl Reached {
    /// Whether TLS is spoken anywhere.
    #[must_use]
    pub fn over_tls(&self) -> bool {
        self.main.speak_tls() || self.admin.as_ref().is_some_and(Listeners::speak_tls)
    }
}

impl From<Listeners> for Reached {
    /// By everybody.
    fn from(main: Listeners) -> Self {
        Self { main, admin: None }
    }
}

impl From<TcpListener> for Reached {
    /// By everybody.
    fn from(main: TcpListener) -> Self {
        Listeners::from(main).into()
    }
}
