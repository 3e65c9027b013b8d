//! A way to the server that counts round trips and bytes, and makes it longer.
//!
//! Threads that block: tokio's timers, which the test kit's proxy has, count whole milliseconds.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A relay before a server on 127.0.0.1.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    connections: AtomicU32,
    round_trips: AtomicU32,
    sent: AtomicU64,
    received: AtomicU64,
    /// What is added to each, in nanoseconds.
    delay: AtomicU64,
    first_connection: Mutex<Option<Instant>>,
}

impl Relay {
    /// Listens on a free port for the server on `target`.
    pub(crate) fn start(target: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (port, shared) = (listener.local_addr()?.port(), Arc::new(Shared::default()));
        let relaying = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                relaying.open();
                let relaying = Arc::clone(&relaying);
                // A connection that breaks ends here, too.
                thread::spawn(move || relaying.relay(client, target));
            }
        });
        Ok(Self { port, shared })
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How often a client has waited for the server so far, the opening of each connection included.
    pub(crate) fn round_trips(&self) -> u32 {
        self.shared.round_trips.load(Ordering::Relaxed)
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many bytes clients have sent so far, and how many they were sent.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.shared.sent.load(Ordering::Relaxed), self.shared.received.load(Ordering::Relaxed))
    }

    /// Adds this much to each round trip from now on, the opening of a connection included.
    pub(crate) fn delay(&self, delay: Duration) {
        let nanoseconds = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.shared.delay.store(nanoseconds, Ordering::Relaxed);
    }

    /// Forgets when the first connection was opened.
    pub(crate) fn forget(&self) {
        *self.shared.first_connection.lock().expect("no panic while it is locked") = None;
    }

    /// When the first connection since then was opened.
    pub(crate) fn first_connection(&self) -> Option<Instant> {
        *self.shared.first_connection.lock().expect("no panic while it is locked")
    }
}

impl Shared {
    fn open(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        self.first_connection.lock().expect("no panic while it is locked").get_or_insert_with(Instant::now);
    }

    fn wait(&self) {
        let delay = Duration::from_nanos(self.delay.load(Ordering::Relaxed));
        if !delay.is_zero() {
            thread::sleep(delay);
        }
    }

    fn relay(&self, mut client: TcpStream, target: u16) -> std::io::Result<()> {
        self.wait();
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let has_server_spoken = AtomicBool::new(true);
        let (mut to_client, mut from_server) = (client.try_clone()?, server.try_clone()?);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _ = copy(&mut from_server, &mut to_client, |length| {
                    self.received.fetch_add(length, Ordering::Relaxed);
                    has_server_spoken.store(true, Ordering::Relaxed);
                });
            });
            copy(&mut client, &mut server, |length| {
                self.sent.fetch_add(length, Ordering::Relaxed);
                if has_server_spoken.swap(false, Ordering::Relaxed) {
                    self.round_trips.fetch_add(1, Ordering::Relaxed);
                    self.wait();
                }
            })
        })
    }
}

/// Copies until either end is closed, which closes both; each part after `before`, which learns its length.
fn copy(from: &mut TcpStream, to: &mut TcpStream, before: impl Fn(u64)) -> std::io::Result<()> {
    let mut bytes = vec![0; 65536];
    let copied = loop {
        match from.read(&mut bytes) {
            Ok(length @ 1..) => {
                before(length as u64);
                if let Err(error) = to.write_all(&bytes[..length]) {
                    break Err(error);
                }
            }
            ended => break ended.map(drop),
        }
    };
    // One that is closed already needs nothing.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    copied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_counted_and_delayed() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let relay = Relay::start(server.local_addr().expect("an address").port()).expect("a relay");
        relay.delay(Duration::from_millis(3));
        assert_eq!(relay.first_connection(), None);
        let started = Instant::now();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port())).expect("it listens");
        let (mut accepted, _) = server.accept().expect("it connects");
        for _ in 0..3 {
            let mut byte = [7];
            client.write_all(&byte).expect("it reads");
            accepted.read_exact(&mut byte).expect("the byte");
            accepted.write_all(&byte).expect("it reads");
            client.read_exact(&mut byte).expect("the byte");
        }
        assert_eq!(relay.round_trips(), 4, "three, and the opening");
        assert_eq!((relay.connections(), relay.bytes()), (1, (3, 3)));
        assert!(started.elapsed() >= Duration::from_millis(12), "each takes 3 ms");
        assert!(relay.first_connection().expect("a connection") >= started);
        relay.forget();
        assert_eq!(relay.first_connection(), None);
        drop(client);
        assert_eq!(accepted.read(&mut [0]).expect("the end"), 0, "the server learns of the client's end");
    }
}
