//! What a service manager such as systemd put into the environment. Owns what is
//! read of it; does not own what follows (`app/manager.rs`, `http/inherited.rs`).

use std::env;
use std::time::Duration;

/// Whether a manager wants to hear of the service, and what it gave to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manager {
    /// Whether it is to be told how the service is.
    pub listens: bool,
    /// How often it must hear that the service moves, if it wants to.
    pub watchdog: Option<Duration>,
    /// The names of the sockets that it passed on, in their order.
    pub socket_names: Vec<String>,
}

impl Manager {
    /// As the environment has it.
    #[expect(clippy::disallowed_methods, reason = "this is the configuration's own file")]
    pub fn of_the_environment() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self {
            listens: env::var_os("NOTIFY_SOCKET").is_some_and(|path| !path.is_empty()),
            watchdog: sd_notify::watchdog_enabled().filter(|every| !every.is_zero()),
            socket_names: names.split(':').map(str::to_owned).collect(),
        }
    }
}
