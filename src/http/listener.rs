//! Where connections come from: TCP addresses and Unix sockets, of which there
//! may be several. Owns how they are bound, and a socket's file; does not own how
//! many connections there may be, nor what is done on them, nor which sockets
//! were bound by others (`inherited`).

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_send_buffer_size, socket_acceptconn};
use rustix::process::umask;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

use super::stream::Stream;
use super::tls::Tls;

/// Clients that may wait to be accepted: the system's own bound
/// (`net.core.somaxconn`), which cuts this down. A fleet that reconnects at once
/// must not wait for a SYN to be sent again, a second later.
const BACKLOG: u32 = i32::MAX.unsigned_abs();

/// Bytes that a connection may keep in the system for a reader that takes none;
/// the system doubles it, for its own. Left to itself it is 4 MiB, which also
/// hides for many seconds that a slow reader goes on reading: a writer is told of
/// room when a third of it is free. Accepted connections inherit it; those of Unix
/// sockets have some 200 KiB anyhow.
const SEND_BUFFER: u32 = 256 * 1024;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// All addresses that the host's name has; all of the machine if it is empty.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// 0 lets the system choose one.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(to, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(to, "{host}:{port}"),
            Self::Unix(path) => write!(to, "unix:{}", path.display()),
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {error}")]
pub struct BindError {
    address: Address,
    error: io::Error,
}

/// Listens on everything it was told to.
#[derive(Debug)]
pub struct Listeners {
    all: Vec<Listener>,
    /// Whether they were bound by somebody who keeps them beyond our end.
    stay: bool,
    /// Who is asked first next time, so that no address keeps others waiting.
    turn: AtomicUsize,
    /// What TCP addresses speak; plain HTTP without.
    tls: Option<Arc<Tls>>,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// Goes with it, if it is ours.
        _file: Option<SocketFile>,
    },
}

/// A socket that somebody else has bound.
#[derive(Debug)]
pub enum Adopted {
    /// Over the network.
    Tcp(std::net::TcpListener),
    /// Within the machine. Its file is not ours.
    Unix(std::os::unix::net::UnixListener),
}

impl Adopted {
    /// Whether connections come in on it.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        let listens = match self {
            Self::Tcp(listener) => socket_acceptconn(listener),
            Self::Unix(listener) => socket_acceptconn(listener),
        };
        listens.unwrap_or(false)
    }

    fn listen(self) -> io::Result<Listener> {
        match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                set_socket_send_buffer_size(&listener, SEND_BUFFER as usize)?;
                TcpListener::from_std(listener).map(Listener::Tcp)
            }
            Self::Unix(listener) => {
                listener.set_nonblocking(true)?;
                let listener = UnixListener::from_std(listener)?;
                Ok(Listener::Unix { listener, _file: None })
            }
        }
    }
}

impl From<TcpListener> for Listeners {
    fn from(listener: TcpListener) -> Self {
        Self::new(vec![Listener::Tcp(listener)])
    }
}

impl Listeners {
    fn new(all: Vec<Listener>) -> Self {
        Self { all, stay: false, turn: AtomicUsize::new(0), tls: None }
    }

    /// The same, with TLS on the TCP addresses if there is any. What goes over a
    /// Unix socket stays on this machine, and plain.
    #[must_use]
    pub fn over_tls(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    /// Whether there are TCP addresses, and TLS is spoken on them.
    #[must_use]
    pub fn speak_tls(&self) -> bool {
        let is_tcp = |listener: &Listener| matches!(listener, Listener::Tcp(_));
        self.tls.is_some() && self.all.iter().any(is_tcp)
    }

    /// What is spoken on a connection; plain HTTP without.
    #[must_use]
    pub fn tls_on(&self, stream: &Stream) -> Option<Arc<Tls>> {
        match stream {
            Stream::Tcp(_) => self.tls.clone(),
            Stream::Unix(_) => None,
        }
    }

    /// Listens on what somebody else has bound, and keeps beyond our end.
    ///
    /// # Errors
    /// As the system has them.
    pub fn adopt(sockets: Vec<Adopted>) -> io::Result<Self> {
        let all = sockets.into_iter().map(Adopted::listen).collect::<Result<_, _>>()?;
        Ok(Self { stay: true, ..Self::new(all) })
    }

    /// Whether connections go on to come in when we are gone.
    #[must_use]
    pub fn stay(&self) -> bool {
        self.stay
    }

    /// Binds all of them, or none. `unix_mode` is for the files of sockets.
    ///
    /// # Errors
    /// When one of them cannot be bound; names it.
    pub async fn bind(addresses: &[Address], unix_mode: u32) -> Result<Self, BindError> {
        let mut all = Vec::new();
        for address in addresses {
            let failed = |error| BindError { address: address.clone(), error };
            match address {
                Address::Tcp { host, port } => {
                    all.extend(bind_tcp(host, *port).await.map_err(failed)?);
                }
                Address::Unix(path) => {
                    all.push(bind_unix(path, unix_mode).await.map_err(failed)?);
                }
            }
        }
        Ok(Self::new(all))
    }

    /// Where it listens by now, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let address = |listener: &Listener| match listener {
            Listener::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|error| error.to_string(), |address| address.to_string()),
            Listener::Unix { listener, .. } => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                format!("unix:{}", path.unwrap_or(Path::new("")).display())
            }
        };
        self.all.iter().map(address).collect()
    }

    /// Whether nobody beyond this machine can reach any of them.
    #[must_use]
    pub fn are_local(&self) -> bool {
        self.all.iter().all(|listener| match listener {
            Listener::Tcp(listener) => {
                listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback())
            }
            Listener::Unix { .. } => true,
        })
    }

    /// Whether whoever reaches them from beyond this machine has to show a
    /// certificate first, if anybody can.
    #[must_use]
    pub fn know_all(&self) -> bool {
        self.are_local() || self.tls.as_ref().is_some_and(|tls| tls.knows_clients())
    }

    /// The next connection, and where it comes from, if that is not this machine's
    /// file system.
    ///
    /// # Errors
    /// As the system has them: of one connection, or for want of what one needs.
    pub async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        poll_fn(|context| {
            let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.all.len().max(1);
            let (later, sooner) = self.all.split_at(first);
            let ready = sooner.iter().chain(later).find_map(|listener| {
                match listener.poll_accept(context) {
                    Poll::Ready(accepted) => Some(accepted),
                    Poll::Pending => None,
                }
            });
            ready.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl Listener {
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Stream, Option<IpAddr>)>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(context).map(|accepted| {
                let (stream, address) = accepted?;
                // Answers are small, and must not wait for more to send.
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Some(address.ip())))
            }),
            Self::Unix { listener, .. } => listener
                .poll_accept(context)
                .map(|accepted| accepted.map(|(stream, _)| (Stream::Unix(stream), None))),
        }
    }
}

/// Listens on every address that a name has and this machine has too.
async fn bind_tcp(host: &str, port: u16) -> io::Result<Vec<Listener>> {
    if host.is_empty() {
        // Of both families, where there are both.
        let any = match listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
            Err(error) if is_elsewhere(&error) => {
                listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
            }
            bound => bound,
        };
        return Ok(vec![Listener::Tcp(any?)]);
    }
    let mut bound = Vec::new();
    let mut refused = None;
    for address in tokio::net::lookup_host((host, port)).await? {
        match listen(address) {
            Ok(listener) => bound.push(Listener::Tcp(listener)),
            Err(error) if is_elsewhere(&error) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    if bound.is_empty() {
        let nothing = || io::Error::new(ErrorKind::NotFound, "the name has no address");
        return Err(refused.unwrap_or_else(nothing));
    }
    Ok(bound)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart need not wait for connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether the machine has no such address, or none of its family.
fn is_elsewhere(error: &io::Error) -> bool {
    // The other one has no kind.
    error.kind() == ErrorKind::AddrNotAvailable
        || Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT)
}

async fn bind_unix(path: &Path, mode: u32) -> io::Result<Listener> {
    make_way(path).await?;
    let listener = bind_privately(path)?;
    let file = SocketFile::of(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(Listener::Unix { listener, _file: Some(file) })
}

/// Binds a socket that is for its owner alone until it has its mode: whoever
/// connects before stays connected.
fn bind_privately(path: &Path) -> io::Result<UnixListener> {
    // The mask is the process's. Whatever else is created meanwhile is for its
    // owner alone, too, which all of this service's files are anyway.
    static MASK: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MASK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = umask(Mode::RWXG | Mode::RWXO);
    let bound = UnixListener::bind(path);
    umask(before);
    bound
}

/// Removes a socket that nobody answers on, as a killed process leaves it.
async fn make_way(path: &Path) -> io::Result<()> {
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !there.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file, and no socket"));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        // A full backlog is an answer too.
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}

/// The file of a socket of ours, which goes with it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode: another process may have put its own there.
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // A file that stays is replaced at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_else_may_connect_before_a_socket_has_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let _socket = bind_privately(&path).unwrap();
        assert_eq!(mode(&path) & 0o077, 0, "{:o}", mode(&path));
        // What the process creates afterwards is as it was.
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_ne!(mode(&file) & 0o077, 0, "{:o}", mode(&file));
    }
}
