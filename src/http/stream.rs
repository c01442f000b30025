//! A connection as the system has it, over the network or within the machine.
//! Does not own how it comes in (`listener`), nor how it is read and written for
//! HTTP (`socket`).

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// What the system takes, beyond what is on its way already, of what is soon out
/// of date.
const MOST_NOT_SENT: u32 = 16 * 1024;

/// How long the other side of such a connection may take nothing and say nothing.
const UNHEARD: Duration = Duration::from_secs(3);

/// One connection.
#[derive(Debug)]
pub enum Stream {
    /// Over the network.
    Tcp(TcpStream),
    /// Within the machine.
    Unix(UnixStream),
}

impl Stream {
    /// Waits for something to be there and copies its beginning, which stays to be
    /// read. Only of what comes over the network.
    ///
    /// # Errors
    /// As the system has them; there is none of this for Unix sockets.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.peek(buffer).await,
            Self::Unix(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// Has the system keep little of what is written, and give up soon who does not
    /// take it: for what is out of date when it comes late.
    ///
    /// # Errors
    /// As the system has them.
    pub fn keep_little(&self) -> io::Result<()> {
        let Self::Tcp(stream) = self else { return Ok(()) };
        let socket = SockRef::from(stream);
        socket.set_tcp_notsent_lowat(MOST_NOT_SENT)?;
        socket.set_tcp_user_timeout(Some(UNHEARD))
    }

    /// Writes what can be written at once.
    ///
    /// # Errors
    /// As the system has them; when nothing can be written at once.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
