//! The way to a server up to the point where TLS begins: DNS, TCP, and the request for TLS.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::budget::Step;
use crate::encryption::Encryption;
use crate::settings::Login;
use crate::{Budget, Error};

/// `SSLRequest`: its length, 8, and a number that no protocol version has.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Connects to the server, and asks it for TLS where the login wants that. The handshake is then the caller's.
///
/// The request is not left to the driver, because that takes every answer but `S` for a server without TLS.
pub(crate) async fn dial(login: &Login, budget: &Budget) -> Result<TcpStream, Error> {
    let mut stream = connect(login, budget).await?;
    if login.encryption != Encryption::Off {
        let answer = budget.spend(Step::Authenticate, request_tls(&mut stream)).await?;
        match answer.map_err(|error| unreachable(login, error))?.as_slice() {
            b"S" => {}
            b"N" => return Err(Error::without_tls(&login.host)),
            b"" => return Err(unreachable(login, io::ErrorKind::UnexpectedEof.into())),
            // An `ErrorResponse`: no session could be started for the client, as when memory is short.
            [b'E', ..] => return Err(unreachable(login, io::Error::other("the server could not start a session"))),
            _ => return Err(Error::another_service(&login.host)),
        }
    }
    Ok(stream)
}

/// Runs work that blocks on a thread of its own, which nothing waits for: not an invocation, and not the end of the
/// process. tokio's own threads for such work are few, and its runtime waits for them at the end.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = oneshot::channel();
    // An error of sending means that nobody waits any more.
    thread::Builder::new().spawn(move || sender.send(work()).unwrap_or_default())?;
    receiver.await.map_err(io::Error::other)?
}

/// Resolves the host's name each time: after a failover it means another server.
async fn connect(login: &Login, budget: &Budget) -> Result<TcpStream, Error> {
    let mut addresses = match login.host_address.or_else(|| login.host.parse().ok()) {
        Some(address) => vec![SocketAddr::new(address, login.port)],
        None => resolve(login, budget).await?,
    };
    let mut failure = unreachable(login, io::Error::other("the host name has no address"));
    addresses.reverse();
    while let Some(address) = addresses.pop() {
        // An address that swallows packets must leave time for the next one.
        let shares = u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);
        match budget.at_most(budget.remaining() / shares).spend(Step::Connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|error| unreachable(login, error))?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = unreachable(login, error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn resolve(login: &Login, budget: &Budget) -> Result<Vec<SocketAddr>, Error> {
    let name = (login.host.clone(), login.port);
    let found = detached(move || Ok(name.to_socket_addrs()?.collect()));
    budget.spend(Step::ResolveHost, found).await?.map_err(|error| unreachable(login, error))
}

/// Returns the answer, and one more byte if there is one: after its one letter, PostgreSQL waits for the handshake. What
/// greets its clients, as `MySQL` and SSH do, may begin with that letter by chance.
async fn request_tls(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    stream.write_all(&SSL_REQUEST).await?;
    let mut answer = [0; 2];
    let length = stream.read(&mut answer).await?;
    Ok(answer[..length].to_vec())
}

/// The error of a network that does not lead to the server.
pub(crate) fn unreachable(login: &Login, source: io::Error) -> Error {
    Error::Unreachable {
        host: login.host.clone(),
        address: login.host_address,
        port: login.port,
        source: source.into(),
    }
}
