//! Ports for programs that cannot choose their own.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::ops::Range;

use anyhow::Context;
use tokio::net::TcpSocket;
use uuid::Uuid;

/// How many ports are handed out, right below the ephemeral ones.
const COUNT: u16 = 12_000;

/// The first ephemeral port where the system does not say: Linux' own default.
const FIRST_EPHEMERAL: u16 = 32_768;

/// The lowest port that is handed out: well-known services listen below.
const LOWEST: u16 = 10_000;

/// A TCP port of 127.0.0.1, reserved for the holder of this value among all processes that use this type.
///
/// It lies below the range from which the kernel takes the ports of outgoing connections and of listeners on port 0,
/// so that none of these takes it, even while nothing listens on it.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// The reservation. What is started on the port speaks TCP; the UDP port by the same number has no other use, it
    /// has one holder at a time, and the kernel frees it however the process ends.
    _lock: UdpSocket,
}

impl Port {
    /// Reserves a port that nothing listens on.
    pub fn reserve() -> anyhow::Result<Self> {
        let ports = range(fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok().as_deref());
        // From a random one on: a client that knew the last holder of a port must not find the next one there.
        let (count, random) = (ports.len(), Uuid::new_v4().as_u128() % 65_536);
        let start = usize::try_from(random)? % count;
        let mut candidates = ports.clone().cycle().skip(start).take(count);
        candidates.find_map(Self::claim).with_context(|| format!("none of the ports {ports:?} is free"))
    }

    fn claim(number: u16) -> Option<Self> {
        let lock = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        // Bound, and not listened on: while another thread forks, its child holds a copy of this socket, which must
        // not keep the port from its holder.
        let probe = TcpSocket::new_v4().ok()?;
        probe.set_reuseaddr(true).ok()?;
        probe.bind((Ipv4Addr::LOCALHOST, number).into()).ok()?;
        Some(Self { number, _lock: lock })
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// The ports to hand out, by the content of `ip_local_port_range`.
fn range(ephemeral: Option<&str>) -> Range<u16> {
    let first = ephemeral.and_then(|range| range.split_whitespace().next()?.parse().ok()).unwrap_or(FIRST_EPHEMERAL);
    // A system whose ephemeral ports begin this low leaves no better choice.
    let end = if first > LOWEST { first } else { FIRST_EPHEMERAL };
    LOWEST.max(end.saturating_sub(COUNT))..end
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_ports_lie_below_the_ephemeral_ones() {
        assert_eq!(range(Some("32768\t60999\n")), 20_768..32_768);
        assert_eq!(range(Some("15000\t60999\n")), 10_000..15_000);
        for unusable in [None, Some(""), Some("1024\t65535\n")] {
            assert_eq!(range(unusable), 20_768..32_768, "{unusable:?}");
        }
    }

    #[test]
    fn a_port_has_one_holder_and_is_free_to_listen_on() {
        let ports: Vec<Port> = (0..100).map(|_| Port::reserve().expect("a port")).collect();
        let numbers: BTreeSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
        for port in &ports {
            assert!(Port::claim(port.number()).is_none(), "{port:?} is reserved");
            TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).expect("nothing else listens on it");
        }
    }

    #[test]
    fn a_port_that_something_listens_on_is_not_handed_out() {
        let port = Port::reserve().expect("a port");
        let number = port.number();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).expect("the port is reserved");
        drop(port);
        assert!(Port::claim(number).is_none(), "something listens on it");
        drop(listener);
    }
}
