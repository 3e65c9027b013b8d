//! The cancellation of a statement that is under way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use crate::budget::Step;
use crate::dial::Destination;
use crate::line::{Established, Line, Stream};
use crate::{Budget, Error};

/// Cancels the statement that a session is waiting for, while the session is busy.
pub struct Canceller {
    token: CancelToken,
    destination: Destination,
}

impl Canceller {
    /// `destination` has the address of the very server that runs the session.
    pub(crate) fn new(token: CancelToken, destination: Destination) -> Self {
        Self { token, destination }
    }

    /// Has the server cancel the session's statement, which then fails with SQLSTATE 57014. Waits until the server has
    /// dealt with the request.
    pub async fn cancel(&self, budget: &Budget) -> Result<(), Error> {
        let line = Line::open(&self.destination, budget).await?;
        Ok(budget.spend(Step::Cancel, self.token.cancel_query_raw(Held(line.stream), Established)).await??)
    }
}

/// A stream whose end waits for the other side's: the server closes it when it has dealt with the request.
///
/// The driver ends it right after the request. PgBouncer forwards the request a moment later, on a connection of its
/// own, and forgets it if the stream has ended by then.
struct Held(Stream);

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Held {
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

impl TlsStream for Held {
    fn channel_binding(&self) -> ChannelBinding {
        self.0.channel_binding()
    }
}
