//! How long the phases of a change last.

use std::time::{Duration, SystemTime};

use aws_sdk_secretsmanager::primitives::{DateTime, DateTimeFormat};
use tokio::time::Instant;

/// What ends a phase, such as `creating`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The next request: the answer to a change reports its phase, and no later answer does.
    AtOnce,
    /// So many answers that report it.
    Looks(u32),
    /// tokio's clock, which a test can pause, and about the time that it takes at AWS.
    Clock,
}

/// The end of a phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    ends: Instant,
    looks: u32,
}

impl Timer {
    pub(super) fn new(from: Instant, lasts: Duration) -> Self {
        Self { ends: from + lasts, looks: 0 }
    }

    pub(super) fn ends(self) -> Instant {
        self.ends
    }

    /// Counts an answer that reports the phase.
    pub(super) fn look(&mut self) {
        self.looks += 1;
    }

    pub(super) fn is_over(self, pace: Pace) -> bool {
        match pace {
            Pace::AtOnce => true,
            Pace::Looks(looks) => self.looks >= looks,
            Pace::Clock => Instant::now() >= self.ends,
        }
    }
}

/// The time of day that follows tokio's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    started: Instant,
    began: SystemTime,
}

impl Calendar {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), began: SystemTime::now() }
    }

    /// The time at this instant, as AWS writes it.
    pub(super) fn at(self, instant: Instant) -> String {
        let time = DateTime::from(self.began + instant.saturating_duration_since(self.started));
        time.fmt(DateTimeFormat::DateTime).unwrap_or_default()
    }

    pub(super) fn now(self) -> String {
        self.at(Instant::now())
    }
}
