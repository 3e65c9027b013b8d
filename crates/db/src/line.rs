//! The line to a server, up to the login: DNS, TCP, and TLS where it is wanted.

use std::convert::Infallible;
use std::future::{Future, Ready, poll_fn, ready};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, MaybeDone, maybe_done};
use postgres_openssl::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream as Bound};

use crate::budget::Step;
use crate::dial::{Destination, accept_tls, connect, request_tls, unreachable};
use crate::encryption::Encryption;
use crate::tls::handshake;
use crate::{Budget, Error};

/// An open line, on which nothing was said yet of who logs in.
pub(crate) struct Line {
    pub(crate) stream: Stream,
    /// The address that answered: the name may have many.
    pub(crate) address: IpAddr,
    pub(crate) socket: OwnedFd,
}

/// The stream of a line.
pub(crate) enum Stream {
    Plain(TcpStream),
    Encrypted(TlsStream<TcpStream>),
}

impl Line {
    /// Opens one.
    pub(crate) async fn open(destination: &Destination, budget: &Budget) -> Result<Self, Error> {
        let broken = |source| unreachable(destination, source);
        let pem = match &destination.encryption {
            Encryption::Off => Vec::new(),
            Encryption::Verified(roots) => roots.read(&destination.host, budget).await?,
        };
        let mut stream = connect(destination, budget).await?;
        let address = stream.peer_addr().map_err(broken)?.ip();
        let socket = stream.as_fd().try_clone_to_owned().map_err(broken)?;
        let stream = match &destination.encryption {
            Encryption::Off => Stream::Plain(stream),
            Encryption::Verified(roots) => {
                request_tls(&mut stream, destination, budget).await?;
                // Meanwhile the server starts a process for this client.
                let tls = handshake(roots, pem, &destination.host)?;
                accept_tls(&mut stream, destination, budget).await?;
                let encrypted = budget.spend(Step::Authenticate, tls.connect(stream)).await?;
                Stream::Encrypted(encrypted.map_err(|error| Error::from_handshake(error, destination))?)
            }
        };
        Ok(Self { stream, address, socket })
    }
}

impl Stream {
    /// How the driver is told that the line stands.
    pub(crate) fn modes(&self) -> (SslMode, SslNegotiation) {
        match self {
            Self::Plain(_) => (SslMode::Disable, SslNegotiation::Postgres),
            Self::Encrypted(_) => (SslMode::Require, SslNegotiation::Direct),
        }
    }
}

/// A line that is opened before it is known whether that is where to log in.
pub(crate) struct LineAhead {
    destination: Destination,
    line: MaybeDone<BoxFuture<'static, Result<Line, Error>>>,
}

impl LineAhead {
    /// Makes one, which is opened [beside](Self::beside) something else.
    pub(crate) fn new(destination: Destination, budget: &Budget) -> Self {
        let (to, budget) = (destination.clone(), budget.clone());
        let opening = async move { Line::open(&to, &budget).await };
        Self { destination, line: maybe_done(opening.boxed()) }
    }

    /// Waits for `other`, and opens the line meanwhile.
    pub(crate) async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        poll_fn(|context| {
            let _ = self.line.poll_unpin(context);
            other.as_mut().poll(context)
        })
        .await
    }

    /// Waits for the line, if it leads there.
    pub(crate) async fn to(mut self, destination: &Destination) -> Option<Result<Line, Error>> {
        if self.destination != *destination {
            return None;
        }
        (&mut self.line).await;
        Pin::new(&mut self.line).take_output()
    }
}

/// What the driver is given in place of a handshake: it was made.
pub(crate) struct Established;

impl<S: Bound + Unpin> TlsConnect<S> for Established {
    type Stream = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn connect(self, stream: S) -> Self::Future {
        ready(Ok(stream))
    }
}

impl Bound for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Self::Plain(_) => ChannelBinding::none(),
            Self::Encrypted(stream) => stream.channel_binding(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
