//! The bytes of each connection, and the one at which it breaks.

use super::Proxy;
use super::ending::{Break, Direction, Ending};

/// One connection, of which the proxy remembers the figures when it is closed.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) round_trips: u32,
    /// Bytes in each direction.
    pub(super) carried: [u64; Direction::ALL.len()],
    /// Counted from the connection's beginning.
    pub(super) breaks_at: Option<Break>,
    pub(super) is_open: bool,
}

impl Connection {
    /// A connection that opens, which is a round trip, too.
    pub(super) fn open(breaks_at: Option<Break>) -> Self {
        Self { round_trips: 1, carried: [0; Direction::ALL.len()], breaks_at, is_open: true }
    }

    /// How its break is due, if it is.
    pub(super) fn due(&self) -> Option<Ending> {
        let at = self.breaks_at.filter(|at| self.carried[at.direction as usize] >= at.after);
        at.map(|at| at.ending)
    }

    /// Counts the bytes of `length` that may pass, and returns how many they are.
    pub(super) fn carry(&mut self, direction: Direction, length: usize) -> usize {
        let carried = &mut self.carried[direction as usize];
        let left = self.breaks_at.filter(|at| at.direction == direction).map(|at| at.after.saturating_sub(*carried));
        let passing = left.map_or(length, |left| length.min(usize::try_from(left).unwrap_or(usize::MAX)));
        *carried += passing as u64;
        passing
    }
}

impl Proxy {
    /// How many bytes have passed in this direction so far.
    pub fn carried(&self, direction: Direction) -> u64 {
        self.state.borrow().connections.iter().map(|connection| connection.carried[direction as usize]).sum()
    }

    /// How many connections have broken so far, see [`Break`].
    pub fn broken(&self) -> u64 {
        self.state.borrow().broken
    }

    /// Breaks the next connection, and that one only, after so many bytes.
    pub fn break_next(&self, at: Break) {
        self.state.send_modify(|state| state.next_break = Some(at));
    }

    /// Breaks each new connection after so many bytes, until [`Self::mend`].
    pub fn break_each(&self, at: Break) {
        self.state.send_modify(|state| state.each_break = Some(at));
    }

    /// Breaks each connection that is open now after so many bytes more.
    pub fn break_open(&self, at: Break) {
        self.state.send_modify(|state| {
            for connection in state.connections.iter_mut().filter(|connection| connection.is_open) {
                let after = connection.carried[at.direction as usize] + at.after;
                connection.breaks_at = Some(Break { after, ..at });
            }
        });
    }

    /// Ends the connections that have broken for good, and takes back the breaks that are still to come.
    pub fn mend(&self) {
        self.state.send_modify(|state| {
            (state.next_break, state.each_break) = (None, None);
            for connection in state.connections.iter_mut().filter(|connection| connection.due().is_none()) {
                connection.breaks_at = None;
            }
            state.mended_below = state.connections.len();
        });
    }

    /// Waits until no connection is open: both ends have closed each.
    pub async fn until_closed(&self) -> anyhow::Result<()> {
        self.until("every connection is closed", |state| !state.connections.iter().any(|one| one.is_open)).await
    }
}
