//! A TCP proxy that counts round trips and bytes, and disturbs connections when it is asked to.

mod connection;
mod ending;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::connection::Connection;
pub use self::ending::{Break, Direction, Ending};

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
    /// In the order in which they were opened.
    connections: Vec<Connection>,
    /// Where the next connection breaks, and where each new one does.
    next_break: Option<Break>,
    each_break: Option<Break>,
    /// How many connections have broken.
    broken: u64,
    /// Connections numbered below that have broken are given up.
    mended_below: usize,
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
        self.state.borrow().connections.iter().map(|connection| connection.round_trips).sum()
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

impl State {
    /// Whether the proxy ends this connection, whatever its ends do.
    fn gives_up(&self, number: usize) -> bool {
        number < self.cut_below || (number < self.mended_below && self.connections[number].due().is_some())
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
            let breaks_at = state.next_break.take().or(state.each_break);
            state.connections.push(Connection::open(breaks_at));
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
        () = until(&mut changes, |state| state.gives_up(number)) => {}
    }
    state.send_modify(|state| state.connections[number].is_open = false);
}

async fn exchange(mut client: TcpStream, mut server: TcpStream, number: usize, state: &watch::Sender<State>) {
    let (mut breaks, mut changes) = (state.subscribe(), state.subscribe());
    let (mut request, mut answer) = (vec![0; 65536], vec![0; 65536]);
    let mut server_spoke_last = true;
    let mut stalled = false;
    loop {
        tokio::select! {
            // Nothing passes after the byte at which the connection breaks.
            biased;
            () = until(&mut breaks, |state| state.connections[number].due().is_some()) => {
                let ending = state.borrow().connections[number].due();
                state.send_modify(|state| state.broken += 1);
                return ending.expect("it was due").end(client, server).await;
            }
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
                let length = carry(state, number, Direction::ToServer, length);
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
                let length = carry(state, number, Direction::ToClient, length);
                if client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
            () = until(&mut changes, |state| number < state.stalled_below), if !stalled => stalled = true,
        }
    }
}

/// Counts the bytes of `length` that may pass on this connection, and returns how many they are.
fn carry(state: &watch::Sender<State>, number: usize, direction: Direction, length: usize) -> usize {
    let mut passing = 0;
    state.send_modify(|state| passing = state.connections[number].carry(direction, length));
    passing
}

/// Counts a request on this connection; returns the fault that is meant for it, and its place among those held.
fn next_fault(state: &watch::Sender<State>, number: usize, begins_a_round_trip: bool) -> (Option<Fault>, u64) {
    let (mut fault, mut place) = (None, 0);
    state.send_modify(|state| {
        state.connections[number].round_trips += u32::from(begins_a_round_trip);
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

    /// The end of a client's connection: what it could read, and whether it was reset.
    async fn read_to_the_end(client: &mut TcpStream) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let read = timeout(HANG_LIMIT, client.read_to_end(&mut bytes)).await.expect("the connection ends");
        (bytes, read.is_err())
    }

    #[tokio::test]
    async fn a_connection_ends_after_its_byte_in_either_direction() {
        for (direction, answers) in [(Direction::ToServer, 0..=3), (Direction::ToClient, 3..=3)] {
            for (ending, is_reset) in [(Ending::Close, false), (Ending::Reset, true)] {
                let proxy = Proxy::start(echo().await.expect("a server")).await.expect("a proxy");
                proxy.break_next(Break { direction, after: 3, ending });
                let mut client = client(&proxy).await;
                client.write_all(&[7; 5]).await.expect("the proxy reads");
                let (bytes, reset) = read_to_the_end(&mut client).await;
                assert!(answers.contains(&bytes.len()), "{direction:?} {ending:?}: {} answers", bytes.len());
                assert_eq!(reset, is_reset, "{direction:?} {ending:?}: a reset");
                assert_eq!((proxy.carried(direction), proxy.broken()), (3, 1), "{direction:?} {ending:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_break_of_an_open_connection_is_counted_from_then_on() {
        let proxy = Proxy::start(echo().await.expect("a server")).await.expect("a proxy");
        let mut old = client(&proxy).await;
        round_trip(&mut old).await.expect("an answer");
        proxy.break_open(Break { direction: Direction::ToClient, after: 2, ending: Ending::Close });
        let mut new = client(&proxy).await;
        for _ in 0..2 {
            round_trip(&mut old).await.expect("an answer");
        }
        round_trip(&mut old).await.expect_err("the third byte does not pass");
        round_trip(&mut new).await.expect("a later connection is whole");
        drop((old, new));
        proxy.until_closed().await.expect("both ends have closed both");
    }

    #[tokio::test]
    async fn a_connection_stalled_at_its_byte_is_open_until_it_is_mended() {
        let proxy = Proxy::start(echo().await.expect("a server")).await.expect("a proxy");
        proxy.break_next(Break { direction: Direction::ToServer, after: 1, ending: Ending::Stall });
        let mut stalled = client(&proxy).await;
        stalled.write_all(&[7; 2]).await.expect("the proxy reads");
        proxy.until("it has broken", |state| state.broken == 1).await.expect("one byte passes");
        // Not even the end of the client.
        stalled.shutdown().await.expect("the client ends");
        round_trip(&mut client(&proxy).await).await.expect("the next one is whole");
        assert!(proxy.state.borrow().connections[0].is_open, "the server does not learn of the client's end");
        proxy.mend();
        assert!(read_to_the_end(&mut stalled).await.0.is_empty(), "no answer has passed");
        proxy.until_closed().await.expect("both ends have closed both");
    }

    #[tokio::test]
    async fn a_break_that_has_not_come_is_taken_back() {
        let proxy = Proxy::start(echo().await.expect("a server")).await.expect("a proxy");
        let at = Break { direction: Direction::ToServer, after: 1, ending: Ending::Close };
        let mut open = client(&proxy).await;
        round_trip(&mut open).await.expect("an answer");
        proxy.break_open(at);
        proxy.break_next(at);
        proxy.mend();
        for _ in 0..2 {
            round_trip(&mut open).await.expect("an answer");
        }
        round_trip(&mut client(&proxy).await).await.expect("an answer");
    }

    #[tokio::test]
    async fn each_new_connection_breaks_until_that_is_taken_back() {
        let proxy = Proxy::start(echo().await.expect("a server")).await.expect("a proxy");
        proxy.break_each(Break { direction: Direction::ToClient, after: 1, ending: Ending::Reset });
        for _ in 0..2 {
            let mut broken = client(&proxy).await;
            round_trip(&mut broken).await.expect("one byte passes");
            round_trip(&mut broken).await.expect_err("the second one does not");
        }
        proxy.mend();
        let mut whole = client(&proxy).await;
        for _ in 0..2 {
            round_trip(&mut whole).await.expect("an answer");
        }
    }
}
