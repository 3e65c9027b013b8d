//! The time of day that follows tokio's clock, which a test can pause.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    began_ms: u64,
}

impl Clock {
    pub(super) fn new() -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        Self { started: Instant::now(), began_ms: milliseconds(began) }
    }

    /// Milliseconds since 1970.
    pub(super) fn now_ms(self) -> u64 {
        self.began_ms + milliseconds(self.started.elapsed())
    }
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("no test lasts so long")
}
