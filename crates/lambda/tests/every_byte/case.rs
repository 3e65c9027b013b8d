//! The cases: one connection, broken at one byte, in one way.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use anyhow::Context;
use fastrand::Rng;
use testkit::{Break, Direction, Ending};

/// The connection that breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Start {
    /// The one that the function has kept.
    Warm,
    /// The one that the function opens because it has kept none.
    Cold,
    /// The first one of a process, for which an event is already waiting.
    Process,
    /// Each one that the function opens, until it answers.
    Each,
}

impl Start {
    pub(crate) const ALL: [Self; 4] = [Self::Warm, Self::Cold, Self::Process, Self::Each];

    /// Whether a case of it costs many times as much as one connection.
    fn is_costly(self) -> bool {
        matches!(self, Self::Process | Self::Each)
    }
}

/// A connection, and where and how it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    pub(crate) start: Start,
    pub(crate) at: Break,
}

impl Case {
    /// The cases that are like it but for the byte.
    pub(crate) fn kind(&self) -> String {
        format!("{} {} {}", self.start, self.at.direction, self.at.ending)
    }

    /// Whether the sign-up may fail: where every connection breaks, and no other.
    pub(crate) fn may_fail(&self) -> bool {
        self.start == Start::Each
    }
}

impl Display for Start {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(["warm", "cold", "process", "each"][*self as usize])
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.start, self.at)
    }
}

/// Reads what [`Display`] writes.
impl FromStr for Case {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (start, at) = text.trim().split_once(' ').context("expected START DIRECTION BYTES ENDING")?;
        let start = Start::ALL.into_iter().find(|known| known.to_string() == start);
        Ok(Self { start: start.with_context(|| format!("no start: {text:?}"))?, at: at.parse()? })
    }
}

/// The bytes of a conversation, to the server and to the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length(pub(crate) [u64; Direction::ALL.len()]);

impl Display for Length {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self([to_server, to_client]) = self;
        write!(f, "{to_server} bytes to the server and {to_client} to the client")
    }
}

/// How many cases are tried.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Selection {
    /// Each byte, but samples of what is costly.
    Every,
    /// About so many.
    Sample(usize),
}

impl Selection {
    /// The cases of one start, direction and ending.
    fn share(self, start: Start) -> u64 {
        let share = match self {
            Self::Every if start.is_costly() => 100,
            Self::Every => u64::MAX,
            Self::Sample(count) => (count / Start::ALL.len() / Direction::ALL.len() / Ending::ALL.len()) as u64,
        };
        // It takes its whole time, each time.
        if start == Start::Each { share.div_ceil(4) } else { share.max(1) }
    }
}

/// The cases of conversations this long, as many for each direction as for the other, and for each ending.
pub(crate) fn cases(warm: Length, cold: Length, selection: Selection, rng: &mut Rng) -> Vec<Case> {
    let mut cases = Vec::new();
    for start in Start::ALL {
        let Length(length) = if start == Start::Warm { warm } else { cold };
        for direction in Direction::ALL {
            for ending in Ending::ALL {
                let bytes = sample(length[direction as usize] + 1, selection.share(start), rng);
                cases.extend(bytes.map(|after| Case { start, at: Break { direction, after, ending } }));
            }
        }
    }
    // Neighbours fail alike: mixed, the first failures say more.
    rng.shuffle(&mut cases);
    cases
}

/// At most `share` of the numbers below `count`, one at random in each of as many equal parts.
fn sample(count: u64, share: u64, rng: &mut Rng) -> impl Iterator<Item = u64> {
    let share = share.min(count);
    (0..share).map(move |part| {
        let (from, to) = (part * count / share, (part + 1) * count / share);
        rng.u64(from..to)
    })
}
