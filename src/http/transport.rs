//! What HTTP is spoken over: a client's socket as it is, or with TLS above it.
//! Does not own either.
//!
//! One type for both, so that there is one copy of all that serves a connection:
//! two took a third longer to compile, and cost each request some 600
//! instructions, since neither was small enough to become part of its caller.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::socket::Socket;
use super::stream::Stream;
use super::tls::handshake::Encrypted;

/// See the head of this file.
pub enum Transport {
    /// Over a socket alone.
    Plain(Socket<Stream>),
    /// Boxed, for it is larger, and there are many without.
    Tls(Box<Encrypted>),
}

/// Does the same with whichever it is.
macro_rules! either {
    ($transport:expr, $stream:ident => $does:expr) => {
        match $transport.get_mut() {
            Transport::Plain(stream) => {
                let $stream = Pin::new(stream);
                $does
            }
            Transport::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $does
            }
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context,
        read: &mut ReadBuf,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(context, read))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(context))
    }
}
