//! The cancellation of a statement that is under way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use postgres_openssl::{TlsConnector, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_postgres::tls::{self, ChannelBinding, TlsConnect};
use tokio_postgres::{CancelToken, NoTls};

use crate::budget::Step;
use crate::dial::dial;
use crate::encryption::Encryption;
use crate::settings::Login;
use crate::tls::handshake;
use crate::{Budget, Error};

/// Cancels the statement that a session is waiting for, while the session is busy.
pub struct Canceller {
    token: CancelToken,
    login: Login,
}

impl Canceller {
    /// `login` has the address of the very server that runs the session.
    pub(crate) fn new(token: CancelToken, login: Login) -> Self {
        Self { token, login }
    }

    /// Has the server cancel the session's statement, which then fails with SQLSTATE 57014. Waits until the server has
    /// dealt with the request.
    pub async fn cancel(&self, budget: &Budget) -> Result<(), Error> {
        let stream = dial(&self.login, budget).await?;
        let cancelled = match &self.login.encryption {
            Encryption::Verified(roots) => {
                let tls = HeldTls(handshake(roots, &self.login.host, budget).await?);
                budget.spend(Step::Cancel, self.token.cancel_query_raw(stream, tls)).await?
            }
            Encryption::Off => budget.spend(Step::Cancel, self.token.cancel_query_raw(Held(stream), NoTls)).await?,
        };
        Ok(cancelled?)
    }
}

/// A stream whose end waits for the other side's: the server closes it when it has dealt with the request.
///
/// The driver ends it right after the request. PgBouncer forwards the request a moment later, on a connection of its
/// own, and forgets it if the stream has ended by then.
struct Held<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; 64];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            // A server that closes without a last word of TLS is an error here, and has closed all the same.
            if ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer)).is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl tls::TlsStream for Held<TlsStream<TcpStream>> {
    fn channel_binding(&self) -> ChannelBinding {
        self.0.channel_binding()
    }
}

/// A handshake that makes a held stream.
struct HeldTls(TlsConnector);

impl TlsConnect<TcpStream> for HeldTls {
    type Stream = Held<TlsStream<TcpStream>>;
    type Error = <TlsConnector as TlsConnect<TcpStream>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: TcpStream) -> Self::Future {
        let connected = self.0.connect(stream);
        Box::pin(async move { Ok(Held(connected.await?)) })
    }
}
