//! A TCP proxy that counts round trips and disturbs connections when it is asked to.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::HANG_LIMIT;

/// What happens to the next request on an open connection, and to that one only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the fault after it is for the request after it.
    Pass,
    /// The server gets it, and the connection is cut before its answer.
    Cut,
    /// The server gets it, and its answer never comes.
    Stall,
    /// The server gets it once [`Proxy::release`] is called.
    Hold,
    /// The server does not get it: this is the answer.
    Answer(&'static str),
}

/// A proxy before a server on 127.0.0.1.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<watch::Sender<State>>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    target: u16,
    refusing: bool,
    silent: bool,
    delay: Duration,
    /// The last one is the next.
    faults: Vec<Fault>,
    /// Connections numbered below are cut, or stalled.
    cut_below: usize,
    stalled_below: usize,
    /// The round trips of each connection, in the order in which they were opened.
    connections: Vec<u32>,
    refusals: u64,
    /// How many requests were held, and how many of them were released.
    held: u64,
    released: u64,
}

impl Proxy {
    /// Listens on a free port for the server on `target`.
    pub async fn start(target: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(watch::Sender::new(State { target, ..State::default() }));
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Ok(Self { port, state, server })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often a client has waited for the server so far, the opening of each connection included.
    pub fn round_trips(&self) -> u32 {
        self.state.borrow().connections.iter().sum()
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.state.borrow().connections.len()
    }

    /// Leads new connections to another server.
    pub fn lead_to(&self, target: u16) {
        self.state.send_modify(|state| state.target = target);
    }

    /// Resets new connections at once, or accepts them again.
    ///
    /// The port stays the proxy's own: if it were closed, the kernel could give it to another listener.
    pub fn refuse(&self, refusing: bool) {
        self.state.send_modify(|state| state.refusing = refusing);
    }

    /// Accepts new connections and never answers on them, or does again.
    pub fn silence(&self, silent: bool) {
        self.state.send_modify(|state| state.silent = silent);
    }

    /// Delays each request by this long.
    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut_below = state.connections.len());
    }

    /// Passes nothing on any more on the connections that are open now.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.stalled_below = state.connections.len());
    }

    /// Makes the next requests fail, each in its way.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.send_modify(|state| {
            state.faults = faults.into_iter().collect();
            state.faults.reverse();
        });
    }

    /// Whether a fault still waits for its request.
    pub fn is_about_to_fail(&self) -> bool {
        !self.state.borrow().faults.is_empty()
    }

    /// Passes on the requests that a [`Fault::Hold`] has held.
    pub fn release(&self) {
        self.state.send_modify(|state| state.released = state.held);
    }

    /// Waits until a request is held.
    pub async fn until_held(&self) -> anyhow::Result<()> {
        self.until("a request is held", |state| state.held > state.released).await
    }

    /// Waits until this many connections were refused.
    pub async fn until_refused(&self, count: u64) -> anyhow::Result<()> {
        let refused = self.state.borrow().refusals;
        self.until("connections are refused", |state| state.refusals >= refused + count).await
    }

    /// Waits until this many connections were opened since the proxy started.
    pub async fn until_connections(&self, count: usize) -> anyhow::Result<()> {
        self.until("connections are opened", |state| state.connections.len() >= count).await
    }

    async fn until(&self, event: &str, condition: impl FnMut(&State) -> bool) -> anyhow::Result<()> {
        match timeout(HANG_LIMIT, self.state.subscribe().wait_for(condition)).await {
            Ok(_) => Ok(()),
            Err(_) => anyhow::bail!("waited in vain until {event}"),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<watch::Sender<State>>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        if state.borrow().refusing {
            // Without lingering, closing is a reset. A client that is gone already needs none.
            let _ = client.set_zero_linger();
            drop(client);
            state.send_modify(|state| state.refusals += 1);
            continue;
        }
        let mut number = 0;
        state.send_modify(|state| {
            number = state.connections.len();
            // Opening a connection is a round trip, too.
            state.connections.push(1);
        });
        tokio::spawn(pass(client, number, Arc::clone(&state)));
    }
}

/// Passes one connection's bytes on, until either end closes it or it is cut.
async fn pass(client: TcpStream, number: usize, state: Arc<watch::Sender<State>>) {
    let mut changes = state.subscribe();
    let passing = async {
        if state.borrow().silent {
            return std::future::pending().await;
        }
        let target = state.borrow().target;
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
        exchange(client, server, number, &state).await;
    };
    tokio::select! {
        () = passing => {}
        () = until(&mut changes, |state| number < state.cut_below) => {}
    }
}

async fn exchange(mut client: TcpStream, mut server: TcpStream, number: usize, state: &watch::Sender<State>) {
    let mut changes = state.subscribe();
    let (mut request, mut answer) = (vec![0; 65536], vec![0; 65536]);
    let mut server_spoke_last = true;
    let mut stalled = false;
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(length @ 1..) = read else { return };
                if stalled {
                    continue;
                }
                let delay = state.borrow().delay;
                tokio::time::sleep(delay).await;
                let (fault, place) = next_fault(state, number, server_spoke_last);
                server_spoke_last = false;
                match fault {
                    Some(Fault::Answer(answer)) => {
                        server_spoke_last = true;
                        // A client that is gone needs no answer; the next read sees it.
                        let _ = client.write_all(answer.as_bytes()).await;
                        continue;
                    }
                    Some(Fault::Hold) => until(&mut state.subscribe(), |state| state.released >= place).await,
                    _ => {}
                }
                if server.write_all(&request[..length]).await.is_err() {
                    return;
                }
                match fault {
                    // The server must have read the request before its client is gone.
                    Some(Fault::Cut) => {
                        let _ = server.read(&mut answer).await;
                        return;
                    }
                    Some(Fault::Stall) => stalled = true,
                    _ => {}
                }
            }
            read = server.read(&mut answer), if !stalled => {
                let Ok(length @ 1..) = read else { return };
                server_spoke_last = true;
                if client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
            () = until(&mut changes, |state| number < state.stalled_below), if !stalled => stalled = true,
        }
    }
}

/// Counts a request on this connection; returns the fault that is meant for it, and its place among those held.
fn next_fault(state: &watch::Sender<State>, number: usize, begins_a_round_trip: bool) -> (Option<Fault>, u64) {
    let (mut fault, mut place) = (None, 0);
    state.send_modify(|state| {
        state.connections[number] += u32::from(begins_a_round_trip);
        fault = state.faults.pop();
        state.held += u64::from(fault == Some(Fault::Hold));
        place = state.held;
    });
    (fault, place)
}

async fn until(changes: &mut watch::Receiver<State>, condition: impl FnMut(&State) -> bool) {
    // An error means that the proxy is gone, and all that could wait with it.
    let _ = changes.wait_for(condition).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each byte with the same byte.
    async fn echo() -> anyhow::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    while let Ok(byte) = stream.read_u8().await {
                        if stream.write_u8(byte).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Ok(port)
    }

    async fn client(proxy: &Proxy) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await.expect("the proxy listens")
    }

    async fn round_trip(client: &mut TcpStream) -> std::io::Result<u8> {
        client.write_u8(7).await?;
        client.read_u8().await
    }

    #[tokio::test]
    async fn the_round_trips_of_all_connections_are_counted() {
        let proxy = Proxy::start(echo().await.expect("a server")).await.expect("a proxy");
        let mut first = client(&proxy).await;
        for _ in 0..3 {
            round_trip(&mut first).await.expect("an answer");
        }
        let mut second = client(&proxy).await;
        round_trip(&mut second).await.expect("an answer");
        round_trip(&mut first).await.expect("an answer");
        assert_eq!((proxy.connections(), proxy.round_trips()), (2, 7));
    }

    #[tokio::test]
    async fn a_refused_client_is_reset_and_the_port_is_kept() {
        let proxy = Proxy::start(echo().await.expect("a server")).await.expect("a proxy");
        proxy.refuse(true);
        let refusal = async {
            // The reset may come before the client knows that it was connected.
            let mut refused = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await?;
            round_trip(&mut refused).await
        };
        let (seen, refusal) = tokio::join!(proxy.until_refused(1), refusal);
        seen.expect("the proxy has seen it");
        refusal.expect_err("the connection is reset");
        assert_eq!(proxy.connections(), 0, "what is refused is not opened");
        proxy.refuse(false);
        round_trip(&mut client(&proxy).await).await.expect("an answer");
    }

    #[tokio::test]
    async fn a_held_request_is_answered_once_it_is_released() {
        let proxy = Proxy::start(echo().await.expect("a server")).await.expect("a proxy");
        let mut client = client(&proxy).await;
        proxy.fail_next([Fault::Pass, Fault::Hold]);
        round_trip(&mut client).await.expect("the first one passes");
        let release = async {
            proxy.until_held().await.expect("the second one is held");
            proxy.release();
        };
        let (answer, ()) = tokio::join!(round_trip(&mut client), release);
        answer.expect("an answer");
        round_trip(&mut client).await.expect("the third one passes");
    }

    #[tokio::test]
    async fn a_cut_ends_the_connections_of_now_and_no_later_ones() {
        let proxy = Proxy::start(echo().await.expect("a server")).await.expect("a proxy");
        let mut old = client(&proxy).await;
        round_trip(&mut old).await.expect("an answer");
        proxy.cut();
        round_trip(&mut old).await.expect_err("the connection is cut");
        round_trip(&mut client(&proxy).await).await.expect("an answer");
    }
}
