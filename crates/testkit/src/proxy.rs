//! A TCP proxy that counts round trips and misbehaves when told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to the next request that comes through an open connection, and to that one only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it is the turn of the one after it.
    Pass,
    /// The server gets it, and the connection is cut before its answer.
    Cut,
    /// The server gets it, and its answer never comes.
    Stall,
    /// The server does not get it: this is the answer.
    Answer(&'static str),
}

/// A proxy before a server on 127.0.0.1.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<watch::Sender<State>>,
    round_trips: Arc<AtomicU32>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    target: u16,
    refusing: bool,
    silent: bool,
    delay: Duration,
    faults: Vec<Fault>,
    /// Connections numbered below are cut, or stalled.
    cut_below: u64,
    stalled_below: u64,
    connections: u64,
}

impl Proxy {
    /// Listens on a free port for the server on `target`.
    pub async fn start(target: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(State { target, ..State::default() }));
        let round_trips = Arc::new(AtomicU32::new(0));
        let server = tokio::spawn(serve(listener, address, Arc::clone(&state), Arc::clone(&round_trips)));
        Ok(Self { port: address.port(), state, round_trips, server })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often a client has waited for the server so far, the opening of each connection included.
    pub fn round_trips(&self) -> u32 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> u64 {
        self.state.borrow().connections
    }

    /// Leads new connections to another server.
    pub fn lead_to(&self, target: u16) {
        self.state.send_modify(|state| state.target = target);
    }

    /// Refuses new connections, or accepts them again.
    pub fn refuse(&self, refusing: bool) {
        self.state.send_modify(|state| state.refusing = refusing);
    }

    /// Accepts new connections and never says a word on them, or does again.
    pub fn silence(&self, silent: bool) {
        self.state.send_modify(|state| state.silent = silent);
    }

    /// Delays each request by this long.
    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut_below = state.connections);
    }

    /// Lets nothing through on the connections that are open now.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.stalled_below = state.connections);
    }

    /// Whether a fault waits for its request still.
    pub fn is_about_to_fail(&self) -> bool {
        !self.state.borrow().faults.is_empty()
    }

    /// Makes the next requests fail, each in its way.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.send_modify(|state| {
            state.faults = faults.into_iter().collect();
            state.faults.reverse();
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.server.abort();
    }
}

async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    round_trips: Arc<AtomicU32>,
) {
    let mut changes = state.subscribe();
    let mut listener = Some(listener);
    loop {
        if state.borrow().refusing {
            listener = None;
            until(&mut changes, |state| !state.refusing).await;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => TcpListener::bind(address).await.expect("the port was ours a moment ago"),
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    round_trips.fetch_add(1, Ordering::Relaxed);
                    let mut number = 0;
                    state.send_modify(|state| {
                        number = state.connections;
                        state.connections += 1;
                    });
                    tokio::spawn(pass(client, number, Arc::clone(&state), Arc::clone(&round_trips)));
                }
                listener = Some(open);
            }
            () = until(&mut changes, |state| state.refusing) => {}
        }
    }
}

/// Passes one connection's bytes on, until either end closes it or it is cut.
async fn pass(client: TcpStream, number: u64, state: Arc<watch::Sender<State>>, round_trips: Arc<AtomicU32>) {
    let mut changes = state.subscribe();
    let passing = async {
        if state.borrow().silent {
            return std::future::pending().await;
        }
        let target = state.borrow().target;
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
        exchange(client, server, number, &state, &round_trips).await;
    };
    tokio::select! {
        () = passing => {}
        () = until(&mut changes, |state| number < state.cut_below) => {}
    }
}

async fn exchange(
    mut client: TcpStream,
    mut server: TcpStream,
    number: u64,
    state: &watch::Sender<State>,
    round_trips: &AtomicU32,
) {
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
                if server_spoke_last {
                    round_trips.fetch_add(1, Ordering::Relaxed);
                    server_spoke_last = false;
                }
                let mut fault = None;
                state.send_if_modified(|state| {
                    fault = state.faults.pop();
                    false
                });
                if let Some(Fault::Answer(answer)) = fault {
                    server_spoke_last = true;
                    let _ = client.write_all(answer.as_bytes()).await;
                    continue;
                }
                if server.write_all(&request[..length]).await.is_err() {
                    return;
                }
                match fault {
                    // The server must have read the request before it hears that nobody waits any more.
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

async fn until(changes: &mut watch::Receiver<State>, condition: impl FnMut(&State) -> bool) {
    // An error means that the proxy is gone, and everybody who could wait with it.
    let _ = changes.wait_for(condition).await;
}
