//! The rate of requests.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The part of a second whose requests may come at once, after a pause.
const BURST: f64 = 0.5;

/// The slowest that throttling makes it, in times of the interval.
const SLOWEST: u32 = 16;

/// Lets requests begin at a rate, at once where none has to wait. Throttled, it halves the rate; each request that succeeds
/// brings a part of it back.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    interval: Duration,
    next: Instant,
}

impl Pace {
    /// `rate` is in requests a second.
    pub(super) fn new(rate: f64) -> Self {
        let interval = Duration::from_secs_f64(1.0 / rate);
        Self { interval, state: Mutex::new(State { interval, next: Instant::now() }) }
    }

    /// Waits for the turn of a request.
    pub(super) async fn turn(&self) {
        let turn = {
            let mut state = self.state();
            let earliest = Instant::now().checked_sub(Duration::from_secs_f64(BURST)).unwrap_or(state.next);
            let next = state.next.max(earliest);
            state.next = next + state.interval;
            next
        };
        sleep_until(turn).await;
    }

    pub(super) fn slow_down(&self) {
        let mut state = self.state();
        state.interval = (2 * state.interval).min(SLOWEST * self.interval);
        state.next = state.next.max(Instant::now());
    }

    pub(super) fn speed_up(&self) {
        let mut state = self.state();
        state.interval = (state.interval * 49 / 50).max(self.interval);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while it is locked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_begin_at_the_rate_and_slower_after_throttling() {
        let pace = Pace::new(10.0);
        let begun = Instant::now();
        for _ in 0..21 {
            pace.turn().await;
        }
        assert_eq!(begun.elapsed().as_millis() / 100, 20, "ten a second, the first one at once");
        pace.slow_down();
        pace.turn().await;
        let slowed = Instant::now();
        pace.turn().await;
        assert_eq!(slowed.elapsed().as_millis() / 100, 2, "half of the rate");
        for _ in 0..60 {
            pace.speed_up();
        }
        pace.turn().await;
        let restored = Instant::now();
        pace.turn().await;
        assert_eq!(restored.elapsed().as_millis() / 100, 1, "the rate comes back");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_some_requests_do_not_wait() {
        let pace = Pace::new(10.0);
        tokio::time::advance(Duration::from_mins(1)).await;
        let begun = Instant::now();
        for _ in 0..6 {
            pace.turn().await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
