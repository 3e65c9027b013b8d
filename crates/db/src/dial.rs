//! The way to a server up to the point where TLS begins: DNS, TCP, and the request for TLS.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::budget::Step;
use crate::encryption::Encryption;
use crate::{Budget, Error};

/// `SSLRequest`: its length, 8, and a number that no protocol version has.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Where a line leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// Host name or address, as the server's certificate has it.
    pub(crate) host: String,
    /// The address to connect to instead of asking DNS for the host.
    pub(crate) host_address: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) encryption: Encryption,
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

/// Connects to the server. Resolves the host's name each time: after a failover it means another one.
pub(crate) async fn connect(destination: &Destination, budget: &Budget) -> Result<TcpStream, Error> {
    let mut addresses = match destination.host_address.or_else(|| destination.host.parse().ok()) {
        Some(address) => vec![SocketAddr::new(address, destination.port)],
        None => resolve(destination, budget).await?,
    };
    let mut failure = unreachable(destination, io::Error::other("the host name has no address"));
    addresses.reverse();
    while let Some(address) = addresses.pop() {
        // An address that swallows packets must leave time for the next one.
        let shares = u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);
        match budget.at_most(budget.remaining() / shares).spend(Step::Connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|error| unreachable(destination, error))?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = unreachable(destination, error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn resolve(destination: &Destination, budget: &Budget) -> Result<Vec<SocketAddr>, Error> {
    let name = (destination.host.clone(), destination.port);
    let found = detached(move || Ok(name.to_socket_addrs()?.collect()));
    budget.spend(Step::ResolveHost, found).await?.map_err(|error| unreachable(destination, error))
}

/// Asks the server for TLS, which it then waits for.
///
/// The request is not left to the driver, because that takes every answer but `S` for a server without TLS.
pub(crate) async fn request_tls(
    stream: &mut TcpStream,
    destination: &Destination,
    budget: &Budget,
) -> Result<(), Error> {
    let sent = budget.spend(Step::Authenticate, stream.write_all(&SSL_REQUEST)).await?;
    sent.map_err(|error| unreachable(destination, error))
}

/// Reads the answer to [`request_tls`], and one more byte if there is one: after its one letter, PostgreSQL waits for the
/// handshake. What greets its clients, as `MySQL` and SSH do, may begin with that letter by chance.
pub(crate) async fn accept_tls(
    stream: &mut TcpStream,
    destination: &Destination,
    budget: &Budget,
) -> Result<(), Error> {
    let mut answer = [0; 2];
    let read = budget.spend(Step::Authenticate, stream.read(&mut answer)).await?;
    let length = read.map_err(|error| unreachable(destination, error))?;
    match &answer[..length] {
        b"S" => Ok(()),
        b"N" => Err(Error::without_tls(&destination.host)),
        b"" => Err(unreachable(destination, io::ErrorKind::UnexpectedEof.into())),
        // An `ErrorResponse`: no session could be started for the client, as when memory is short.
        [b'E', ..] => Err(unreachable(destination, io::Error::other("the server could not start a session"))),
        _ => Err(Error::another_service(&destination.host)),
    }
}

/// The error of a network that does not lead to the server.
pub(crate) fn unreachable(destination: &Destination, source: io::Error) -> Error {
    Error::Unreachable {
        host: destination.host.clone(),
        address: destination.host_address,
        port: destination.port,
        source: source.into(),
    }
}
