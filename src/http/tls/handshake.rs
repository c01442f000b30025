//! What comes before the first request where TLS is spoken. Owns how long it may
//! take, and what those get who speak something else. Does not own certificates,
//! nor connections.
//!
//! A handshake is a part of its connection: it takes place in its task and in its
//! place. Whoever says nothing in it stands still, as with half of a head.

use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::Tls;
use crate::fleet::refusals::Reached;
use crate::http::client::Client;
use crate::http::problem::Problem;
use crate::http::socket::Socket;
use crate::http::stream::Stream;

/// From the connection to the end of the handshake: two round trips, and what a
/// slow machine computes in them.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// What rustls may hold of a connection's encrypted answers that the system takes
/// no more of. Of what comes it holds one record, some 16 KiB.
const MAX_UNSENT: usize = 32 * 1024;

/// The first byte of every handshake.
const HANDSHAKE_RECORD: u8 = 0x16;

/// Those that one side broke off for what the other is or wants. Told without
/// being asked: of a wrong authority for clients there is no other sign than that
/// nobody comes.
static REFUSED: LazyLock<Reached> = LazyLock::new(|| Reached::fixed("TLS handshakes failed"));

/// What there is above a client's socket from then on.
pub type Encrypted = TlsStream<Socket<Stream>>;

/// Shakes hands, within `idle_timeout` or less. Nothing if that fails; then the
/// client was told why, as far as it can be, and the connection is done with.
pub async fn accept(
    tls: Arc<Tls>,
    socket: Socket<Stream>,
    client: &Client,
    idle_timeout: Duration,
) -> Option<Encrypted> {
    client.begin_handshake();
    let handshake = shake_hands(tls.config(), socket);
    let failed = match timeout(HANDSHAKE_TIME.min(idle_timeout), handshake).await {
        Ok(Ok(stream)) => {
            client.end_handshake();
            return Some(stream);
        }
        Ok(Err(failed)) => failed,
        Err(_) => Failed::Silent(io::ErrorKind::TimedOut.into()),
    };
    match failed {
        Failed::Silent(error) => debug!(%error, "a TLS handshake failed"),
        Failed::NoTls => debug!("a TLS handshake failed: what came is no TLS, and no HTTP"),
        Failed::Refused(error, mut socket) => {
            debug!(%error, "a TLS handshake failed");
            // Other errors are the network's.
            if matches!(error.get_ref(), Some(error) if error.is::<rustls::Error>()) {
                REFUSED.tell_why(&error);
            }
            // The reason is on its way, and must not be overtaken by a reset.
            client.leave_unread();
            let _ = socket.shutdown().await;
        }
        Failed::PlainHttp(mut socket) => {
            debug!("a TLS handshake failed: plain HTTP came");
            client.leave_unread();
            let _ = socket.write_all(&Problem::plain_http().into_bytes()).await;
            let _ = socket.shutdown().await;
        }
    }
    None
}

async fn shake_hands(
    config: Arc<ServerConfig>,
    socket: Socket<Stream>,
) -> Result<Encrypted, Failed> {
    let mut first = [0];
    match socket.get_ref().peek(&mut first).await {
        Ok(0) => return Err(Failed::Silent(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => {}
        Err(error) => return Err(Failed::Silent(error)),
    }
    let [first] = first;
    if first.is_ascii_alphabetic() {
        // As every method begins.
        return Err(Failed::PlainHttp(socket));
    }
    if first != HANDSHAKE_RECORD {
        return Err(Failed::NoTls);
    }
    TlsAcceptor::from(config)
        .accept_with(socket, |connection| connection.set_buffer_limit(Some(MAX_UNSENT)))
        .into_fallible()
        .await
        .map_err(|(error, socket)| Failed::Refused(error, socket))
}

/// Why there is no TLS on a connection.
enum Failed {
    /// The client is gone, or as good as.
    Silent(io::Error),
    /// It sent neither TLS nor HTTP.
    NoTls,
    /// It was told so in TLS's own way.
    Refused(io::Error, Socket<Stream>),
    /// It does not know that this is TLS.
    PlainHttp(Socket<Stream>),
}
