//! Sockets that a service manager such as systemd has bound, and hands to each
//! run: while no run accepts, connections wait in them. Owns which of them is
//! for what; does not own how they are accepted on (`listener`).

use listenfd::ListenFd;
use thiserror::Error;

use super::listener::Adopted;

/// The name of sockets that are for operators (`FileDescriptorName=`).
const ADMIN: &str = "admin";

/// Sockets that were bound by others.
#[derive(Debug, Default)]
pub struct Inherited {
    /// In place of `--listen`.
    pub main: Vec<Adopted>,
    /// In place of `--admin-listen`.
    pub admin: Vec<Adopted>,
}

/// Something else was passed on; holds its place and its name.
#[derive(Debug, Error)]
#[error(
    "inherited socket {0} ({1}) is none that connections come in on: its unit needs ListenStream= \
     and Accept=no"
)]
pub struct InheritError(usize, String);

impl Inherited {
    /// Takes what was passed to this process, under these names. To be called
    /// once, before there are other threads: it takes it out of the environment.
    ///
    /// # Errors
    /// When something else than a listening stream socket is among them.
    pub fn take(names: &[String]) -> Result<Self, InheritError> {
        let mut passed = ListenFd::from_env();
        let mut inherited = Self::default();
        for place in 0..passed.len() {
            let name = names.get(place).map_or("", String::as_str);
            let failed = || InheritError(place, name.to_owned());
            let tcp = passed.take_tcp_listener(place).ok().flatten().map(Adopted::Tcp);
            let unix = || passed.take_unix_listener(place).ok().flatten().map(Adopted::Unix);
            let socket = tcp.or_else(unix).ok_or_else(failed)?;
            if !socket.is_listening() {
                return Err(failed());
            }
            if name == ADMIN { &mut inherited.admin } else { &mut inherited.main }.push(socket);
        }
        Ok(inherited)
    }
}
