//! An open session with the server.

use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::time::Duration;

use socket2::SockRef;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::Canceller;
use crate::login::Login;

/// The longest that closing takes. It is one message that waits for no answer; Lambda kills a process 500 ms after
/// SIGTERM.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown>
const CLOSE_LIMIT: Duration = Duration::from_millis(200);

/// An open connection; use it as the [`Client`] it holds.
///
/// [`Self::close`] ends it at the server. A session that is dropped instead is cut: the server then ends it too if it
/// is idle, but runs a statement that is under way to its end, unless a [`Canceller`] stops it.
#[derive(Debug)]
pub struct Session {
    client: Option<Client>,
    connection: JoinHandle<()>,
    /// The connection's own socket, until the session is closed in order.
    socket: Option<OwnedFd>,
    login: Login,
}

impl Session {
    /// `login` has the address of the server that answered.
    pub(crate) fn new(client: Client, connection: JoinHandle<()>, socket: OwnedFd, login: Login) -> Self {
        Self { client: Some(client), connection, socket: Some(socket), login }
    }

    /// The login that it was opened with, at the address of the server that answered.
    pub(crate) fn login(&self) -> &Login {
        &self.login
    }

    /// Makes a canceller of this session's statements.
    pub fn canceller(&self) -> Canceller {
        Canceller::new(self.cancel_token(), self.login.destination())
    }

    /// Ends the session at the server and waits until the message is sent, so that no session is left behind there. A
    /// connection that takes no message within 200 ms is cut.
    pub async fn close(mut self) {
        self.client = None;
        // An error of the task can only be a panic: it is closed either way.
        if timeout(CLOSE_LIMIT, &mut self.connection).await.is_ok() {
            self.socket = None;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A stalled connection would otherwise wait for the server, possibly for ever.
        self.connection.abort();
        if let Some(socket) = &self.socket {
            // Closing then discards what was not sent yet. The kernel would otherwise go on sending a statement on a
            // path that is dead for now, and the server run it when nobody waits for it any more. Without effect on a
            // connection that is closed already.
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().expect("only `close` takes the client")
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        self.client.as_mut().expect("only `close` takes the client")
    }
}
